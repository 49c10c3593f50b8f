# TimerHandle: a callback that waits for its moment.

from fastloop.core.handle cimport Handle
from fastloop.core.scheduler cimport Scheduler


cdef class TimerHandle(Handle):
    cdef:
        # Seconds on the loop's clock.
        double when_s


# The object that when() returns, whose value as a float is when_s.
cdef int timer_keep_moment(TimerHandle timer, object moment) except -1

# HOT. A new timer for the heap of loop, whose bypasses_call_soon holds; see new_queued_handle().
cdef TimerHandle new_queued_timer_handle(Scheduler loop, double when_s, object callback, object args, object context)

# The same for any other purpose, and any loop: debug mode is looked at.
cdef TimerHandle new_timer_handle(object loop, double when_s, object callback, object args, object context)
