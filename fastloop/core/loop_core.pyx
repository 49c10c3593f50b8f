"""LoopCore: the hot methods of the event loop, over the scheduler.

Owns: the loop's life: running, stopping, closed; and the decision when futures and tasks may bypass call_soon().
Promises: asyncio's semantics, error for error; a subclass or an instance that has its own call_soon() or time()
  is noticed and obeyed.
Driven by: the thread that calls run_forever(). Only call_soon_threadsafe() may be called from another one.
"""

import asyncio
import concurrent.futures
import inspect
import os
import sys
from asyncio import base_events, events

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from fastloop.core.clock cimport clock_deadline, clock_now_ns, clock_seconds
from fastloop.core.executor_future cimport executor_future
from fastloop.core.fd_watcher cimport add_reader, add_writer, remove_reader, remove_writer, watched_descriptors
from fastloop.core.future cimport Future as FutureType, future_drop_ready_callback, new_future
from fastloop.core.handle cimport (
    HANDLE_CANCELLED, Handle, TimerHandle, new_handle, new_queued_handle, new_queued_timer_handle, new_timer_handle,
    timer_keep_moment)
from fastloop.core.inbox cimport inbox_forked, inbox_wake
from fastloop.core.queued_object cimport queued_object_disown
from fastloop.core.ready_queue cimport ready_queue_peek
from fastloop.core.ready_view cimport ask_kernel, new_ready_view, push_handle
from fastloop.core.runnable cimport Runnable
from fastloop.core.scheduler cimport (
    scheduler_expect_events, scheduler_is_interrupted, scheduler_push, scheduler_push_foreign, scheduler_push_timer,
    scheduler_runs_elsewhere)
from fastloop.core.seen_task cimport seen_task_unregister
from fastloop.core.task cimport Task, new_task
from fastloop.core.task_registry cimport registry_holds
from fastloop.core.threadsafe_handle cimport new_threadsafe_handle
from fastloop.poll.poller cimport poller_close, poller_name
from fastloop.python.capi cimport PyCoro_CheckExact, PyObject_GenericSetAttr, PyThread_get_thread_ident
from fastloop.python.cpython_compat cimport COMPAT_HAS_GIL
from fastloop.python.method_copies cimport method_copies_are_same


from fastloop.core.future import Future
from fastloop.core.task import Task as MakeTask


cdef:
    # What an instance may bring of its own and LoopCore must then call by name.
    frozenset OVERRIDABLE = frozenset({"call_at", "call_soon", "call_soon_threadsafe", "time"})
    # asyncio's run_until_complete() adds it to its future; libraries know a main task by it.
    object RUN_ENDER = base_events._run_until_complete_cb
    frozenset NAME_AND_CONTEXT = frozenset({"name", "context"})
    bint CREATE_TASK_FORWARDS_KEYWORDS = any(
        parameter.kind is parameter.VAR_KEYWORD
        for parameter in inspect.signature(asyncio.BaseEventLoop.create_task).parameters.values())


