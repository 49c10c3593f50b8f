# The loop's side of work that runs in an executor.

from fastloop.core.future cimport Future
from fastloop.core.scheduler cimport Scheduler


cdef class ExecutorFuture(Future):
    cdef:
        # The concurrent.futures.Future; None once its outcome is here.
        object work


cdef ExecutorFuture new_executor_future(Scheduler loop, object work)
