# Task: a coroutine, run step by step.

from fastloop.core.future cimport Future
from fastloop.core.scheduler cimport Scheduler
from fastloop.core.seen_task cimport SEEN_TASK_FIRST_FREE_FLAG, SeenTask


cdef enum:
    # cancel() was called where there was nothing to cancel: the next step starts with a CancelledError.
    TASK_MUST_CANCEL = SEEN_TASK_FIRST_FREE_FLAG
    # Destroyed while pending: say so. run_until_complete() and gather() turn it off.
    TASK_LOG_DESTROY_PENDING = SEEN_TASK_FIRST_FREE_FLAG << 1
    # result_or_exception holds what the next step is to throw.
    TASK_HAS_ERROR = SEEN_TASK_FIRST_FREE_FLAG << 2
    # In the ready queue for a step, not for its callbacks.
    TASK_STEP_QUEUED = SEEN_TASK_FIRST_FREE_FLAG << 3
    # waits_for is a Future, which will put the task into the ready queue when it is done.
    TASK_IS_WAITER = SEEN_TASK_FIRST_FREE_FLAG << 4


cdef class Task(SeenTask):
    cdef int finish_returned(self, object result) except -1
    cdef int finish_raised(self) except -1
    cdef int handle_yield(self, object yielded) except -1
    cdef int wait_for_future(self, Future future) except -1
    cdef int wait_for_foreign(self, object future, object blocking) except -1
    cdef int cancel_waited(self) except -1
    cdef int schedule_step(self, object error) except -1
    cdef int start_eagerly(self) except -1


# HOT. A task of a fastloop loop whose bypasses_call_soon holds, its first step scheduled. context None means a copy of the current one.
cdef Task new_task(Scheduler loop, object coro, object context)
