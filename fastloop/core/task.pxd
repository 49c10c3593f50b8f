# Task: a coroutine, run step by step.

from fastloop.core.future cimport FUTURE_FIRST_FREE_FLAG, Future
from fastloop.core.scheduler cimport Scheduler
from fastloop.core.seen_task cimport seen_entry_t, seen_waiters_t


cdef enum:
    # cancel() was called where there was nothing to cancel: the next step starts with a CancelledError.
    TASK_MUST_CANCEL = FUTURE_FIRST_FREE_FLAG
    # Destroyed while pending: say so. run_until_complete() and gather() turn it off.
    TASK_LOG_DESTROY_PENDING = FUTURE_FIRST_FREE_FLAG << 1
    # result_or_exception holds what the next step is to throw.
    TASK_HAS_ERROR = FUTURE_FIRST_FREE_FLAG << 2
    # In the ready queue for a step, not for its callbacks.
    TASK_STEP_QUEUED = FUTURE_FIRST_FREE_FLAG << 3
    # waits_for is a Future, which will put the task into the ready queue when it is done.
    TASK_IS_WAITER = FUTURE_FIRST_FREE_FLAG << 4
    # waits_for is a future of asyncio's, which shows the task as one that waits.
    TASK_IS_SEEN_WAITER = FUTURE_FIRST_FREE_FLAG << 5


cdef class Task(Future):
    # In the order of asyncio's own fields: see seen_task.h.
    cdef:
        seen_waiters_t seen_waiters
        object context
        # What the coroutine waits for: a future of any kind, or None.
        object waits_for
        # None once done (from the eager start on); otherwise owned by the task alone.
        object coro
        seen_entry_t entry

    cdef int step(self, object error) except -1
    cdef int settle(self, object result) except -1
    cdef int settle_raised(self) except -1
    cdef int handle_yield(self, object yielded) except -1
    cdef int wait_for_future(self, Future future) except -1
    cdef int wait_for_foreign(self, object future, object blocking) except -1
    cdef int cancel_waited(self) except -1
    cdef int schedule_step(self, object error) except -1
    cdef int start_eagerly(self) except -1
    cdef int wait_seen(self) except -1
    cdef int stop_waiting_seen(self) except -1


# HOT. A task of a fastloop loop whose is_direct holds, its first step scheduled. context None means a copy of the current one.
cdef Task new_task(Scheduler loop, object coro, object context)

# all_tasks() forgets a task that has not ended.
cdef int task_forget(Task task) except -1
