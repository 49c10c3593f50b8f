"""Task: a coroutine, run step by step, and a future of its result.

Owns: the coroutine and the context that it runs in, until the coroutine ends.
Promises: interchangeable with asyncio.Task, which isinstance() takes it for; a step needs no handle and makes no object:
  the task itself is in the ready queue, and in the list of callbacks of the future that it waits for.
Driven by: the scheduler on fastloop's loop; by call_soon() on any other loop, and in debug mode.
"""

import asyncio
from asyncio import base_tasks, coroutines, exceptions

from cpython.contextvars cimport PyContext_CopyCurrent, PyContext_Enter, PyContext_Exit
from cpython.exc cimport PyErr_ExceptionMatches
from cpython.object cimport PyObject, PyTypeObject, destructor
from cpython.ref cimport Py_DECREF, Py_INCREF

from fastloop.core.current_task cimport enter_task, leave_task, swap_current_task, swap_own_current_task
from fastloop.core.executor_future cimport ExecutorFuture
from fastloop.core.future cimport (
    FUTURE_BLOCKING, FUTURE_DONE, FUTURE_FAILED, FUTURE_FINISHED, FUTURE_LOG_TRACEBACK, FUTURE_ON_SCHEDULER, Future,
    future_init)
from fastloop.core.handle cimport call_soon_uninterrupted, new_handle
from fastloop.core.runnable cimport RUNNABLE_STEPS_TASK, Runnable
from fastloop.core.scheduler cimport scheduler_push
from fastloop.core.seen_task cimport (
    SEEN_TASK_IS_SHOWN, SeenTask, seen_task_close, seen_task_open, seen_task_register, seen_task_set_name,
    seen_task_unregister, seen_task_wait)
from fastloop.python.calls cimport call_raised_exit
from fastloop.python.capi cimport (
    PYGEN_ERROR, PYGEN_NEXT, PyContext_CheckExact, PyGen_CheckExact, PyIter_Send, PyObject_CallFinalizerFromDealloc,
    PySendResult, call_method_one, object_type)
from fastloop.python.cpython_compat cimport (
    COMPAT_FUTURE_INIT_ONCE, COMPAT_TASK_CHECKS_CONTEXT, COMPAT_UNCANCEL_CLEARS_REQUEST, compat_raise,
    compat_stop_iteration_value, compat_take_exception)
from fastloop.python.object_pool cimport object_pool_dealloc, object_pool_new, object_pool_open, object_pool_t


# A call through this type leaves a raised exception to the caller, who looks at the result.
ctypedef int (*unchecked_step_t)(Task, object) noexcept


cdef object CancelledError = exceptions.CancelledError


