# loop.statistics().

from fastloop.core.loop_counters cimport loop_counters_t
from fastloop.core.scheduler cimport Scheduler


# since_made: count as if there had never been a reset.
cdef object statistics_of(Scheduler loop, bint reset, bint since_made)

# What a tick of clock_ticks() is worth, in seconds.
cdef double loop_seconds_per_tick(const loop_counters_t *counters) noexcept
