"""Task: a coroutine that runs step by step, and a future of its result.

Owns: the coroutine and the context that it runs in, until the coroutine ends.
Promises: a Task is interchangeable with asyncio.Task, and isinstance() says so. A step needs no handle and makes no object: the
  task itself is in the ready queue, and among the callbacks of the future that it waits for.
Driven by: the scheduler on fastloop's loop, and call_soon() on any other loop and in debug mode.
"""

import asyncio
from asyncio import base_tasks, coroutines, exceptions

from cpython.contextvars cimport PyContext_CopyCurrent, PyContext_Enter, PyContext_Exit
from cpython.exc cimport PyErr_ExceptionMatches
from cpython.object cimport PyObject, PyTypeObject, destructor
from cpython.ref cimport Py_DECREF, Py_INCREF

from fastloop.core.current_task cimport enter_task, leave_task, swap_current_task, swap_own_current_task
from fastloop.core.executor_future cimport ExecutorFuture
from fastloop.core.exposed_task cimport (
    EXPOSED_TASK_IS_SHOWN, ExposedTask, exposed_task_close, exposed_task_open, exposed_task_register,
    exposed_task_set_name, exposed_task_unregister, exposed_task_wait)
from fastloop.core.future cimport (
    FUTURE_BLOCKING, FUTURE_DONE, FUTURE_FAILED, FUTURE_FINISHED, FUTURE_LOG_TRACEBACK, FUTURE_ON_SCHEDULER, Future,
    future_init)
from fastloop.core.handle cimport UNDELETABLE, call_soon_uninterrupted, new_handle
from fastloop.core.loop_counters cimport loop_counter_add
from fastloop.core.runnable cimport RUNNABLE_KEEPS_CURRENT_TASK, Runnable
from fastloop.core.scheduler cimport scheduler_push
from fastloop.python.calls cimport call_raised_exit
from fastloop.python.capi cimport (
    PYGEN_ERROR, PYGEN_NEXT, PyContext_CheckExact, PyGen_CheckExact, PyIter_Send, PyObject_CallFinalizerFromDealloc,
    PySendResult, call_method_one, object_type)
from fastloop.python.cpython_compat cimport (
    COMPAT_FUTURE_INIT_ONCE, COMPAT_TASK_CHECKS_CONTEXT, COMPAT_UNCANCEL_CLEARS_REQUEST, compat_raise,
    compat_stop_iteration_value, compat_take_exception)
from fastloop.python.object_pool cimport object_pool_dealloc, object_pool_new, object_pool_open, object_pool_t


# Calls through this type do not propagate exceptions. The caller must check the result.
ctypedef int (*unchecked_step_t)(Task, object) noexcept


cdef object CancelledError = exceptions.CancelledError