cdef class Task(SeenTask):
    """A coroutine, run step by step on an event loop.

    Task(coro, *, loop=None, name=None, context=None, eager_start=False): as asyncio.Task; loop.create_task() is the usual
    way to make one. Not thread-safe: use it from the loop's thread only. Follows asyncio.Task of the running Python.
    """

    def __init__(self, coro, *, loop=None, name=None, context=None, bint eager_start=False):
        cdef bint is_coroutine = coroutines.iscoroutine(coro)
        # Dropped at the end: what ends with them finds the task whole.
        _old_coro, _old_context, _old_waits_for = self.coro, self.context, self.waits_for
        # A task that lives already is not disturbed by what cannot take its place.
        if is_coroutine or self.loop is None or COMPAT_FUTURE_INIT_ONCE:
            if self.flags & SEEN_TASK_IS_SHOWN and not COMPAT_FUTURE_INIT_ONCE:
                self.stop_being_shown()
            future_init(self, loop)
        if not is_coroutine:
            # Without a coroutine there is nothing to report as destroyed.
            raise TypeError(f"a coroutine was expected, got {coro!r}")
        self.waits_for = None
        task_init(self, coro, context)
        if name is not None:
            seen_task_set_name(self, name)
        if eager_start and self.loop.is_running():
            self.start_eagerly()
        else:
            self.schedule_step(None)
            seen_task_register(self)

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
        """Ask the task to end: a CancelledError, with msg, is raised in the coroutine at its next step.

        The coroutine may refuse. Returns False if the task is done already, else True. Call uncancel() to take it back.
        """
        self.flags &= ~<unsigned int>FUTURE_LOG_TRACEBACK
        if self.flags & FUTURE_DONE:
            return False
        self.number += 1
        waits_for = self.waits_for
        # INVARIANT: a task that waits is woken by what it waits for, cancelled or not.
        if waits_for is not None and waits_for.cancel(msg=msg):
            return True
        self.flags |= TASK_MUST_CANCEL
        self._cancel_message = msg
        return True

    def cancelling(self):
        """Return how many requests to cancel the task there are: calls of cancel() less those of uncancel()."""
        return self.number

    def uncancel(self):
        """Take back one request to cancel; returns how many are left."""
        if self.number > 0:
            self.number -= 1
            if self.number == 0 and COMPAT_UNCANCEL_CLEARS_REQUEST:
                self.flags &= ~<unsigned int>TASK_MUST_CANCEL
        return self.number

    def get_coro(self):
        """Return the coroutine, or None if an eager start ended it."""
        return self.coro

    def get_context(self):
        """Return the contextvars.Context that the coroutine runs in."""
        return self.context

    def get_stack(self, *, limit=None):
        """Return the frames in which the coroutine is suspended, oldest first; for a failed task those of its traceback."""
        return base_tasks._task_get_stack(self, limit)

    def print_stack(self, *, limit=None, file=None):
        """Print the frames of get_stack() to file, by default sys.stderr."""
        return base_tasks._task_print_stack(self, limit, file)

    def set_result(self, result):
        """Raise RuntimeError: the coroutine gives the result."""
        raise RuntimeError("Task does not support set_result operation")

    def set_exception(self, exception):
        """Raise RuntimeError: the coroutine gives the exception."""
        raise RuntimeError("Task does not support set_exception operation")

    # ---- what asyncio and libraries read and write beside them ----

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
        return self.number

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
        raise AttributeError("cannot delete this attribute")

    def _step(self, error=None):
        self.step(error)

    def _wakeup(self, future):
        error = None
        try:
            future.result()
        except BaseException as raised:
            error = raised
        self.step(error)

    # ---- one step ----

    cdef int run(self) except -1:
        cdef Future future
        if self.flags & FUTURE_DONE:
            return run_done(self)
        error = None
        if self.flags & TASK_STEP_QUEUED:
            self.flags &= ~<unsigned int>TASK_STEP_QUEUED
            if self.flags & TASK_HAS_ERROR:
                self.flags &= ~<unsigned int>TASK_HAS_ERROR
                error, self.result_or_exception = self.result_or_exception, None
        elif self.flags & TASK_IS_WAITER:
            future = <Future>self.waits_for
            if future.flags & (FUTURE_DONE | FUTURE_FAILED) != FUTURE_FINISHED:
                if has_waiter(future, self):
                    return 0
                error = future.outcome()
        else:
            # A second __init__() came while the task was in the queue.
            return 0
        if not PyContext_CheckExact(<PyObject *>self.context):
            # Something with a run() of its own, which a handle knows to call.
            return new_handle(self.loop, self._step, (error,), self.context).run()
        if (<unchecked_step_t>step_in_context)(self, error) < 0:
            return report_failed_step(self, error)
        return 0

    cdef int step(self, object error) except -1:
        return step(self, error)

    cdef int settle(self, object result) except -1:
        """The coroutine returned."""
        seen_task_unregister(self)
        if self.flags & TASK_MUST_CANCEL:
            # cancel() came from within the last step.
            self.flags &= ~<unsigned int>TASK_MUST_CANCEL
            self.cancel_with(self._cancel_message)
            return 0
        return self.finish(result)

    cdef int settle_raised(self) except -1:
        """The coroutine raised; KeyboardInterrupt and SystemExit go on to the caller."""
        cdef bint is_exit = call_raised_exit()
        error = compat_take_exception()
        seen_task_unregister(self)
        if isinstance(error, CancelledError):
            # The same CancelledError goes to whoever awaits the task, once.
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
        # A subclass may bring an add_done_callback() of its own, and is called by name.
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
        if future is self:
            return self.schedule_step(RuntimeError(f"Task cannot await on itself: {self!r}"))
        if not future.flags & FUTURE_BLOCKING:
            return self.schedule_step(
                RuntimeError(f"yield was used instead of yield from in task {self!r} with {future!r}"))
        if future.loop is not self.loop:
            return self.schedule_step(
                RuntimeError(f"Task {self!r} got Future {future!r} attached to a different loop"))
        future.flags &= ~<unsigned int>FUTURE_BLOCKING
        self.waits_for = future
        if future.flags & FUTURE_DONE or not self.flags & FUTURE_ON_SCHEDULER:
            future.add_callback(self._wakeup, self.context)
        else:
            future.add_waiter(self)
            self.flags |= TASK_IS_WAITER
        if self.flags & TASK_MUST_CANCEL:
            return self.cancel_waited()
        return 0

    cdef int wait_for_foreign(self, object future, object blocking) except -1:
        if future is self:
            return self.schedule_step(RuntimeError(f"Task cannot await on itself: {self!r}"))
        if not blocking:
            return self.schedule_step(
                RuntimeError(f"yield was used instead of yield from in task {self!r} with {future!r}"))
        if loop_of(future) is not self.loop:
            return self.schedule_step(
                RuntimeError(f"Task {self!r} got Future {future!r} attached to a different loop"))
        future._asyncio_future_blocking = False
        future.add_done_callback(self._wakeup, context=self.context)
        self.waits_for = future
        seen_task_wait(self)
        if self.flags & TASK_MUST_CANCEL:
            return self.cancel_waited()
        return 0

    cdef int cancel_waited(self) except -1:
        """cancel() came before there was something to cancel; now there is."""
        if self.waits_for.cancel(msg=self._cancel_message):
            self.flags &= ~<unsigned int>TASK_MUST_CANCEL
        return 0

    cdef int schedule_step(self, object error) except -1:
        if self.is_direct():
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
        """Run the first step now, inside whatever runs: a coroutine that never waits needs no turn of the loop."""
        # A second __init__() in the coroutine changes the fields.
        loop, context = self.loop, self.context
        try:
            previous = swap_own_current_task(loop, self)
        except BaseException:
            # The caller hears of it.
            self.flags &= ~<unsigned int>TASK_LOG_DESTROY_PENDING
            raise
        try:
            seen_task_register(self)
            PyContext_Enter(context)
            try:
                send(self, None)
            finally:
                PyContext_Exit(context)
        except BaseException:
            seen_task_unregister(self)
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
    task.flags |= RUNNABLE_STEPS_TASK | TASK_LOG_DESTROY_PENDING
    task.coro = coro
    task.context = PyContext_CopyCurrent() if context is None else context
    return seen_task_open(task)


