"""ExecutorFuture: the loop's side of work that runs in an executor.

Owns: the concurrent future, until its outcome is taken over.
Promises: what asyncio.wrap_future() promises, with one foreign push into the ready queue instead of a chain of callbacks:
  cancelling this future cancels the work if it has not begun.
Driven by: the thread that ends the work, which calls _on_work_done(), and then the scheduler.
"""

import asyncio
import concurrent.futures

from fastloop.core.raising import exception_from_executor

from fastloop.core.future cimport FUTURE_DONE, FUTURE_ON_SCHEDULER
from fastloop.core.scheduler cimport scheduler_push_foreign


# Work that ends in the loop's own thread, such as an executor's that runs it at once, ends the future at once: since some patch
# release, so asyncio's code is asked.
cdef bint OWN_THREAD_FINISHES_AT_ONCE = any(
    "_get_running_loop" in getattr(constant, "co_names", ()) and constant.co_name == "_call_set_state"
    for constant in asyncio.futures._chain_future.__code__.co_consts)


cdef class ExecutorFuture(Future):
    cdef int run(self) except -1:
        if self.flags & FUTURE_DONE:
            return self.run_callbacks()
        work, self.work = self.work, None
        if work is None:
            # A second __init__() came while the future was in the queue.
            return 0
        if work.cancelled():
            self.cancel_with(None)
            return 0
        error = work.exception()
        if error is None:
            return self.finish(work.result())
        return self.fail(exception_from_executor(error))

    cdef bint cancel_with(self, object message) except -1:
        cdef bint was_pending = Future.cancel_with(self, message)
        work = self.work
        if was_pending and work is not None:
            self.work = None
            work.cancel()
        return was_pending

    def _on_work_done(self, work):
        """Called in the thread that ended the work, or in the loop's thread when the work is cancelled."""
        if self.scheduler.has_closed or self.flags & FUTURE_DONE:
            return
        if OWN_THREAD_FINISHES_AT_ONCE and asyncio.events._get_running_loop() is self.scheduler:
            self.run()
            return
        scheduler_push_foreign(self.scheduler, self)


cdef object executor_future(Scheduler loop, object work):
    cdef ExecutorFuture future
    if asyncio.isfuture(work):
        # From an executor that is made for asyncio.
        return work
    if not isinstance(work, concurrent.futures.Future):
        raise AssertionError(f"concurrent.futures.Future is expected, got {work!r}")
    future = ExecutorFuture.__new__(ExecutorFuture)
    future.loop = future.scheduler = loop
    future.flags = FUTURE_ON_SCHEDULER
    future.work = work
    work.add_done_callback(future._on_work_done)
    return future
