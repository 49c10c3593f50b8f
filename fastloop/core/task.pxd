# Task: a coroutine, run step by step.

from fastloop.core.exposed_task cimport EXPOSED_TASK_FIRST_FREE_FLAG, ExposedTask
from fastloop.core.future cimport Future
from fastloop.core.scheduler cimport Scheduler


cdef enum:
    # cancel() was called while there was nothing to cancel. The next step starts with a CancelledError.
    TASK_MUST_CANCEL = EXPOSED_TASK_FIRST_FREE_FLAG
    # Report it if the task is destroyed while pending. run_until_complete() and gather() turn this off.
    TASK_LOG_DESTROY_PENDING = EXPOSED_TASK_FIRST_FREE_FLAG << 1
    # result_or_exception holds the exception that the next step throws.
    TASK_HAS_ERROR = EXPOSED_TASK_FIRST_FREE_FLAG << 2
    # In the ready queue for a step, not for its callbacks.
    TASK_STEP_QUEUED = EXPOSED_TASK_FIRST_FREE_FLAG << 3
    # waits_for is a Future, which puts the task into the ready queue when it is done.
    TASK_IS_WAITER = EXPOSED_TASK_FIRST_FREE_FLAG << 4


cdef class Task(ExposedTask):
    cdef int finish_returned(self, object result) except -1
    cdef int finish_raised(self) except -1
    cdef int handle_yield(self, object yielded) except -1
    cdef int wait_for_future(self, Future future) except -1
    cdef int wait_for_foreign(self, object future, bint is_blocking) except -1
    # The next step raises the RuntimeError that says why future cannot be awaited. It may be a foreign future.
    cdef int refuse_to_wait(self, object future, bint is_blocking) except -1
    cdef int cancel_awaited_future(self) except -1
    cdef int schedule_step(self, object error) except -1
    cdef int start_eagerly(self) except -1


# HOT. A task with its first step scheduled. A context of None means a copy of the current one.
# INVARIANT: loop.bypasses_call_soon.
cdef Task new_task(Scheduler loop, object coro, object context)
