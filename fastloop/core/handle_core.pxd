# HandleCore: a callback with its arguments and its context.

from fastloop.core.runnable cimport RUNNABLE_FIRST_FREE_FLAG, Runnable
from fastloop.core.scheduler cimport Scheduler, scheduler_copy_context
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


cdef class HandleCore(Runnable):
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

    cdef HandleExtras make_extras(self)
    # None if there are none.
    cdef HandleExtras known_extras(self)
    cdef object own_context(self)
    # Call the callback now, as run() does.
    cdef int call(self) except -1
    # Take the raised exception to the loop's exception handler; KeyboardInterrupt and SystemExit stay raised.
    cdef int report_raised(self) except -1
    cdef int report(self, object exception) except -1


# HOT. Fill a new handle for a queue of loop. Body here, so that it is inlined.
cdef inline int handle_fill_queued(
        HandleCore handle, Scheduler loop, object callback, object args, object context) except -1:
    handle._loop = loop
    handle.callback = callback
    handle.args = args
    if context is None:
        handle.flags = HANDLE_SHARES_CONTEXT if COMPAT_HAS_GIL else 0
        handle.context = scheduler_copy_context(loop)
    else:
        handle.flags = 0
        handle.context = context
    return 0


cdef int handle_init(HandleCore handle, object loop, object callback, object args, object context) except -1
# Other threads see both old ones or both new ones.
cdef int handle_exchange(HandleCore handle, object callback, object args) except -1
cdef int call_with_odd_arguments(HandleCore handle) except -1
cdef int callback_raised(HandleCore handle) except -1


cdef inline bint loop_is_debug(object loop) except -1:
    return (<Scheduler>loop).is_debug if isinstance(loop, Scheduler) else loop.get_debug()


# Both, or None for both, whatever other threads do.
cdef tuple handle_look(HandleCore handle)
