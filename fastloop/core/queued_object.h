/* What the ready queue and the timer heap owe the garbage collector.
 *
 * Most handles are made, queued, run and gone within a turn or two, and nobody but the queue ever holds one. Such a handle is not
 * tracked while it is queued: it costs the collector nothing. The queue's owner visits its fields instead, as if they were
 * its own, which they are as long as the queue holds the only reference.
 * INVARIANT: whoever takes an object from a queue and lets it live on calls queued_object_disown().
 */
#ifndef FASTLOOP_QUEUED_OBJECT_H
#define FASTLOOP_QUEUED_OBJECT_H

#include <Python.h>

/* HOT. The object is in no queue any more; others may hold it, and then it may be part of a cycle. */
static inline void queued_object_disown(PyObject *object)
{
    if (!PyObject_GC_IsTracked(object))
        PyObject_GC_Track(object);
}

static inline int queued_object_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(object);
    /* Held by others too, the fields are not the queue's to speak for; the collector then takes them for reachable. */
    if (!PyObject_GC_IsTracked(object) && Py_REFCNT(object) == 1)
        return Py_TYPE(object)->tp_traverse(object, visit, arg);
    return 0;
}

/* Drops the queue's reference. */
static inline void queued_object_drop(PyObject *object)
{
    queued_object_disown(object);
    Py_DECREF(object);
}

#endif
