"""Documented in clock.h."""

from libc.stdint cimport int64_t, uint64_t


cdef extern from "clock.h" nogil:
    int64_t clock_now_ns() noexcept
    double clock_seconds(int64_t time_ns) noexcept
    int64_t clock_deadline(double when_s) noexcept
    double clock_moment(int64_t deadline) noexcept
    int64_t clock_wait_ns(int64_t deadline, double now_s) noexcept
    const uint64_t CLOCK_TICKS_PER_US
    uint64_t clock_ticks() noexcept
    uint64_t clock_ticks_before(int64_t deadline, double last_clock_s, uint64_t last_clock_ticks) noexcept