cdef class LoopCore(Scheduler):
    def __cinit__(self, *args, **kwargs):
        self.makes_native_tasks = os.environ.get("FASTLOOP_NATIVE_TASK", "0") not in ("", "0")
        self.notice_overrides()

    def __setattr__(self, name, value):
        PyObject_GenericSetAttr(self, name, <PyObject *>value)
        if name in OVERRIDABLE:
            self.notice_overrides()

    def __delattr__(self, name):
        PyObject_GenericSetAttr(self, name, NULL)
        if name in OVERRIDABLE:
            self.notice_overrides()

    cdef int notice_overrides(self) except -1:
        cls = type(self)
        own = getattr(self, "__dict__", None) or ()
        self.seen_ticks = self.timers_due_ticks = 0
        self.has_own_time = not method_copies_are_same(cls.time, LoopCore.time) or "time" in own
        self.has_own_time_or_call_at = (
            self.has_own_time or not method_copies_are_same(cls.call_at, LoopCore.call_at) or "call_at" in own)
        self.has_own_call_soon = (
            not method_copies_are_same(cls.call_soon, LoopCore.call_soon) or "call_soon" in own
            or not method_copies_are_same(cls.call_soon_threadsafe, LoopCore.call_soon_threadsafe)
            or "call_soon_threadsafe" in own)
        return self.update_direct()

    cdef int update_direct(self) except -1:
        self.is_direct = not (self.has_closed or self.is_debug or self.has_own_call_soon or self.is_forked)
        return 0

    # ---- callbacks ----

    def call_soon(self, callback, *args, context=None):
        """Run callback(*args) in the next turn, in the order of the calls.

        context: the contextvars.Context to run in; by default a copy of the current one. Returns a Handle.
        Raises RuntimeError if the loop is closed. Call it from the loop's thread only.
        """
        if not self.is_direct:
            return call_soon_carefully(self, callback, args, context)
        handle = new_queued_handle(self, callback, args, context)
        scheduler_push(self, handle)
        return handle

    def call_soon_threadsafe(self, callback, *args, context=None):
        """Like call_soon(), from any thread and from signal handlers; wakes the loop if it sleeps."""
        if not self.is_direct:
            self._check_closed()
            if self.is_debug:
                self.check_callable(callback, "call_soon_threadsafe")
        handle = new_threadsafe_handle(self, callback, args, context)
        scheduler_push_foreign(self, handle)
        return handle

    def call_later(self, delay, callback, *args, context=None):
        """Run callback(*args) once, no earlier than delay seconds from now.

        delay: seconds, may be fractional; negative means the next turn.
        Returns a TimerHandle; cancel() is O(log n) and frees the callback at once.
        Raises RuntimeError if the loop is closed. Call it from the loop's thread only.
        """
        if delay is None:
            raise TypeError("delay must not be None")
        if self.has_own_time_or_call_at:
            return self.call_at(self.time() + delay, callback, *args, context=context)
        return schedule_timer(self, clock_seconds(clock_now_ns()) + <double>delay, None, callback, args, context)

    def call_at(self, when, callback, *args, context=None):
        """Run callback(*args) once, no earlier than the moment when, in seconds on the clock of time().

        Returns a TimerHandle. Raises RuntimeError if the loop is closed. Call it from the loop's thread only.
        """
        if when is None:
            raise TypeError("when cannot be None")
        return schedule_timer(self, when, when, callback, args, context)

    def time(self):
        """Return the loop's time in seconds: time.monotonic(), read anew with every call."""
        return clock_seconds(clock_now_ns())

    cdef double now_s(self) except? -1:
        return self.time() if self.has_own_time else clock_seconds(clock_now_ns())

    def _timer_handle_cancelled(self, handle):
        """asyncio counts cancelled timers here; fastloop's leave the heap at once."""

    def _add_callback(self, handle):
        push_handle(self, handle)

    def _write_to_self(self):
        inbox_wake(&self.inbox)

    # ---- futures and tasks ----

    def create_future(self):
        """Return a pending Future that belongs to the loop."""
        if not self.is_direct:
            return Future(loop=self)
        return new_future(self)

    def create_task(self, coro, **kwargs):
        """Schedule the coroutine coro and return its Task.

        name: a string for the task's repr. context: the contextvars.Context that the coroutine runs in, by default a copy of
        the current one. eager_start and further keywords: as the running Python's own loop takes them.
        Raises RuntimeError if the loop is closed. Call it from the loop's thread only.
        """
        cdef Task task
        name = kwargs.get("name")
        # Making a string of any other name runs Python code. If that fails, the task must not be in the queue already.
        if (self.is_direct and self._task_factory is None and not self.makes_native_tasks and PyCoro_CheckExact(<PyObject *>coro)
                and kwargs.keys() <= NAME_AND_CONTEXT and (name is None or type(name) is str)):
            task = new_task(self, coro, kwargs.get("context"))
            if name is not None:
                task.set_name(name)
            return task
        return create_task_carefully(self, coro, kwargs)

    def set_task_factory(self, factory):
        """Have create_task() call factory(loop, coro, **kwargs); None restores fastloop.Task."""
        if factory is not None and not callable(factory):
            raise TypeError("task factory must be a callable or None")
        self._task_factory = factory

    def get_task_factory(self):
        """Return the task factory, or None if there is none."""
        return self._task_factory

    # ---- executors ----

    def run_in_executor(self, executor, func, *args):
        """Run func(*args) in executor, None for the loop's own thread pool; returns a Future of its result.

        Cancelling the future cancels the work if it has not begun. Raises RuntimeError if the loop is closed.
        """
        if self.has_own_call_soon:
            return asyncio.BaseEventLoop.run_in_executor(self, executor, func, *args)
        self._check_closed()
        scheduler_expect_events(self)
        if self.is_debug:
            self.check_callable(func, "run_in_executor")
        if executor is None:
            executor = self._default_executor
            self._check_default_executor()
            if executor is None:
                executor = concurrent.futures.ThreadPoolExecutor(thread_name_prefix="asyncio")
                self._default_executor = executor
        return executor_future(self, executor.submit(func, *args))

    # ---- running ----

    def run_forever(self):
        """Run until stop() is called, at least one turn.

        Raises RuntimeError if the loop is closed or running, if another loop runs in this thread, or in a forked child.
        """
        self._run_forever_setup()
        self.was_interrupted = True
        try:
            if type(self)._run_once is LoopCore._run_once:
                self.run_turns()
            else:
                self.run_overridden_turns()
            self.was_interrupted = False
        finally:
            self._run_forever_cleanup()

    def run_until_complete(self, future):
        """Run until the future, or the task that is made of a coroutine, is done; returns its result or raises its exception.

        Raises RuntimeError if stop() was called before, if the loop is closed or running, or another loop runs in this thread.
        """
        try:
            return asyncio.BaseEventLoop.run_until_complete(self, future)
        finally:
            # The run may have been interrupted while the callback that ends it was ready. It would end the next run.
            if self.was_interrupted and not self.is_active:
                drop_ready_callback(self, RUN_ENDER)

    def _run_forever_setup(self):
        self._check_closed()
        self._check_running()
        try:
            self._set_coroutine_origin_tracking(self._debug)
            self._old_agen_hooks = sys.get_asyncgen_hooks()
            self.thread_ident = PyThread_get_thread_ident()
            sys.set_asyncgen_hooks(firstiter=self._asyncgen_firstiter_hook, finalizer=self._asyncgen_finalizer_hook)
            events._set_running_loop(self)
            self.is_active = True
        except BaseException:
            self._run_forever_cleanup()
            raise

    def _run_forever_cleanup(self):
        # First what runs no Python code: whatever raises below, the loop does not run any more.
        self.is_active = self.is_stopping = False
        self.thread_ident = 0
        try:
            # From Python 3.14 on, only a loop that is the running one can change its current task.
            if self.has_entered_task:
                self.leave_entered_task()
        finally:
            events._set_running_loop(None)
        hooks, self._old_agen_hooks = self._old_agen_hooks, None
        if hooks is not None:
            sys.set_asyncgen_hooks(*hooks)
        self.forget_contexts()
        try:
            self.flush_all()
        finally:
            self._set_coroutine_origin_tracking(False)

    cdef int flush_all(self) except -1:
        """What was held back when an exception ended the loop in the middle of a turn."""
        try:
            self.flush_written()
        finally:
            if self.unflushed.count > 0:
                self.flush_all()
        return 0

    def _run_once(self):
        """One turn of the loop. A subclass that overrides it is obeyed."""
        self.run_once()
        if self.has_entered_task:
            self.leave_entered_task()

    cdef int run_overridden_turns(self) except -1:
        # As in run_turns().
        scheduler_expect_events(self)
        self.has_leftovers = self.ready.count > 0
        while True:
            self._run_once()
            self.has_leftovers = False
            if self.is_stopping and not scheduler_is_interrupted(self):
                return 0

    def stop(self):
        """Have run_forever() return at the end of the turn; what is ready by then still runs."""
        self.is_stopping = True

    def is_running(self):
        """Return True while run_forever() or run_until_complete() runs."""
        return self.thread_ident != 0

    def is_closed(self):
        """Return True once close() was called."""
        return self.has_closed

    def _release(self):
        """The last part of close(): the kernel's things, what still waits, and tasks that never ended and were kept alive."""
        if registry_holds():
            for task in asyncio.all_tasks(self):
                if isinstance(task, Task):
                    seen_task_unregister(<Task>task)
        self.release()

    def _send_held(self):
        """Before a fork, in whatever thread forks."""
        self.flush_written()

    def _mark_forked(self):
        """In a child process: the loop is still the parent's, and nothing done here may reach the parent's poller."""
        self.is_forked = True
        self.update_direct()
        # Nothing is opened in their place: the child cannot run this loop.
        poller_close(&self.poller)
        inbox_forked(&self.inbox)

    def _check_closed(self):
        if self.has_closed:
            raise RuntimeError("Event loop is closed")
        if self.is_forked:
            raise RuntimeError(
                "This event loop belongs to the parent process; after fork() make a new one with fastloop.new_event_loop()")

    def _check_thread(self):
        if self.thread_ident != 0 and self.thread_ident != PyThread_get_thread_ident():
            raise RuntimeError("Non-thread-safe operation invoked on an event loop other than the current one")

    cdef int check_callable(self, object callback, str method) except -1:
        self._check_callback(callback, method)
        return 0

    # ---- debug mode ----

    @property
    def _debug(self):
        return self.is_debug

    @_debug.setter
    def _debug(self, value):
        self.is_debug = bool(value)
        self.update_direct()

    def get_debug(self):
        """Return True in debug mode."""
        return self.is_debug

    cdef int run_watched(self, Runnable runnable) except -1:
        cdef int64_t started_ns = clock_now_ns()
        self._current_handle = runnable if isinstance(runnable, Handle) else None
        # Scheduled before debug mode came on.
        queued_object_disown(<PyObject *>runnable)
        try:
            runnable.run()
            duration_s = clock_seconds(clock_now_ns() - started_ns)
            if duration_s >= self.slow_callback_duration:
                base_events.logger.warning("Executing %s took %.3f seconds", describe(runnable), duration_s)
        finally:
            self._current_handle = None
        return 0

    # ---- descriptors: asyncio's add_reader() and its kin come here ----

    def _add_reader(self, fd, callback, *args, context=None):
        self._check_closed()
        handle = new_handle(self, callback, args, context)
        add_reader(self, fd, handle)
        return handle

    def _add_writer(self, fd, callback, *args, context=None):
        self._check_closed()
        handle = new_handle(self, callback, args, context)
        add_writer(self, fd, handle)
        return handle

    def _remove_reader(self, fd):
        return False if self.has_closed else remove_reader(self, fd)

    def _remove_writer(self, fd):
        return False if self.has_closed else remove_writer(self, fd)

    def _watched(self):
        """For SelectorView: by descriptor, the object that was passed for it, if any, and the reader's and the writer's handle."""
        return watched_descriptors(self)

    # ---- for libraries that run turns of their own, as nest_asyncio does ----

    @property
    def _ready(self):
        return new_ready_view(self)

    @_ready.setter
    def _ready(self, value):
        """asyncio makes a deque when it makes the loop."""

    def _ask_kernel(self, timeout):
        """For SelectorView: wait for timeout seconds, None for as long as it takes, until something can run, which is then ready."""
        self._check_closed()
        # A whole day, as in asyncio's own turns, is as good as for ever.
        ask_kernel(self, -1 if timeout is None else <int64_t>(min(max(<double>timeout, 0.0), 86400.0) * 1e9))

    # ---- asyncio's attributes that are fields of the scheduler ----

    @property
    def _thread_id(self):
        # Once: another thread may read it while the loop ends.
        cdef unsigned long ident = self.thread_ident
        return None if ident == 0 else ident

    @_thread_id.setter
    def _thread_id(self, value):
        self.thread_ident = 0 if value is None else value

    @property
    def _stopping(self):
        return self.is_stopping

    @_stopping.setter
    def _stopping(self, value):
        self.is_stopping = bool(value)

    @property
    def _closed(self):
        return self.has_closed

    @_closed.setter
    def _closed(self, value):
        self.has_closed = bool(value)
        self.update_direct()

    @property
    def _poller_name(self):
        return poller_name(&self.poller).decode()


