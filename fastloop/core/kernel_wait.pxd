"""Documented in kernel_wait.h."""

from libc.stdint cimport int64_t

from fastloop.core.loop_counters cimport loop_counters_t
from fastloop.poll.busy_poll cimport busy_poll_t
from fastloop.poll.poller cimport poll_event_t, poller_t


cdef extern from "kernel_wait.h" nogil:
    ctypedef struct kernel_wait_t:
        int count
        int error

    kernel_wait_t kernel_wait(
        poller_t *poller, busy_poll_t *busy_poll, loop_counters_t *counters, int64_t timeout_ns, poll_event_t *events,
        int capacity) noexcept
