/* Contexts that callbacks share.
 *
 * While no context variable changes, everything that is scheduled shares one copy of the current context, the snapshot.
 * The snapshot is never entered. Callbacks run in a copy of it, the spare. The spare is lent to one callback at a time,
 * and reused until one of them sets a variable.
 *
 * Owns: the snapshot, and the spare while it is not lent.
 * Promises: every callback finds the values that were set when it was scheduled. The program never sees a context that another
 *   callback has used. shared_context_forget() drops all values.
 * Driven by: handles. On a Python where contexts cannot be compared (vars_offset 0), nothing is shared.
 */
#ifndef FASTLOOP_SHARED_CONTEXT_H
#define FASTLOOP_SHARED_CONTEXT_H

#include <Python.h>
#include <stdbool.h>

#include "context_vars.h"

typedef struct {
    PyObject *snapshot;
    const PyObject *vars; /* the snapshot's mapping of variables, borrowed from it and only compared */
    PyObject *spare;
    PyObject *spare_of; /* the snapshot that the spare is a copy of */
} shared_context_t;

/* Makes a new snapshot. Returns a new reference. */
static PyObject *shared_context_take(shared_context_t *shared, Py_ssize_t vars_offset)
{
    PyObject *snapshot = PyContext_CopyCurrent();
    if (snapshot != NULL && vars_offset != 0) {
        shared->vars = context_vars_of(snapshot, vars_offset);
        Py_XSETREF(shared->snapshot, Py_NewRef(snapshot));
    }
    return snapshot;
}

/* HOT. The snapshot of the current context, a new one if a variable was set since the last. Returns a new reference. */
static inline PyObject *shared_context_current(shared_context_t *shared, Py_ssize_t vars_offset)
{
    if (shared->vars != NULL && context_vars_current(vars_offset) == shared->vars) {
        return Py_NewRef(shared->snapshot);
    }
    return shared_context_take(shared, vars_offset);
}

/* HOT. Whether there is a spare of this snapshot. If not, one must be made, and that may run the collector. */
static inline bool shared_context_has_spare(const shared_context_t *shared, const PyObject *snapshot)
{
    return shared->spare != NULL && shared->spare_of == snapshot;
}

/* HOT. Replaces the snapshot in *place by its spare. Both references pass on: the spare's to *place, the snapshot's to
 * the caller. No other callback gets the spare while it is lent, even if the callback runs the loop from within.
 * INVARIANT: shared_context_has_spare(). */
static inline PyObject *shared_context_lend(shared_context_t *shared, PyObject **place)
{
    PyObject *snapshot = *place;
    *place = shared->spare;
    shared->spare = NULL;
    return snapshot;
}

/* HOT. Puts the snapshot back into *place, and takes over the caller's reference to it. The lent context becomes the
 * spare if no variable was set in it. INVARIANT: nobody else holds the lent context. */
static inline void shared_context_give_back(shared_context_t *shared, PyObject **place, PyObject *snapshot, Py_ssize_t vars_offset)
{
    PyObject *context = *place;
    *place = snapshot;
    if (vars_offset == 0 || context_vars_of(context, vars_offset) != context_vars_of(snapshot, vars_offset)) {
        Py_DECREF(context);
        return;
    }
    /* Set both fields before a destructor runs, because it may lend or give back too. */
    PyObject *old_spare = shared->spare;
    PyObject *old_spare_of = shared->spare_of;
    shared->spare = context;
    shared->spare_of = Py_NewRef(snapshot);
    Py_XDECREF(old_spare);
    Py_XDECREF(old_spare_of);
}

/* For when no callback is running: values of context variables must not outlive the callbacks that use them. */
static inline void shared_context_forget(shared_context_t *shared)
{
    shared->vars = NULL;
    Py_CLEAR(shared->snapshot);
    Py_CLEAR(shared->spare);
    Py_CLEAR(shared->spare_of);
}

static inline int shared_context_traverse(shared_context_t *shared, visitproc visit, void *arg)
{
    Py_VISIT(shared->snapshot);
    Py_VISIT(shared->spare);
    Py_VISIT(shared->spare_of);
    return 0;
}

#endif
