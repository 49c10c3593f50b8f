/* What the ready queue and the timer heap owe the garbage collector.
 *
 * Most handles are made, queued, run and freed within a turn or two, and only the queue ever holds them. Such a handle is
 * not tracked while it is queued, so it costs the collector nothing. Instead, the queue's owner visits the handle's
 * fields as if they were its own. They are, while the queue has the only reference.
 *
 * INVARIANT: code that takes an object out of a queue and keeps it, or shows it to the program, calls
 * queued_object_track().
 */
#ifndef FASTLOOP_QUEUED_OBJECT_H
#define FASTLOOP_QUEUED_OBJECT_H

#include <Python.h>
#include <stdbool.h>

/* HOT. Makes the collector track the object. It is no longer the queue's alone, so it may be part of a cycle. */
static inline void queued_object_track(PyObject *object)
{
    if (!PyObject_GC_IsTracked(object)) {
        PyObject_GC_Track(object);
    }
}

/* Set when the collector meets an untracked object that others hold too. The queue must not visit the fields of such an
 * object, so the collector takes them for reachable. Objects cannot become tracked during a collection:
 * queued_object_track_held() does it later. */
static bool queued_object_is_held;

static inline int queued_object_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(object);
    if (PyObject_GC_IsTracked(object)) {
        return 0;
    }
    if (Py_REFCNT(object) == 1) {
        return Py_TYPE(object)->tp_traverse(object, visit, arg);
    }
    queued_object_is_held = true;
    return 0;
}

/* Whether the collector has met such an object since the last call. */
static inline bool queued_object_take_held(void)
{
    const bool is_held = queued_object_is_held;
    queued_object_is_held = false;
    return is_held;
}

/* A visitproc for traversing a queue. Objects of this type that others hold too become tracked. */
static inline int queued_object_track_held(PyObject *object, void *type)
{
    if (PyObject_TypeCheck(object, (PyTypeObject *)type) && Py_REFCNT(object) > 1) {
        queued_object_track(object);
    }
    return 0;
}

/* Drops the queue's reference. */
static inline void queued_object_drop(PyObject *object)
{
    queued_object_track(object);
    Py_DECREF(object);
}

#endif
