# HandleCore: a callback, its arguments and its context.

from fastloop.core.runnable cimport RUNNABLE_FIRST_FREE_FLAG, Runnable
from fastloop.core.scheduler cimport Scheduler, scheduler_copy_context
from fastloop.python.cpython_compat cimport COMPAT_HAS_GIL


cdef enum:
    HANDLE_CANCELLED = RUNNABLE_FIRST_FREE_FLAG
    # ThreadSafeHandle only: the callback is running.
    HANDLE_RUNNING = RUNNABLE_FIRST_FREE_FLAG << 1
    # Other handles have the same context, and the program has not seen it.
    HANDLE_SHARES_CONTEXT = RUNNABLE_FIRST_FREE_FLAG << 2
    # The callback was started in a context that the loop has lent. Cleared by a second __init__().
    HANDLE_HAS_LENT_CONTEXT = RUNNABLE_FIRST_FREE_FLAG << 3


# Fields that few handles need. Made on demand.
cdef class HandleExtras:
    cdef:
        # Where the handle was made. Debug mode only.
        object source_traceback
        # The repr from before it was cancelled. Debug mode only.
        object repr_when_cancelled
        # ThreadSafeHandle only: a threading.Event that is set when the callback ends, or None.
        object end
        # TimerHandle only: the moment as the program gave it, or None.
        object moment
        # TimerHandle only: the loop that has it in its heap, if a second __init__() has changed _loop. Otherwise None.
        object heap_loop


cdef class HandleCore(Runnable):
    cdef:
        # Both None once cancelled.
        object callback
        object args
        # With HANDLE_SHARES_CONTEXT the scheduler's snapshot, which is never entered. Otherwise the handle's own context.
        object context
        # Any loop. Handles made by fastloop's loops have a Scheduler. Read-only, because a timer is in this loop's heap.
        readonly object _loop
        # HandleExtras, made on demand. Until then, a timer keeps here the moment that call_at() was given.
        object extras
        object __weakref__

    cdef HandleExtras make_extras(self)
    # The extras, or None if none were made.
    cdef HandleExtras known_extras(self)
    cdef object own_context(self)
    # Call the callback now, as run() does.
    cdef int call(self) except -1
    # Pass the raised exception to the loop's exception handler. KeyboardInterrupt and SystemExit stay raised.
    cdef int report_raised(self) except -1
    cdef int report(self, object exception) except -1


# HOT. Fill a new handle for a queue of loop. Its body is here so that it is inlined.
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
# Replace callback and arguments. Other threads see both old ones or both new ones.
cdef int handle_exchange(HandleCore handle, object callback, object args) except -1
cdef int handle_call_with_odd_args(HandleCore handle) except -1
cdef int handle_callback_raised(HandleCore handle) except -1


cdef inline bint loop_is_debug(object loop) except -1:
    return (<Scheduler>loop).is_debug if isinstance(loop, Scheduler) else loop.get_debug()


# The callback and its arguments as a pair, or (None, None). Never one without the other, whatever other threads do.
cdef tuple handle_callback_and_args(HandleCore handle)
