"""Documented in kernel_wait.h."""

from libc.stdint cimport int64_t, uint64_t

from fastloop.poll.busy_poll cimport busy_poll_t
from fastloop.poll.poller cimport poll_event_t, poller_t


cdef extern from "kernel_wait.h" nogil:
    ctypedef struct kernel_wait_t:
        int count
        int error
        bint is_attempt
        uint64_t polls

    kernel_wait_t kernel_wait(
        poller_t *poller, busy_poll_t *busy_poll, int64_t timeout_ns, poll_event_t *events, int capacity) noexcept
