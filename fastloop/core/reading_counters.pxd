# loop.statistics().

from fastloop.core.scheduler cimport Scheduler


# since_made: count as if there had never been a reset.
cdef object statistics_of(Scheduler loop, bint reset, bint since_made)
