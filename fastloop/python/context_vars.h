/* Telling whether two contexts hold the same variables, without looking at any of them.
 *
 * A context holds one immutable mapping (PEP 567), which copying a context shares and setting a variable replaces: the mapping's
 * address says whether anything was set.
 * Promises: context_vars_find() finds where a context keeps its mapping, and proves it on three contexts; on a Python where the
 *   proof fails, contexts are copied for every callback.
 */
#ifndef FASTLOOP_CONTEXT_VARS_H
#define FASTLOOP_CONTEXT_VARS_H

#include <Python.h>
#include <stdbool.h>

static int context_vars_visit(PyObject *referent, void *found)
{
    /* The other thing that a context refers to is the context it was entered from. */
    if (!PyContext_CheckExact(referent)) {
        *(PyObject **)found = referent;
    }
    return 0;
}

/* The mapping as the garbage collector is shown it. */
static inline PyObject *context_vars_shown(PyObject *context)
{
    PyObject *vars = NULL;
    Py_TYPE(context)->tp_traverse(context, context_vars_visit, &vars);
    return vars;
}

/* HOT. The mapping, borrowed and only good for comparing. */
static inline PyObject *context_vars_of(PyObject *context, Py_ssize_t offset)
{
    return *(PyObject **)((char *)context + offset);
}

/* HOT. The same of the context that this thread is in; NULL if it is in none. */
static inline PyObject *context_vars_current(Py_ssize_t offset)
{
    PyObject *context = PyThreadState_Get()->context;
    return context != NULL ? context_vars_of(context, offset) : NULL;
}

/* Does the context hold the same variables as the one that this thread is in? */
static inline bool context_vars_are_current(PyObject *context, Py_ssize_t offset)
{
    return PyContext_CheckExact(context) && context_vars_current(offset) == context_vars_of(context, offset);
}

/* The same, and it is another context: variables that are set from here on do not change it. */
static inline bool context_vars_are_a_copy(PyObject *context, Py_ssize_t offset)
{
    return context != PyThreadState_Get()->context && context_vars_are_current(context, offset);
}

static inline bool context_vars_are_at(Py_ssize_t offset, PyObject *context)
{
    PyObject *shown = context_vars_shown(context);
    return shown != NULL && shown == context_vars_of(context, offset);
}

/* Where contexts keep their mapping, or 0 if that is not certain: copy is an unchanged copy of context, changed is not. */
static inline Py_ssize_t context_vars_find(PyObject *context, PyObject *copy, PyObject *changed)
{
/* Without the GIL another thread may be about to schedule too: no sharing, as COMPAT_HAS_GIL tells the handles. */
#ifndef Py_GIL_DISABLED
    Py_ssize_t size = Py_TYPE(context)->tp_basicsize;
    for (Py_ssize_t offset = sizeof(PyObject); offset + (Py_ssize_t)sizeof(PyObject *) <= size; offset += sizeof(PyObject *)) {
        if (context_vars_are_at(offset, context) && context_vars_are_at(offset, copy) && context_vars_are_at(offset, changed)
            && context_vars_of(context, offset) == context_vars_of(copy, offset)
            && context_vars_of(context, offset) != context_vars_of(changed, offset)) {
            return offset;
        }
    }
#else
    (void)context, (void)copy, (void)changed;
#endif
    return 0;
}

#endif