cdef class Task(ExposedTask):
    """A coroutine that runs step by step on an event loop.

    Task(coro, *, loop=None, name=None, context=None, eager_start=False): as asyncio.Task. Usually loop.create_task() makes it.
    Not thread-safe: use it from the loop's thread only. Follows the running Python's asyncio.Task.
    """

    def __init__(self, coro, *, loop=None, name=None, context=None, bint eager_start=False):
        cdef bint is_coroutine = coroutines.iscoroutine(coro)
        # Dropped on return, so destructors find the task consistent.
        _old_coro, _old_context, _old_waits_for = self.coro, self.context, self.waits_for
        # A second __init__() that fails must not disturb the task.
        if is_coroutine or self.loop is None or COMPAT_FUTURE_INIT_ONCE:
            if self.flags & EXPOSED_TASK_IS_SHOWN and not COMPAT_FUTURE_INIT_ONCE:
                self.stop_being_shown()
            future_init(self, loop)
        if not is_coroutine:
            # Before task_init(), so that the destructor does not report a task without a coroutine.
            raise TypeError(f"a coroutine was expected, got {coro!r}")
        self.waits_for = None
        task_init(self, coro, context)
        if name is not None:
            exposed_task_set_name(self, name)
        if eager_start and self.loop.is_running():
            self.start_eagerly()
        else:
            self.schedule_step(None)
            exposed_task_register(self)

    @property
    def __class__(self):
        return asyncio.Task

    def __repr__(self):
        if self.loop is None:
            raise RuntimeError("Task object is not initialized.")
        text = base_tasks._task_repr(self)
        if type(self) is not Task:
            text = text.replace("<Task", f"<{type(self).__name__}", 1)
        return text

    # ---- asyncio's public methods ----

    def cancel(self, msg=None):
        """Ask the task to end, by raising CancelledError in the coroutine at its next step.

        msg: the message of the CancelledError. The coroutine may catch it and continue. uncancel() takes the request back.
        Returns True, or False if the task is done already.
        """
        self.flags &= ~<unsigned int>FUTURE_LOG_TRACEBACK
        if self.flags & FUTURE_DONE:
            return False
        self.word.cancel_requests += 1
        waits_for = self.waits_for
        # INVARIANT: a waiting task is woken by the future that it waits for, even if that is cancelled.
        if waits_for is not None and waits_for.cancel(msg=msg):
            return True
        self.flags |= TASK_MUST_CANCEL
        self._cancel_message = msg
        return True

    def cancelling(self):
        """Return how many requests to cancel the task are open: calls of cancel() minus calls of uncancel()."""
        return self.word.cancel_requests

    def uncancel(self):
        """Take back one request to cancel. Returns how many are left."""
        if self.word.cancel_requests > 0:
            self.word.cancel_requests -= 1
            if self.word.cancel_requests == 0 and COMPAT_UNCANCEL_CLEARS_REQUEST:
                self.flags &= ~<unsigned int>TASK_MUST_CANCEL
        return self.word.cancel_requests

    def get_coro(self):
        """Return the coroutine, or None if an eager start ended it."""
        return self.coro

    def get_context(self):
        """Return the contextvars.Context that the coroutine runs in."""
        return self.context

    def get_stack(self, *, limit=None):
        """Return the frames in which the coroutine is suspended, oldest first. For a failed task, the frames of its traceback.

        limit: how many frames to return at most.
        """
        return base_tasks._task_get_stack(self, limit)

    def print_stack(self, *, limit=None, file=None):
        """Print the frames of get_stack() to file, by default sys.stderr."""
        return base_tasks._task_print_stack(self, limit, file)

    def set_result(self, result):
        """Raise RuntimeError, because the result comes from the coroutine."""
        raise RuntimeError("Task does not support set_result operation")

    def set_exception(self, exception):
        """Raise RuntimeError, because the exception comes from the coroutine."""
        raise RuntimeError("Task does not support set_exception operation")

    # ---- private attributes that asyncio and libraries use ----

    @property
    def _coro(self):
        return self.coro

    @property
    def _fut_waiter(self):
        return self.waits_for

    @property
    def _must_cancel(self):
        return bool(self.flags & TASK_MUST_CANCEL)

    @property
    def _num_cancels_requested(self):
        return self.word.cancel_requests

    @property
    def _log_destroy_pending(self):
        return bool(self.flags & TASK_LOG_DESTROY_PENDING)

    @_log_destroy_pending.setter
    def _log_destroy_pending(self, value):
        if value:
            self.flags |= TASK_LOG_DESTROY_PENDING
        else:
            self.flags &= ~<unsigned int>TASK_LOG_DESTROY_PENDING

    @_log_destroy_pending.deleter
    def _log_destroy_pending(self):
        raise AttributeError(UNDELETABLE)

    def _step(self, error=None):
        task_step(self, error)

    def _wakeup(self, future):
        error = None
        try:
            future.result()
        except BaseException as raised:
            error = raised
        task_step(self, error)

    # ---- one step ----

    cdef int run(self) except -1:
        cdef Future future
        if self.flags & FUTURE_DONE:
            return task_run_done(self)
        error = None
        if self.flags & TASK_STEP_QUEUED:
            self.flags &= ~<unsigned int>TASK_STEP_QUEUED
            if self.flags & TASK_HAS_ERROR:
                self.flags &= ~<unsigned int>TASK_HAS_ERROR
                error, self.result_or_exception = self.result_or_exception, None
        elif self.flags & TASK_IS_WAITER:
            future = <Future>self.waits_for
            if future.flags & (FUTURE_DONE | FUTURE_FAILED) != FUTURE_FINISHED:
                if future_has_waiter(future, self):
                    return 0
                error = future.outcome()
        else:
            # __init__() was called again while the task was in the queue.
            return 0
        if not PyContext_CheckExact(<PyObject *>self.context):
            # Any object with a run() method. A handle can call that.
            return new_handle(self.loop, self._step, (error,), self.context).run()
        if (<unchecked_step_t>task_step_in_context)(self, error) < 0:
            return task_report_failed_step(self, error)
        return 0

    cdef int finish_returned(self, object result) except -1:
        exposed_task_unregister(self)
        if self.flags & TASK_MUST_CANCEL:
            # cancel() was called during the last step.
            self.flags &= ~<unsigned int>TASK_MUST_CANCEL
            self.cancel_with(self._cancel_message)
            return 0
        return self.finish(result)

    cdef int finish_raised(self) except -1:
        """The coroutine has raised. KeyboardInterrupt and SystemExit also propagate to the caller."""
        cdef bint is_exit = call_raised_exit()
        error = compat_take_exception()
        exposed_task_unregister(self)
        if isinstance(error, CancelledError):
            # The first awaiter of the task gets this very CancelledError. Later ones get a new one.
            self.result_or_exception = error
            self.cancel_with(None)
            return 0
        self.fail(error)
        if is_exit:
            Py_INCREF(error)
            compat_raise(<PyObject *>error)
            return -1
        return 0

    cdef int handle_yield(self, object yielded) except -1:
        if yielded is None:
            # A bare yield, as in sleep(0).
            return self.schedule_step(None)
        # Exact types only: a subclass may override add_done_callback(), and is then called by name.
        if type(yielded) is Future or type(yielded) is Task or type(yielded) is ExecutorFuture:
            return self.wait_for_future(<Future>yielded)
        blocking = getattr(yielded, "_asyncio_future_blocking", None)
        if blocking is not None:
            return self.wait_for_foreign(yielded, blocking)
        if PyGen_CheckExact(yielded):
            message = f"yield was used instead of yield from in task {self!r} with {yielded!r}"
        else:
            message = f"Task got bad yield: {yielded!r}"
        return self.schedule_step(RuntimeError(message))

    cdef int wait_for_future(self, Future future) except -1:
        if future is self or not future.flags & FUTURE_BLOCKING or future.loop is not self.loop:
            return self.refuse_to_wait(future, future.flags & FUTURE_BLOCKING != 0)
        future.flags &= ~<unsigned int>FUTURE_BLOCKING
        self.waits_for = future
        if future.flags & FUTURE_DONE or not self.flags & FUTURE_ON_SCHEDULER:
            future.add_callback(self._wakeup, self.context)
        else:
            future.add_waiter(self)
            self.flags |= TASK_IS_WAITER
        if self.flags & TASK_MUST_CANCEL:
            return self.cancel_awaited_future()
        return 0

    cdef int wait_for_foreign(self, object future, bint is_blocking) except -1:
        if future is self or not is_blocking or loop_of(future) is not self.loop:
            return self.refuse_to_wait(future, is_blocking)
        future._asyncio_future_blocking = False
        future.add_done_callback(self._wakeup, context=self.context)
        self.waits_for = future
        exposed_task_wait(self)
        if self.flags & TASK_MUST_CANCEL:
            return self.cancel_awaited_future()
        return 0

    cdef int refuse_to_wait(self, object future, bint is_blocking) except -1:
        if future is self:
            message = f"Task cannot await on itself: {self!r}"
        elif not is_blocking:
            message = f"yield was used instead of yield from in task {self!r} with {future!r}"
        else:
            message = f"Task {self!r} got Future {future!r} attached to a different loop"
        return self.schedule_step(RuntimeError(message))

    cdef int cancel_awaited_future(self) except -1:
        """cancel() was called while there was nothing to cancel. Now there is."""
        if self.waits_for.cancel(msg=self._cancel_message):
            self.flags &= ~<unsigned int>TASK_MUST_CANCEL
        return 0

    cdef int schedule_step(self, object error) except -1:
        if self.bypasses_call_soon():
            if error is not None:
                self.flags |= TASK_HAS_ERROR
                self.result_or_exception = error
            self.flags |= TASK_STEP_QUEUED
            return scheduler_push(<Scheduler>self.loop, self)
        if error is None:
            call_soon_uninterrupted(self.loop, self._step, (), self.context)
        else:
            call_soon_uninterrupted(self.loop, self._step, (error,), self.context)
        return 0

    cdef int start_eagerly(self) except -1:
        """Run the first step now, within the step that runs. A coroutine that never waits then needs no turn of the loop."""
        # The coroutine may call __init__() again, which changes the fields.
        loop, context = self.loop, self.context
        try:
            previous = swap_own_current_task(loop, self)
        except BaseException:
            # The caller gets the exception, so the destructor need not report the task too.
            self.flags &= ~<unsigned int>TASK_LOG_DESTROY_PENDING
            raise
        try:
            exposed_task_register(self)
            PyContext_Enter(context)
            try:
                task_resume(self, None)
            finally:
                PyContext_Exit(context)
        except BaseException:
            exposed_task_unregister(self)
            raise
        finally:
            swap_current_task(loop, previous)
            if self.flags & FUTURE_DONE:
                self.coro = None
        return 0

    cdef int report_lost(self) except -1:
        if self.flags & TASK_LOG_DESTROY_PENDING and not self.flags & FUTURE_DONE:
            context = {"task": self, "message": "Task was destroyed but it is pending!"}
            if self._source_traceback:
                context["source_traceback"] = self._source_traceback
            self.loop.call_exception_handler(context)
        return Future.report_lost(self)


