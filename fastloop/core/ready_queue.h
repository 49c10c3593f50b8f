/* The ready queue: a growing ring of runnables, first in, first out.
 *
 * Owns: one reference to every runnable between push and pop.
 * Promises: push and pop cost about a nanosecond. Memory follows the length, up and down.
 * Thread rule: the loop's own thread only. Other threads use the inbox.
 */
#ifndef FASTLOOP_READY_QUEUE_H
#define FASTLOOP_READY_QUEUE_H

#include <Python.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "queued_object.h"

enum {
    READY_QUEUE_MIN_CAPACITY = 64,
    READY_QUEUE_MAX_IDLE_CAPACITY = 65536, /* half a megabyte */
};

typedef struct {
    PyObject **ring;
    size_t head;
    size_t count;
    size_t mask; /* capacity - 1; the capacity is a power of two */
} ready_queue_t;

static inline int ready_queue_open(ready_queue_t *queue)
{
    memset(queue, 0, sizeof(*queue));
    queue->ring = (PyObject **)PyMem_RawMalloc(READY_QUEUE_MIN_CAPACITY * sizeof(PyObject *));
    if (queue->ring == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    queue->mask = READY_QUEUE_MIN_CAPACITY - 1;
    return 0;
}

/* Returns 0, or -1 without an exception if there is no memory. */
static int ready_queue_resize(ready_queue_t *queue, size_t capacity)
{
    PyObject **ring = (PyObject **)PyMem_RawMalloc(capacity * sizeof(PyObject *));
    if (ring == NULL) {
        return -1;
    }
    size_t until_wrap = queue->mask + 1 - queue->head;
    size_t first = queue->count < until_wrap ? queue->count : until_wrap;
    memcpy(ring, queue->ring + queue->head, first * sizeof(PyObject *));
    memcpy(ring + first, queue->ring, (queue->count - first) * sizeof(PyObject *));
    PyMem_RawFree(queue->ring);
    queue->ring = ring;
    queue->head = 0;
    queue->mask = capacity - 1;
    return 0;
}

/* Makes room for count more runnables. Runs no Python code. Returns 0, or -1 without an exception if there is no memory. */
static inline int ready_queue_reserve(ready_queue_t *queue, size_t count)
{
    size_t capacity = queue->mask + 1;
    while (capacity - queue->count < count) {
        capacity *= 2;
    }
    return capacity == queue->mask + 1 ? 0 : ready_queue_resize(queue, capacity);
}

/* Takes over the caller's reference, even if it fails. */
static inline int ready_queue_append(ready_queue_t *queue, PyObject *runnable)
{
    if (queue->count > queue->mask && ready_queue_resize(queue, 2 * (queue->mask + 1)) < 0) {
        PyErr_NoMemory();
        Py_DECREF(runnable);
        return -1;
    }
    queue->ring[(queue->head + queue->count) & queue->mask] = runnable;
    queue->count++;
    return 0;
}

/* HOT. Borrows the runnable and takes a new reference. */
static inline int ready_queue_push(ready_queue_t *queue, PyObject *runnable)
{
    Py_INCREF(runnable);
    return ready_queue_append(queue, runnable);
}

/* Puts a runnable that was popped and has not run in front of all others. Borrows it and takes a new reference. */
static inline int ready_queue_put_back(ready_queue_t *queue, PyObject *runnable)
{
    if (queue->count > queue->mask && ready_queue_resize(queue, 2 * (queue->mask + 1)) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    queue->head = (queue->head - 1) & queue->mask;
    queue->ring[queue->head] = Py_NewRef(runnable);
    queue->count++;
    return 0;
}

/* HOT. The queue's reference passes to the caller. INVARIANT: the queue is not empty. */
static inline PyObject *ready_queue_pop(ready_queue_t *queue)
{
    PyObject *runnable = queue->ring[queue->head];
    /* After a burst the runnables are scattered over memory, so fetch one that comes soon. */
    if (queue->count > 4) {
        const char *soon = (const char *)queue->ring[(queue->head + 4) & queue->mask];
        __builtin_prefetch(soon);
        __builtin_prefetch(soon + 64);
    }
    queue->head = (queue->head + 1) & queue->mask;
    queue->count--;
    return runnable;
}

/* INVARIANT: the queue is not empty, and the caller also holds the last runnable. */
static inline void ready_queue_drop_last(ready_queue_t *queue)
{
    queue->count--;
    Py_DECREF(queue->ring[(queue->head + queue->count) & queue->mask]);
}

/* Returns a borrowed reference. Index 0 comes next. INVARIANT: index is below the count. */
static inline PyObject *ready_queue_peek(const ready_queue_t *queue, size_t index)
{
    return queue->ring[(queue->head + index) & queue->mask];
}

/* Searches the whole queue. */
static inline bool ready_queue_has(const ready_queue_t *queue, const PyObject *runnable)
{
    for (size_t i = 0; i < queue->count; i++) {
        if (ready_queue_peek(queue, i) == runnable) {
            return true;
        }
    }
    return false;
}

/* After a burst, shrinks the ring to its smallest size. Failing to shrink changes nothing. */
static inline void ready_queue_trim(ready_queue_t *queue)
{
    if (queue->count == 0 && queue->mask + 1 > READY_QUEUE_MAX_IDLE_CAPACITY) {
        ready_queue_resize(queue, READY_QUEUE_MIN_CAPACITY);
    }
}

/* Drops what is in the queue on entry. Destructors that run here may push again. */
static inline void ready_queue_clear(ready_queue_t *queue)
{
    if (queue->ring == NULL) {
        return;
    }
    for (size_t left = queue->count; left > 0 && queue->count > 0; left--) {
        queued_object_drop(ready_queue_pop(queue));
    }
}

static inline int ready_queue_traverse(ready_queue_t *queue, visitproc visit, void *arg)
{
    if (queue->ring == NULL) {
        return 0;
    }
    for (size_t i = 0; i < queue->count; i++) {
        int status = queued_object_traverse(queue->ring[(queue->head + i) & queue->mask], visit, arg);
        if (status != 0) {
            return status;
        }
    }
    return 0;
}

static inline void ready_queue_close(ready_queue_t *queue)
{
    while (queue->ring != NULL && queue->count > 0) {
        ready_queue_clear(queue);
    }
    PyMem_RawFree(queue->ring);
    queue->ring = NULL;
    queue->mask = 0;
}

#endif