cdef object loop_of(object future):
    """What asyncio finds by a Python function of its own, here without a frame, at whose beginning a signal handler could raise."""
    get_loop = getattr(future, "get_loop", None)
    return future._loop if get_loop is None else get_loop()


cdef Task new_task(Scheduler loop, object coro, object context):
    cdef Task task = <Task>object_pool_new(&task_pool)
    task.loop = loop
    task.flags = FUTURE_ON_SCHEDULER | TASK_STEP_QUEUED
    task.number = 0
    task_init(task, coro, context)
    scheduler_push(loop, task)
    seen_task_register(task)
    return task


cdef bint has_waiter(Future future, Task task) noexcept:
    """Whether a pending future will still push the task. If not, a second __init__() has made it pending again."""
    if future.flags & FUTURE_DONE:
        return False
    if future.callback is task:
        return True
    if future.more_callbacks is not None:
        for callback in future.more_callbacks:
            if callback is task:
                return True
    return False


cdef int run_done(Task task) except -1:
    if task.flags & FUTURE_ON_SCHEDULER and (<Scheduler>task.loop).has_entered_task:
        (<Scheduler>task.loop).leave_entered_task()
    if task.callback is None and task.flags & TASK_STEP_QUEUED:
        # Somebody gave the task a result by force while its step stood in the queue.
        task.flags &= ~<unsigned int>TASK_STEP_QUEUED
        if (<unchecked_step_t>step_in_context)(task, None) < 0:
            return report_failed_step(task, None)
    return task.run_callbacks()


cdef int report_failed_step(Task task, object error) except -1:
    """The step itself failed, not the coroutine: reported as for any callback."""
    if call_raised_exit():
        return -1
    exception = compat_take_exception()
    return new_handle(task.loop, task._step, (error,), task.context).report(exception)


