# Future: a result that is not there yet, and who waits for it.

from fastloop.core.runnable cimport RUNNABLE_FIRST_FREE_FLAG, Runnable
from fastloop.core.scheduler cimport Scheduler


# The states and their only edges: PENDING -> FINISHED, PENDING -> CANCELLED. Both ends are final.
cdef enum:
    FUTURE_FINISHED = RUNNABLE_FIRST_FREE_FLAG
    FUTURE_CANCELLED = RUNNABLE_FIRST_FREE_FLAG << 1
    FUTURE_DONE = FUTURE_FINISHED | FUTURE_CANCELLED
    # FINISHED with an exception: result holds it.
    FUTURE_FAILED = RUNNABLE_FIRST_FREE_FLAG << 2
    # The value of _asyncio_future_blocking.
    FUTURE_BLOCKING = RUNNABLE_FIRST_FREE_FLAG << 3
    # Failed, and nobody has asked for the exception yet.
    FUTURE_LOG_TRACEBACK = RUNNABLE_FIRST_FREE_FLAG << 4
    # The loop is a Scheduler.
    FUTURE_ON_SCHEDULER = RUNNABLE_FIRST_FREE_FLAG << 5
    # Bits from here on belong to Task.
    FUTURE_FIRST_FREE_FLAG = RUNNABLE_FIRST_FREE_FLAG << 6


# What few futures have; made when first needed.
cdef class FutureExtras:
    cdef:
        # Where the future was made; debug mode only.
        object source_traceback
        object cancel_message
        # The traceback that the exception came with: result() starts from it every time.
        object exception_traceback
        # Task only: the name, once somebody gave one or asked for it.
        object name


cdef class Future(Runnable):
    cdef:
        # Ahead of the fields that object_pool.h takes for one row together with those of Task.
        dict __dict__
        object __weakref__

        # Any loop. None until __init__ has run, and again once the garbage collector took it.
        object loop
        # FINISHED: the value, or the exception. CANCELLED: the CancelledError that a task was cancelled with, or None.
        # A pending task keeps the exception for its next step here.
        object result_or_exception
        # The first to call when done: a callback with its context, or, where the context is None, a waiting Runnable.
        object callback
        object callback_context
        # The others, in pairs of callback and context.
        list more_callbacks
        FutureExtras extras

    cdef FutureExtras make_extras(self)
    # May push itself into the ready queue of its loop.
    cdef bint bypasses_call_soon(self) noexcept
    cdef int add_waiter(self, Runnable waiter) except -1
    cdef int add_callback(self, object callback, object context) except -1
    cdef int finish(self, object result) except -1
    cdef int fail(self, object exception) except -1
    cdef bint cancel_with(self, object message) except -1
    cdef int schedule_callbacks(self) except -1
    cdef int run_callbacks(self) except -1
    # Destroyed with something unsaid: tell the exception handler.
    # The name in messages and in repr().
    cdef str class_name(self)
    cdef int report_lost(self) except -1
    # The exception, marked as retrieved; only for a failed future.
    cdef object take_exception(self)
    cdef object make_cancelled_error(self)
    # What a waiter is told: the exception to throw into it, or None.
    cdef object outcome(self)


cdef class FutureIter:
    cdef Future future


# HOT. A pending future of a fastloop loop that is not in debug mode.
cdef Future new_future(Scheduler loop)

cdef int future_init(Future future, object loop) except -1

# A future that is done, and waits in the ready queue to call its callbacks, forgets this one.
cdef int future_drop_ready_callback(Future future, object callback) except -1
