"""Documented in busy_poll.h."""

from libc.stdint cimport int64_t


cdef extern from "busy_poll.h" nogil:
    ctypedef struct busy_poll_t:
        bint is_brief
        bint is_off

    void busy_poll_open(busy_poll_t *busy_poll) noexcept
    bint busy_poll_is_due(busy_poll_t *busy_poll, int64_t timeout_ns) noexcept
    int busy_poll_us(const busy_poll_t *busy_poll) noexcept
    void busy_poll_note(busy_poll_t *busy_poll, bint has_come) noexcept