cdef int step(Task task, object error) except -1:
    """Run the coroutine up to its next wait. The context is entered already."""
    if task.loop is None:
        raise RuntimeError("Task object is not initialized.")
    if task.flags & FUTURE_DONE:
        raise exceptions.InvalidStateError(f"step(): already done: {task!r}, {error!r}")
    if task.flags & TASK_MUST_CANCEL:
        task.flags &= ~<unsigned int>TASK_MUST_CANCEL
        if not isinstance(error, CancelledError):
            error = task.make_cancelled_error()
    if task.flags & SEEN_TASK_IS_SHOWN:
        task.stop_being_shown()
    task.waits_for = None
    task.flags &= ~<unsigned int>TASK_IS_WAITER
    if task.flags & FUTURE_ON_SCHEDULER:
        return step_on_scheduler(task, <Scheduler>task.loop, error)
    loop = task.loop
    enter_task(loop, task)
    try:
        return send(task, error)
    finally:
        leave_task(loop, task)


cdef int step_in_context(Task task, object error) except -1:
    # A second __init__() in the coroutine changes the field.
    context = task.context
    PyContext_Enter(context)
    try:
        return step(task, error)
    finally:
        PyContext_Exit(context)


cdef int step_on_scheduler(Task task, Scheduler scheduler, object error) except -1:
    # The task before this one is left only now, by the same call that enters this one; if it is this one, it never was left.
    if not (scheduler.has_entered_task and scheduler.entered_task is <PyObject *>task):
        enter_on_scheduler(task, scheduler)
    scheduler.has_entered_task = False
    try:
        return send(task, error)
    finally:
        scheduler.has_entered_task = True
        scheduler.entered_task = <PyObject *>task


cdef int enter_on_scheduler(Task task, Scheduler scheduler) except -1:
    cdef bint was_left_entered = scheduler.has_entered_task
    scheduler.has_entered_task = False
    previous = swap_current_task(scheduler, task)
    if previous is not None and not was_left_entered:
        swap_current_task(scheduler, previous)
        raise RuntimeError(f"Cannot enter into task {task!r} while another task {previous!r} is being executed.")
    return 0


cdef int send(Task task, object error) except -1:
    """Resume the coroutine with None, or with error raised in it, and act on what comes out."""
    cdef PyObject *result = NULL
    cdef PySendResult outcome
    if error is None:
        outcome = PyIter_Send(task.coro, None, &result)
    else:
        result = call_method_one(task.coro, "throw", error)
        outcome = PYGEN_NEXT if result is not NULL else PYGEN_ERROR
    if outcome == PYGEN_ERROR and PyErr_ExceptionMatches(StopIteration):
        value = compat_stop_iteration_value()
        return task.settle(value)
    if outcome == PYGEN_ERROR:
        return task.settle_raised()
    yielded = <object>result
    Py_DECREF(yielded)
    if outcome == PYGEN_NEXT:
        # HOT. A bare yield, as in sleep(0).
        if yielded is None and task.flags & FUTURE_ON_SCHEDULER and (<Scheduler>task.loop).is_direct:
            task.flags |= TASK_STEP_QUEUED
            return scheduler_push(<Scheduler>task.loop, task)
        return task.handle_yield(yielded)
    return task.settle(yielded)


# ---- the garbage collector, and the pool ----

cdef object_pool_t task_pool

cdef void task_dealloc(PyObject *self) noexcept:
    # Before anything else: no destructor may find the task through the list.
    seen_task_close(<Task>self)
    if object_type(self) is not task_pool.type:
        task_pool.plain_dealloc(self)
    elif not has_something_unsaid(<Task>self):
        object_pool_dealloc(&task_pool, self)
    elif PyObject_CallFinalizerFromDealloc(self) == 0:
        # Code that ran meanwhile may have waited for it.
        seen_task_close(<Task>self)
        object_pool_dealloc(&task_pool, self)


cdef inline bint has_something_unsaid(Task task) noexcept:
    return (task.flags & (FUTURE_LOG_TRACEBACK | TASK_LOG_DESTROY_PENDING)
            and not (task.flags & FUTURE_DONE and not task.flags & FUTURE_LOG_TRACEBACK))


object_pool_open(
    &task_pool, Task.__new__(Task), (<PyTypeObject *>Runnable).tp_basicsize + 2 * sizeof(PyObject *), 9,
    <destructor>task_dealloc)
