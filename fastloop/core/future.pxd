# Future: a result that is not there yet, and what waits for it.

from fastloop.core.runnable cimport RUNNABLE_FIRST_FREE_FLAG, Runnable
from fastloop.core.scheduler cimport Scheduler


# The states and their only edges: PENDING -> FINISHED, PENDING -> CANCELLED. Both ends are final.
cdef enum:
    FUTURE_FINISHED = RUNNABLE_FIRST_FREE_FLAG
    FUTURE_CANCELLED = RUNNABLE_FIRST_FREE_FLAG << 1
    FUTURE_DONE = FUTURE_FINISHED | FUTURE_CANCELLED
    # FINISHED with an exception, which is in result_or_exception.
    FUTURE_FAILED = RUNNABLE_FIRST_FREE_FLAG << 2
    # The value of _asyncio_future_blocking.
    FUTURE_BLOCKING = RUNNABLE_FIRST_FREE_FLAG << 3
    # Failed, and nobody has asked for the exception yet.
    FUTURE_LOG_TRACEBACK = RUNNABLE_FIRST_FREE_FLAG << 4
    # The loop is a Scheduler.
    FUTURE_ON_SCHEDULER = RUNNABLE_FIRST_FREE_FLAG << 5
    # Bits from here on belong to Task.
    FUTURE_FIRST_FREE_FLAG = RUNNABLE_FIRST_FREE_FLAG << 6


# Fields that few futures need. Made on demand.
cdef class FutureExtras:
    cdef:
        # Where the future was made. Debug mode only.
        object source_traceback
        object cancel_message
        # The traceback that the exception had when it was set. Every result() starts from it.
        object exception_traceback
        # Task only: the name, once somebody has set it or asked for it.
        object name


cdef class Future(Runnable):
    cdef:
        # Before the fields that object_pool.h treats as one row with those of Task.
        dict __dict__
        object __weakref__

        # Any loop. None before __init__(), and after the garbage collector has cleared the future.
        object loop
        # FINISHED: the value or the exception. CANCELLED: the CancelledError that ended a task, or None.
        # PENDING: the exception for a task's next step, or None.
        object result_or_exception
        # The first callback and its context. If the context is None, the callback is a waiting Runnable.
        object callback
        object callback_context
        # The other callbacks, each followed by its context.
        list more_callbacks
        FutureExtras extras

    cdef FutureExtras make_extras(self)
    # Whether the future may push itself into its loop's ready queue.
    cdef bint bypasses_call_soon(self) noexcept
    cdef int add_waiter(self, Runnable waiter) except -1
    cdef int add_callback(self, object callback, object context) except -1
    cdef int finish(self, object result) except -1
    cdef int fail(self, object exception) except -1
    cdef bint cancel_with(self, object message) except -1
    cdef int schedule_callbacks(self) except -1
    cdef int run_callbacks(self) except -1
    # The name in messages and in repr().
    cdef str class_name(self)
    # From the destructor: report an exception that nobody retrieved (Task: or a coroutine that never finished).
    cdef int report_lost(self) except -1
    # The exception, now marked as retrieved. INVARIANT: the future has failed.
    cdef object take_exception(self)
    cdef object make_cancelled_error(self)
    # The exception to throw into a waiter, or None.
    cdef object outcome(self)


cdef class FutureIter:
    cdef Future future


# HOT. A pending future of a fastloop loop that is not in debug mode.
cdef Future new_future(Scheduler loop)

cdef int future_init(Future future, object loop) except -1

# Remove this callback from a future that is done and in the ready queue.
cdef int future_drop_ready_callback(Future future, object callback) except -1