cdef int task_init(Task task, object coro, object context) except -1:
    if context is not None and COMPAT_TASK_CHECKS_CONTEXT and not PyContext_CheckExact(<PyObject *>context):
        raise TypeError(f"a context was expected, got {context!r}; give a contextvars.Context or None")
    task.flags |= RUNNABLE_KEEPS_CURRENT_TASK | TASK_LOG_DESTROY_PENDING
    task.coro = coro
    task.context = PyContext_CopyCurrent() if context is None else context
    return exposed_task_open(task)


cdef object loop_of(object future):
    """The future's loop. asyncio's own function for this is Python code, and a signal handler could raise when it starts."""
    get_loop = getattr(future, "get_loop", None)
    return future._loop if get_loop is None else get_loop()


cdef Task new_task(Scheduler loop, object coro, object context):
    cdef Task task = <Task>object_pool_new(&task_pool)
    task.loop = loop
    task.flags = FUTURE_ON_SCHEDULER | TASK_STEP_QUEUED
    task.word.cancel_requests = 0
    task_init(task, coro, context)
    scheduler_push(loop, task)
    exposed_task_register(task)
    return task


cdef bint future_has_waiter(Future future, Task task) noexcept:
    """Whether the future is pending and will still push the task. If it is pending and will not, __init__() was called again."""
    if future.flags & FUTURE_DONE:
        return False
    if future.callback is task:
        return True
    if future.more_callbacks is not None:
        for callback in future.more_callbacks:
            if callback is task:
                return True
    return False


