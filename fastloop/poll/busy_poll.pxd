"""Documented in busy_poll.h."""

from libc.stdint cimport int64_t


cdef extern from "busy_poll.h" nogil:
    enum:
        BUSY_POLL_MEASURED

    ctypedef struct busy_poll_t:
        bint is_brief
        bint is_off
        int limit_us

    void busy_poll_open(busy_poll_t *busy_poll) noexcept
    bint busy_poll_is_due(busy_poll_t *busy_poll, int64_t timeout_ns) noexcept
    int busy_poll_us(const busy_poll_t *busy_poll) noexcept
    void busy_poll_begin_wait(busy_poll_t *busy_poll, bint is_attempt, int64_t timeout_ns) noexcept
    void busy_poll_end_wait(busy_poll_t *busy_poll, bint is_attempt, bint has_come) noexcept
    void busy_poll_note(busy_poll_t *busy_poll, bint has_come) noexcept
