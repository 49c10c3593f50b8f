"""ExecutorFuture: the loop's side of work that runs in an executor.

Owns: the concurrent future, until its outcome is taken over.
Promises: what asyncio.wrap_future() promises, with one foreign push into the ready queue instead of a chain of callbacks.
  Cancelling this future cancels the work if it has not started.
Driven by: the thread that finishes the work, which calls _on_work_done(), and then the scheduler.
"""

import asyncio
import concurrent.futures

from cpython.object cimport PyObject

from fastloop.core.future cimport FUTURE_DONE, FUTURE_ON_SCHEDULER
from fastloop.core.ready_queue cimport ready_queue_put_back
from fastloop.core.scheduler cimport scheduler_push_foreign


from fastloop.python.exception_arguments import exception_from_executor


# Work may finish in the loop's own thread, for instance in an executor that runs it at once. Then the future finishes at
# once too. asyncio has done so since some patch release, so its code is inspected.
cdef bint OWN_THREAD_FINISHES_AT_ONCE = any(
    "_get_running_loop" in getattr(constant, "co_names", ()) and constant.co_name == "_call_set_state"
    for constant in asyncio.futures._chain_future.__code__.co_consts)

cdef object ConcurrentFuture = concurrent.futures.Future


cdef class ExecutorFuture(Future):
    cdef int run(self) except -1:
        if self.flags & FUTURE_DONE:
            return self.run_callbacks()
        if self.work is None:
            # __init__() was called again while the future was in the queue.
            return 0
        try:
            outcome = outcome_of(self.work)
        except Exception as error:
            outcome = (False, error, None)
        except BaseException:
            # A signal handler raised in between: ask again next.
            ready_queue_put_back(&self.scheduler.ready, <PyObject *>self)
            raise
        self.work = None
        is_cancelled, error, result = outcome
        if is_cancelled:
            self.cancel_with(None)
            return 0
        return self.finish(result) if error is None else self.fail(error)

    cdef str class_name(self):
        # asyncio returns a plain Future here.
        return "Future"

    cdef bint cancel_with(self, object message) except -1:
        cdef bint was_pending = Future.cancel_with(self, message)
        work = self.work
        if was_pending and work is not None:
            self.work = None
            work.cancel()
        return was_pending

    def _on_work_done(self, work):
        """Called in the thread that finished the work, or in the loop's thread if the work was cancelled there."""
        scheduler = self.scheduler
        if scheduler is None or scheduler.has_closed or self.flags & FUTURE_DONE:
            return
        if OWN_THREAD_FINISHES_AT_ONCE and asyncio.events._get_running_loop() is scheduler:
            self.run()
            return
        try:
            scheduler_push_foreign(scheduler, self)
        except RuntimeError:
            # Closed since the check above. Nobody waits for the outcome now.
            if not scheduler.has_closed:
                raise


cdef tuple outcome_of(object work):
    """Whether the work was cancelled, the exception for the loop's future, and the result."""
    if type(work) is ConcurrentFuture:
        # Read its fields, which are final by now. Its methods are Python code, which a signal handler can interrupt.
        is_cancelled, error = work._state != "FINISHED", work._exception
        result = work._result
    else:
        is_cancelled = work.cancelled()
        error = None if is_cancelled else work.exception()
        result = work.result() if not is_cancelled and error is None else None
    return is_cancelled, None if error is None else exception_from_executor(error), result


cdef object executor_future(Scheduler loop, object work):
    cdef ExecutorFuture future
    if asyncio.isfuture(work):
        # The executor is made for asyncio.
        return work
    if not isinstance(work, concurrent.futures.Future):
        raise AssertionError(f"concurrent.futures.Future is expected, got {work!r}")
    future = ExecutorFuture.__new__(ExecutorFuture)
    future.loop = future.scheduler = loop
    future.flags = FUTURE_ON_SCHEDULER
    future.work = work
    work.add_done_callback(future._on_work_done)
    return future