cdef int task_run_done(Task task) except -1:
    if task.flags & FUTURE_ON_SCHEDULER and (<Scheduler>task.loop).lingering_task is not NULL:
        (<Scheduler>task.loop).leave_lingering_task()
    if task.callback is None and task.flags & TASK_STEP_QUEUED:
        # The program finished the task by force, say with Future.set_result(), while its step was in the queue. As in
        # asyncio, that step fails.
        task.flags &= ~<unsigned int>TASK_STEP_QUEUED
        if (<unchecked_step_t>task_step_in_context)(task, None) < 0:
            return task_report_failed_step(task, None)
    return task.run_callbacks()


cdef int task_report_failed_step(Task task, object error) except -1:
    """The step itself failed, not the coroutine. Report it as for any callback."""
    if call_raised_exit():
        return -1
    exception = compat_take_exception()
    return new_handle(task.loop, task._step, (error,), task.context).report(exception)


cdef int task_step(Task task, object error) except -1:
    """Run the coroutine until it waits or ends. INVARIANT: its context is entered."""
    if task.loop is None:
        raise RuntimeError("Task object is not initialized.")
    if task.flags & FUTURE_DONE:
        raise exceptions.InvalidStateError(f"step(): already done: {task!r}, {error!r}")
    if task.flags & TASK_MUST_CANCEL:
        task.flags &= ~<unsigned int>TASK_MUST_CANCEL
        if not isinstance(error, CancelledError):
            error = task.make_cancelled_error()
    if task.flags & EXPOSED_TASK_IS_SHOWN:
        task.stop_being_shown()
    task.waits_for = None
    task.flags &= ~<unsigned int>TASK_IS_WAITER
    if task.flags & FUTURE_ON_SCHEDULER:
        return task_step_on_scheduler(task, <Scheduler>task.loop, error)
    loop = task.loop
    enter_task(loop, task)
    try:
        return task_resume(task, error)
    finally:
        leave_task(loop, task)


