# The loop's side of work that runs in an executor.

from fastloop.core.future cimport Future
from fastloop.core.scheduler cimport Scheduler


cdef class ExecutorFuture(Future):
    cdef:
        # The concurrent.futures.Future; None once its outcome is here.
        object work
        # In whose ready queue the outcome is taken over. A second __init__() changes the future's loop only.
        Scheduler scheduler


# What run_in_executor() returns for the future that the executor returned.
cdef object executor_future(Scheduler loop, object work)