cdef int drop_ready_callback(LoopCore loop, object callback) except -1:
    """Remove this callback from the ready queue."""
    cdef size_t i = 0
    found = []
    # The count is looked at again: a longer list may run the collector, and destructors that run further down may close the loop.
    while i < loop.ready.count:
        runnable = <Runnable>ready_queue_peek(&loop.ready, i)
        if isinstance(runnable, FutureType) or isinstance(runnable, Handle) and (<Handle>runnable).callback is callback:
            found.append(runnable)
        i += 1
    for runnable in found:
        if isinstance(runnable, FutureType):
            if not has_ended_run(runnable):
                future_drop_ready_callback(<FutureType>runnable, callback)
        elif not (<Handle>runnable).args or not has_ended_run((<Handle>runnable).args[0]):
            # Not by do_cancel(), which in debug mode asks the program for the callback's repr().
            (<Handle>runnable).flags |= HANDLE_CANCELLED
            (<Handle>runnable).callback = (<Handle>runnable).args = None
    return 0


cdef bint has_ended_run(object future) except -1:
    """Whether the future's own exception has ended the run. RUN_ENDER then stops no later run; it only marks the exception as retrieved."""
    return isinstance(getattr(future, "_exception", None), (SystemExit, KeyboardInterrupt))


cdef object call_soon_carefully(LoopCore loop, object callback, tuple args, object context):
    loop._check_closed()
    if loop.is_debug:
        loop._check_thread()
        loop.check_callable(callback, "call_soon")
    handle = new_handle(loop, callback, args, context)
    scheduler_push(loop, handle)
    return handle


