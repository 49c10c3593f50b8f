# Handle and TimerHandle: a callback that waits for its turn, or for its moment.

from fastloop.core.runnable cimport RUNNABLE_FIRST_FREE_FLAG, Runnable
from fastloop.core.scheduler cimport Scheduler, scheduler_snapshot
from fastloop.python.cpython_compat cimport COMPAT_HAS_GIL


cdef enum:
    HANDLE_CANCELLED = RUNNABLE_FIRST_FREE_FLAG
    # ThreadSafeHandle only: the callback runs.
    HANDLE_RUNNING = RUNNABLE_FIRST_FREE_FLAG << 1
    # Other handles have the same context, and nobody has seen it.
    HANDLE_SHARES_CONTEXT = RUNNABLE_FIRST_FREE_FLAG << 2
    # The callback has begun in a context of the loop's, to be given back. A second __init__() ends that.
    HANDLE_HAS_LENT_CONTEXT = RUNNABLE_FIRST_FREE_FLAG << 3


# What few handles have; made when first needed.
cdef class HandleExtras:
    cdef:
        # Where the handle was made; debug mode only.
        object source_traceback
        # What it was before it was cancelled; debug mode only.
        object repr_when_cancelled
        # ThreadSafeHandle only: set when the callback ends, for those who wait for that.
        object end
        # TimerHandle only: the moment as it was given, or None.
        object moment
        # TimerHandle only: the loop in whose heap it is, if a second __init__() gave it another one; else None.
        object heap


cdef class Handle(Runnable):
    cdef:
        # None once cancelled.
        object callback
        object args
        # A snapshot of the scheduler's while HANDLE_SHARES_CONTEXT is set; otherwise the handle's own, to be entered.
        object context
        # Any loop; a Scheduler for handles made by fastloop's own. Read-only: a timer is in this loop's heap.
        readonly object _loop
        # HandleExtras, made when first needed. Without them a timer keeps the moment here, as call_at() was given it.
        object extras
        object __weakref__

    cdef HandleExtras need_extras(self)
    # None if there are none.
    cdef HandleExtras known_extras(self)
    cdef object own_context(self)
    cdef int call(self) except -1
    cdef int do_cancel(self) except -1
    cdef int keep_repr(self) except -1
    # Take the raised exception to the loop's exception handler; KeyboardInterrupt and SystemExit stay raised.
    cdef int report_raised(self) except -1
    cdef int report(self, object exception) except -1


cdef class TimerHandle(Handle):
    cdef:
        # Seconds on the loop's clock.
        double when_s


# The object that when() returns, whose value as a float is when_s.
cdef int timer_keep_moment(TimerHandle timer, object moment) except -1


# HOT. New handles for a queue of loop, whose is_direct holds. args is a tuple; context None means a copy of the current one.
# The garbage collector does not know them: see queued_object.h.
cdef Handle new_queued_handle(Scheduler loop, object callback, object args, object context)
cdef TimerHandle new_queued_timer_handle(Scheduler loop, double when_s, object callback, object args, object context)

# loop.call_soon(), by its name, for what the loop has begun to do and must not leave half done: the callback is in the queue whatever
# interrupts this in debug mode.
cdef int call_soon_uninterrupted(object loop, object callback, tuple args, object context) except -1

# The same for any other purpose, and any loop: debug mode is looked at.
cdef Handle new_handle(object loop, object callback, object args, object context)
cdef TimerHandle new_timer_handle(object loop, double when_s, object callback, object args, object context)

# The loop's exception handler, called while the context's exception is handled.
cdef int call_exception_handler(object loop, dict context) except -1

# ---- for ThreadSafeHandle ----

# HOT. Body here, so that it is inlined in both extensions.
cdef inline int handle_fill_queued(
        Handle handle, Scheduler loop, object callback, object args, object context) except -1:
    handle._loop = loop
    handle.callback = callback
    handle.args = args
    if context is None:
        handle.flags = HANDLE_SHARES_CONTEXT if COMPAT_HAS_GIL else 0
        handle.context = scheduler_snapshot(loop)
    else:
        handle.flags = 0
        handle.context = context
    return 0


cdef int handle_init(Handle handle, object loop, object callback, object args, object context) except -1
# Other threads see both old ones or both new ones.
cdef int handle_exchange(Handle handle, object callback, object args) except -1
cdef int call_with_odd_arguments(Handle handle) except -1
cdef int callback_raised(Handle handle) except -1
cdef bint loop_is_debug(object loop) except -1
