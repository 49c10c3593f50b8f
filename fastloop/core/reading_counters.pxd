# loop.statistics().

from fastloop.core.scheduler cimport Scheduler


cdef object statistics_of(Scheduler loop, bint reset)