cdef object schedule_timer(LoopCore loop, double when_s, object when, object callback, tuple args, object context):
    """when: the object that the handle's when() is to return; None for a float of when_s."""
    cdef TimerHandle handle
    if not COMPAT_HAS_GIL and scheduler_runs_elsewhere(loop):
        loop._check_thread()
    if loop.is_direct:
        handle = new_queued_timer_handle(loop, when_s, callback, args, context)
    else:
        loop._check_closed()
        if loop.is_debug:
            loop._check_thread()
            loop.check_callable(callback, "call_at")
        handle = new_timer_handle(loop, when_s, callback, args, context)
    if when is not None:
        timer_keep_moment(handle, when)
    scheduler_push_timer(loop, handle, clock_deadline(when_s))
    return handle


cdef object create_task_carefully(LoopCore loop, object coro, dict keywords):
    loop._check_closed()
    if loop._task_factory is not None or loop.makes_native_tasks:
        # What a factory is given differs from release to release; asyncio knows.
        return asyncio.BaseEventLoop.create_task(loop, coro, **keywords)
    if not CREATE_TASK_FORWARDS_KEYWORDS:
        for keyword in keywords.keys() - NAME_AND_CONTEXT:
            raise TypeError(f"create_task() got an unexpected keyword argument {keyword!r}")
    return MakeTask(coro, loop=loop, **keywords)


cdef object describe(Runnable runnable):
    return base_events._format_handle(runnable) if isinstance(runnable, Handle) else repr(runnable)
