"""Documented in loop_counters.h."""

from libc.stdint cimport int64_t, uint32_t, uint64_t


cdef extern from "loop_counters.h" nogil:
    ctypedef uint64_t loop_counter_t

    ctypedef struct loop_counters_t:
        loop_counter_t turns
        loop_counter_t steps
        loop_counter_t task_steps
        loop_counter_t polls
        loop_counter_t events
        loop_counter_t busy_polls
        loop_counter_t busy_poll_hits
        loop_counter_t bytes_received
        loop_counter_t bytes_sent
        loop_counter_t transports_opened
        loop_counter_t transports_closed
        loop_counter_t most_ready
        loop_counter_t asleep_ticks
        loop_counter_t is_asleep
        loop_counter_t run_ns
        loop_counter_t run_began_ns
        uint64_t made_ticks
        int64_t made_ns
        loop_counter_t timers_shown
        loop_counter_t watches_shown
        uint32_t block_left
        uint32_t block_size
        loop_counter_t block_began_ticks
        loop_counter_t record_ticks

    uint64_t loop_counter_get(const loop_counter_t *counter) noexcept
    void loop_counter_set(loop_counter_t *counter, uint64_t value) noexcept
    void loop_counter_add(loop_counter_t *counter, uint64_t count) noexcept
    void loop_counter_add_anywhere(loop_counter_t *counter, uint64_t count) noexcept
    void loop_counter_add_bytes(loop_counter_t *counter, ssize_t count) noexcept

    void loop_counters_open(loop_counters_t *counters) noexcept
    void loop_counters_begin_run(loop_counters_t *counters) noexcept
    void loop_counters_end_run(loop_counters_t *counters) noexcept
    void loop_counters_begin_block(loop_counters_t *counters, uint64_t ticks) noexcept
    void loop_counters_begin_sleep(loop_counters_t *counters) noexcept
    void loop_counters_end_sleep(loop_counters_t *counters) noexcept
    void loop_counters_begin_turn(loop_counters_t *counters, size_t ready) noexcept
    void loop_counters_skip(loop_counters_t *counters, uint64_t began_ticks) noexcept
    bint loop_counters_end_usual_block(loop_counters_t *counters) noexcept
    bint loop_counters_end_usual_part(loop_counters_t *counters) noexcept
    uint64_t loop_counters_end_block(loop_counters_t *counters) noexcept
    void loop_counters_set_record(loop_counters_t *counters, uint64_t took, bint is_exact) noexcept
    void loop_counters_reset_records(loop_counters_t *counters) noexcept