cdef int task_step_in_context(Task task, object error) except -1:
    # The coroutine may call __init__() again, which changes the field.
    context = task.context
    PyContext_Enter(context)
    try:
        return task_step(task, error)
    finally:
        PyContext_Exit(context)


cdef int task_step_on_scheduler(Task task, Scheduler scheduler, object error) except -1:
    # Entering this task also leaves the one before it, in one call. If that is this task, it was never left.
    loop_counter_add(&scheduler.counters.task_steps, 1)
    if scheduler.lingering_task is not <PyObject *>task:
        task_enter_on_scheduler(task, scheduler)
    scheduler.lingering_task = NULL
    try:
        return task_resume(task, error)
    finally:
        scheduler.lingering_task = <PyObject *>task


cdef int task_enter_on_scheduler(Task task, Scheduler scheduler) except -1:
    cdef bint was_lingering = scheduler.lingering_task is not NULL
    scheduler.lingering_task = NULL
    previous = swap_current_task(scheduler, task)
    if previous is not None and not was_lingering:
        swap_current_task(scheduler, previous)
        raise RuntimeError(f"Cannot enter into task {task!r} while another task {previous!r} is being executed.")
    return 0


cdef int task_resume(Task task, object error) except -1:
    """Resume the coroutine, raising error in it if that is not None, and handle what it yields, returns or raises."""
    cdef PyObject *result = NULL
    cdef PySendResult outcome
    if error is None:
        outcome = PyIter_Send(task.coro, None, &result)
    else:
        result = call_method_one(task.coro, "throw", error)
        outcome = PYGEN_NEXT if result is not NULL else PYGEN_ERROR
    if outcome == PYGEN_ERROR and PyErr_ExceptionMatches(StopIteration):
        value = compat_stop_iteration_value()
        return task.finish_returned(value)
    if outcome == PYGEN_ERROR:
        return task.finish_raised()
    yielded = <object>result
    Py_DECREF(yielded)
    if outcome == PYGEN_NEXT:
        # HOT. A bare yield, as in sleep(0).
        if yielded is None and task.flags & FUTURE_ON_SCHEDULER and (<Scheduler>task.loop).bypasses_call_soon:
            task.flags |= TASK_STEP_QUEUED
            return scheduler_push(<Scheduler>task.loop, task)
        return task.handle_yield(yielded)
    return task.finish_returned(yielded)


# ---- the garbage collector, and the pool ----

cdef object_pool_t task_pool

cdef void task_dealloc(PyObject *self) noexcept:
    # First of all, so that no destructor finds the task through the list.
    exposed_task_close(<Task>self)
    if object_type(self) is not task_pool.type:
        task_pool.plain_dealloc(self)
    elif not task_has_report(<Task>self):
        object_pool_dealloc(&task_pool, self)
    elif PyObject_CallFinalizerFromDealloc(self) == 0:
        # The exception handler may have added a waiter.
        exposed_task_close(<Task>self)
        object_pool_dealloc(&task_pool, self)


cdef inline bint task_has_report(Task task) noexcept:
    """Whether report_lost() has something to report."""
    return task.flags & FUTURE_LOG_TRACEBACK or (task.flags & TASK_LOG_DESTROY_PENDING and not task.flags & FUTURE_DONE)


object_pool_open(
    &task_pool, Task.__new__(Task), (<PyTypeObject *>Runnable).tp_basicsize + 2 * sizeof(PyObject *), 9,
    <destructor>task_dealloc)
