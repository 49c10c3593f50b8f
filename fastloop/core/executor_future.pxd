# The loop's side of work that runs in an executor.

from fastloop.core.future cimport Future
from fastloop.core.scheduler cimport Scheduler


cdef class ExecutorFuture(Future):
    cdef:
        # The concurrent.futures.Future. None once its outcome is here.
        object work
        # Takes over the outcome from its ready queue. A second __init__() changes the future's loop, but not this.
        Scheduler scheduler


# The future that run_in_executor() returns. work is what the executor returned.
cdef object executor_future(Scheduler loop, object work)
