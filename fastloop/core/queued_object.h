/* What the ready queue and the timer heap owe the garbage collector.
 *
 * Most handles are made, queued, run and gone within a turn or two, and nobody but the queue ever holds one. Such a handle is not
 * tracked while it is queued: it costs the collector nothing. The queue's owner visits its fields instead, as if they were
 * its own, which they are while the queue holds the only reference.
 * INVARIANT: code that takes an object from a queue and lets it live on, or shows it to the program, calls queued_object_disown().
 */
#ifndef FASTLOOP_QUEUED_OBJECT_H
#define FASTLOOP_QUEUED_OBJECT_H

#include <Python.h>
#include <stdbool.h>

/* HOT. The object is in no queue any more; others may hold it, and then it may be part of a cycle. */
static inline void queued_object_disown(PyObject *object)
{
    if (!PyObject_GC_IsTracked(object)) {
        PyObject_GC_Track(object);
    }
}

/* Set when the collector meets an object that others hold too: its fields are not the queue's to speak for, so the collector takes
 * them for reachable. Objects cannot become tracked during a collection; queued_object_disown_held() does it afterwards. */
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

/* Whether the collector has met such an object since this was asked last. */
static inline bool queued_object_take_held(void)
{
    const bool is_held = queued_object_is_held;
    queued_object_is_held = false;
    return is_held;
}

/* A visitproc for the traversal of a queue, whose objects are of the given type: what others hold too becomes tracked. */
static inline int queued_object_disown_held(PyObject *object, void *type)
{
    if (PyObject_TypeCheck(object, (PyTypeObject *)type) && Py_REFCNT(object) > 1) {
        queued_object_disown(object);
    }
    return 0;
}

/* Drops the queue's reference. */
static inline void queued_object_drop(PyObject *object)
{
    queued_object_disown(object);
    Py_DECREF(object);
}

#endif
