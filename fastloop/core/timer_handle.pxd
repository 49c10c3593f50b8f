# TimerHandle: a callback that is scheduled for a moment.

from fastloop.core.handle cimport Handle
from fastloop.core.scheduler cimport Scheduler


cdef class TimerHandle(Handle):
    cdef:
        # Seconds on the loop's clock.
        double when_s


# Keep the object that when() must return. INVARIANT: as a float it equals when_s.
cdef int timer_keep_moment(TimerHandle timer, object moment) except -1

# HOT. A new timer for the heap of loop, as new_queued_handle() makes it. INVARIANT: loop.bypasses_call_soon.
cdef TimerHandle new_queued_timer_handle(Scheduler loop, double when_s, object callback, object args, object context)

# A new timer for any other purpose and any loop. In debug mode it records where it was made.
cdef TimerHandle new_timer_handle(object loop, double when_s, object callback, object args, object context)
