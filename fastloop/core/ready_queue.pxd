"""Documented in ready_queue.h."""

from cpython.object cimport PyObject, visitproc


cdef extern from "ready_queue.h":
    ctypedef struct ready_queue_t:
        size_t count

    int ready_queue_open(ready_queue_t *queue) except -1
    int ready_queue_append(ready_queue_t *queue, PyObject *runnable) except -1
    int ready_queue_push(ready_queue_t *queue, PyObject *runnable) except -1
    int ready_queue_put_back(ready_queue_t *queue, PyObject *runnable) except -1
    PyObject *ready_queue_pop(ready_queue_t *queue) noexcept
    void ready_queue_drop_last(ready_queue_t *queue) noexcept
    PyObject *ready_queue_peek(const ready_queue_t *queue, size_t index) noexcept
    bint ready_queue_has(const ready_queue_t *queue, const PyObject *runnable) noexcept
    void ready_queue_trim(ready_queue_t *queue) noexcept
    void ready_queue_clear(ready_queue_t *queue) noexcept
    int ready_queue_traverse(ready_queue_t *queue, visitproc visit, void *arg) noexcept
    void ready_queue_close(ready_queue_t *queue) noexcept
