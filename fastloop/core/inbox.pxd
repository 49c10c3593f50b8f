"""Documented in inbox.h."""

from cpython.object cimport PyObject, visitproc

from fastloop.core.ready_queue cimport ready_queue_t
from fastloop.poll.wakeup cimport wakeup_t


cdef extern from "inbox.h":
    ctypedef struct inbox_t:
        wakeup_t wakeup

    int inbox_push(inbox_t *inbox, ready_queue_t *ready, PyObject *runnable) except -1
    void inbox_wake(inbox_t *inbox) noexcept
    int inbox_open(inbox_t *inbox) noexcept
    int inbox_collect(inbox_t *inbox, ready_queue_t *ready) except -1
    bint inbox_begin_sleep(inbox_t *inbox) noexcept
    void inbox_end_sleep(inbox_t *inbox) noexcept
    int inbox_traverse(inbox_t *inbox, visitproc visit, void *arg) noexcept
    void inbox_clear(inbox_t *inbox) noexcept
    void inbox_close(inbox_t *inbox) noexcept
    void inbox_forked(inbox_t *inbox) noexcept
