"""Documented in timer_heap.h."""

from cpython.object cimport PyObject, visitproc
from libc.stdint cimport int64_t, uint32_t


cdef extern from "timer_heap.h":
    ctypedef struct timer_entry_t:
        int64_t deadline
        uint32_t slot

    ctypedef struct timer_heap_t:
        timer_entry_t *entries
        uint32_t count

    int64_t timer_heap_push(timer_heap_t *heap, PyObject *timer, int64_t deadline) except -1
    PyObject *timer_heap_take(timer_heap_t *heap, uint32_t slot) noexcept
    int timer_heap_traverse(timer_heap_t *heap, visitproc visit, void *arg) noexcept
    void timer_heap_open(timer_heap_t *heap) noexcept
    void timer_heap_close(timer_heap_t *heap) noexcept
