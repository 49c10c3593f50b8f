/* Whether two contexts hold the same variables, without looking at any variable.
 *
 * A context holds one immutable mapping (PEP 567). Copying a context shares the mapping, and setting a variable replaces
 * it. So its address tells whether anything was set.
 * Promises: context_vars_find() finds where a context keeps its mapping, and proves it on three contexts. On a Python
 *   where the proof fails, contexts are copied for every callback.
 */
#ifndef FASTLOOP_CONTEXT_VARS_H
#define FASTLOOP_CONTEXT_VARS_H

#include <Python.h>
#include <stdbool.h>

#include "cpython_compat.h"

static int context_vars_visit(PyObject *referent, void *found)
{
    /* The only other object that a context refers to is the context it was entered from. */
    if (!PyContext_CheckExact(referent)) {
        *(PyObject **)found = referent;
    }
    return 0;
}

/* The mapping, found by traversing the context as the garbage collector does. Borrowed. */
static inline PyObject *context_vars_from_gc(PyObject *context)
{
    PyObject *vars = NULL;
    Py_TYPE(context)->tp_traverse(context, context_vars_visit, &vars);
    return vars;
}

/* HOT. The mapping. Borrowed, for comparison only. */
static inline PyObject *context_vars_of(PyObject *context, Py_ssize_t offset)
{
    return *(PyObject **)((char *)context + offset);
}

/* HOT. The mapping of this thread's current context; NULL if there is none. */
static inline PyObject *context_vars_current(Py_ssize_t offset)
{
    PyObject *context = PyThreadState_Get()->context;
    return context != NULL ? context_vars_of(context, offset) : NULL;
}

/* Does the context hold the same variables as this thread's current one? */
static inline bool context_vars_are_current(PyObject *context, Py_ssize_t offset)
{
    return PyContext_CheckExact(context) && context_vars_current(offset) == context_vars_of(context, offset);
}

/* The same, and it is not the current context itself: variables that are set from here on do not change it. */
static inline bool context_vars_are_a_copy(PyObject *context, Py_ssize_t offset)
{
    return context != PyThreadState_Get()->context && context_vars_are_current(context, offset);
}

static inline bool context_vars_are_at(Py_ssize_t offset, PyObject *context)
{
    PyObject *vars = context_vars_from_gc(context);
    return vars != NULL && vars == context_vars_of(context, offset);
}

/* The offset of the mapping in a context, or 0 if that is not certain. copy is an unchanged copy of context; changed is a
 * copy in which a variable was set. */
static inline Py_ssize_t context_vars_find(PyObject *context, PyObject *copy, PyObject *changed)
{
    /* Without the GIL another thread may schedule at the same time, so no context is shared. */
    if (!COMPAT_HAS_GIL) {
        return 0;
    }
    Py_ssize_t size = Py_TYPE(context)->tp_basicsize;
    for (Py_ssize_t offset = sizeof(PyObject); offset + (Py_ssize_t)sizeof(PyObject *) <= size; offset += sizeof(PyObject *)) {
        if (context_vars_are_at(offset, context) && context_vars_are_at(offset, copy) && context_vars_are_at(offset, changed)
            && context_vars_of(context, offset) == context_vars_of(copy, offset)
            && context_vars_of(context, offset) != context_vars_of(changed, offset)) {
            return offset;
        }
    }
    return 0;
}

#endif
