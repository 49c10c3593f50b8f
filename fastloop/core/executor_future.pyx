"""ExecutorFuture: the loop's side of work that runs in an executor.

Owns: the concurrent future, until its outcome is taken over.
Promises: what asyncio.wrap_future() promises, with one foreign push into the ready queue instead of a chain of callbacks:
  cancelling this future cancels the work if it has not begun.
Driven by: the worker thread, which calls _on_work_done(), and then the scheduler.
"""

import concurrent.futures



from fastloop.core.future cimport FUTURE_DONE, FUTURE_ON_SCHEDULER
from fastloop.core.scheduler cimport scheduler_push_foreign


cdef class ExecutorFuture(Future):
    cdef int run(self) except -1:
        if self.flags & FUTURE_DONE:
            return self.run_callbacks()
        work, self.work = self.work, None
        if work.cancelled():
            self.cancel_with(None)
            return 0
        error = work.exception()
        if error is None:
            return self.finish(work.result())
        # asyncio's CancelledError is another class than that of concurrent.futures.
        if type(error) is concurrent.futures.CancelledError:
            from asyncio import CancelledError
            error = CancelledError(*error.args).with_traceback(error.__traceback__)
        return self.fail(error)

    cdef bint cancel_with(self, object message) except -1:
        cdef bint was_pending = Future.cancel_with(self, message)
        work = self.work
        if was_pending and work is not None:
            self.work = None
            work.cancel()
        return was_pending

    def _on_work_done(self, work):
        """Called in the thread that ended the work, or in the loop's thread when the work is cancelled."""
        cdef Scheduler loop = <Scheduler>self.loop
        if loop.has_closed or self.flags & FUTURE_DONE:
            return
        scheduler_push_foreign(loop, self)


cdef ExecutorFuture new_executor_future(Scheduler loop, object work):
    cdef ExecutorFuture future = ExecutorFuture.__new__(ExecutorFuture)
    future.loop = loop
    future.flags = FUTURE_ON_SCHEDULER
    future.work = work
    work.add_done_callback(future._on_work_done)
    return future
