"""loop.statistics(): the counters and what the loop knows anyway, as a LoopStatistics.

Owns: the reading at the last reset, which later readings are compared with.
Promises: from any thread, without stopping the loop. Numbers that change meanwhile may be apart by a turn.
Driven by: the program.
"""

import asyncio

cimport cython
from libc.stdint cimport int64_t, uint64_t

from fastloop.core.clock cimport clock_now_ns, clock_ticks
from fastloop.core.loop_counters cimport loop_counter_get, loop_counters_reset_records, loop_counters_t
from fastloop.python.capi cimport PyThread_get_thread_ident
from fastloop.python.cpython_compat cimport COMPAT_HAS_GIL


cdef tuple COUNTED = ("turns", "steps", "task_steps", "polls", "events", "busy_polls", "busy_poll_hits", "bytes_received", "bytes_sent")
cdef tuple NOTHING = (0,) * 11


cdef object statistics_of(Scheduler loop, bint reset, bint since_made):
    # Most programs never ask, and need not wait for this import.
    from fastloop.core.loop_statistics import LoopStatistics

    cdef uint64_t record_ticks, most_ready
    cdef double seconds_per_tick = loop_seconds_per_tick(&loop.counters)
    now = read_counters(&loop.counters)
    with cython.critical_section(loop):
        before = NOTHING if since_made or loop.counts_at_reset is None else loop.counts_at_reset
        longest = loop.longest or (None, None)
        record_ticks = loop_counter_get(&loop.counters.record_ticks)
        most_ready = loop_counter_get(&loop.counters.most_ready)
        if reset:
            loop.counts_at_reset, loop.longest = now, None
            loop_counters_reset_records(&loop.counters)
    *counts, run_ns, asleep_ticks = [max(count - start, 0) for count, start in zip(now, before)]
    fields = dict(zip(COUNTED, counts))
    fields["callbacks"] = max(fields.pop("steps") - fields["task_steps"], 0)
    asleep_s = min(asleep_ticks * seconds_per_tick, run_ns / 1e9)
    return LoopStatistics(
        **fields, **what_it_has(loop), asleep_s=asleep_s, busy_s=run_ns / 1e9 - asleep_s, most_ready=most_ready,
        longest_callback_s=record_ticks * seconds_per_tick, longest_callback=longest[0], longest_callback_at=longest[1])


cdef double loop_seconds_per_tick(const loop_counters_t *counters) noexcept:
    """Measured since the loop was made: no table says how long a tick is."""
    cdef uint64_t ticks = clock_ticks()
    cdef int64_t passed_ns = clock_now_ns() - counters.made_ns
    return passed_ns / 1e9 / (ticks - counters.made_ticks) if ticks > counters.made_ticks else 0.0


cdef tuple read_counters(const loop_counters_t *counters):
    """In the order of COUNTED. Then the nanoseconds inside run_forever() and the ticks of sleep, up to now."""
    cdef uint64_t run_began = loop_counter_get(&counters.run_began_ns)
    cdef bint is_asleep = loop_counter_get(&counters.is_asleep) != 0
    cdef uint64_t sleep_began = loop_counter_get(&counters.block_began_ticks)
    cdef uint64_t run_ns = loop_counter_get(&counters.run_ns)
    cdef uint64_t asleep_ticks = loop_counter_get(&counters.asleep_ticks)
    if run_began != 0:
        run_ns += <uint64_t>clock_now_ns() - run_began
    if is_asleep:
        asleep_ticks += clock_ticks() - sleep_began
    return (
        loop_counter_get(&counters.turns), loop_counter_get(&counters.steps), loop_counter_get(&counters.task_steps),
        loop_counter_get(&counters.polls), loop_counter_get(&counters.events), loop_counter_get(&counters.busy_polls),
        loop_counter_get(&counters.busy_poll_hits), loop_counter_get(&counters.bytes_received),
        loop_counter_get(&counters.bytes_sent), run_ns, <int64_t>asleep_ticks)


cdef dict what_it_has(Scheduler loop):
    cdef uint64_t closed = loop_counter_get(&loop.counters.transports_closed)
    # Without the GIL, only the thread that runs the loop may look. Others see what it has shown last, because a run may begin meanwhile.
    cdef bint is_shown = not COMPAT_HAS_GIL and loop.thread_ident != PyThread_get_thread_ident()
    return {
        "timers": loop_counter_get(&loop.counters.timers_shown) if is_shown else loop.timers.count,
        "watched_descriptors": loop_counter_get(&loop.counters.watches_shown) if is_shown else loop.watches.count,
        "transports": loop_counter_get(&loop.counters.transports_opened) - closed,
        "tasks": len(asyncio.all_tasks(loop)),
    }
