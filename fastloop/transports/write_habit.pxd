"""Documented in write_habit.h."""

from libc.stdint cimport uint32_t, uint8_t


cdef extern from "write_habit.h":
    ctypedef struct write_habit_t:
        pass

    ctypedef struct write_burst_t:
        write_habit_t habit
        uint8_t count
        uint32_t step
        uint32_t ended_at
        bint may_hold

    void write_habit_open(write_habit_t *habit) noexcept
    void write_habit_learn_return(write_habit_t *habit, bint is_soon) noexcept
    void write_habit_learn(write_habit_t *habit, uint8_t count) noexcept
    uint32_t write_burst_now() noexcept
    bint write_burst_is_fresh(const write_burst_t *burst) noexcept
    bint write_burst_continues(const write_burst_t *burst, uint32_t step) noexcept
    void write_burst_count(write_burst_t *burst, uint32_t step, bint continues) noexcept
    bint write_burst_expects_more(const write_burst_t *burst) noexcept
    bint write_burst_expects_return(const write_burst_t *burst) noexcept
    write_habit_t *write_habit_of_class(const void *cls) noexcept
