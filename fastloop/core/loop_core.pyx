"""LoopCore: the hot methods of the event loop, over the scheduler.

Owns: which of its methods the program has overridden.
Promises: asyncio's semantics, error for error. A call_soon(), call_at() or time() that a subclass or an instance
  overrides is noticed at that moment, and used.
Driven by: the loop's thread. Only call_soon_threadsafe() may be called from any thread.
"""

import asyncio
import concurrent.futures
import inspect
import os

from cpython.object cimport PyObject
from libc.math cimport INFINITY
from libc.stdint cimport int64_t, uint64_t

from fastloop.core.clock cimport clock_deadline, clock_moment, clock_now_ns, clock_seconds, clock_wait_ns
from fastloop.core.executor_future cimport executor_future
from fastloop.core.fd_watcher cimport add_reader, add_writer, remove_reader, remove_writer, watched_descriptors
from fastloop.core.future cimport new_future
from fastloop.core.handle cimport new_handle, new_queued_handle
from fastloop.core.inbox cimport inbox_wake
from fastloop.core.longest_callback cimport longest_callback_note
from fastloop.core.loop_counters cimport loop_counter_add_bytes
from fastloop.core.reading_counters cimport statistics_of
from fastloop.core.ready_view cimport ask_kernel, new_ready_view, push_handle
from fastloop.core.scheduler cimport (
    Scheduler, scheduler_expect_events, scheduler_push, scheduler_push_foreign, scheduler_push_timer, scheduler_runs_elsewhere)
from fastloop.core.task cimport Task, new_task
from fastloop.core.threadsafe_handle cimport new_threadsafe_handle
from fastloop.core.timer_handle cimport TimerHandle, new_queued_timer_handle, new_timer_handle, timer_keep_moment
from fastloop.poll.busy_poll cimport BUSY_POLL_MEASURED
from fastloop.python.capi cimport PyCoro_CheckExact, PyObject_GenericSetAttr
from fastloop.python.cpython_compat cimport COMPAT_HAS_GIL
from fastloop.python.method_copies cimport method_copies_are_same


from fastloop.core.future import Future
from fastloop.core.task import Task as task_type


cdef:
    # Methods that an instance may override. LoopCore must then call them by name.
    frozenset OVERRIDABLE = frozenset({"call_at", "call_soon", "call_soon_threadsafe", "time"})
    frozenset NAME_AND_CONTEXT = frozenset({"name", "context"})
    bint CREATE_TASK_FORWARDS_KEYWORDS = any(
        parameter.kind is parameter.VAR_KEYWORD
        for parameter in inspect.signature(asyncio.BaseEventLoop.create_task).parameters.values())


cdef class LoopCore(LoopLife):
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
        self.last_clock_ticks = self.timers_due_ticks = 0
        self.has_own_time = not method_copies_are_same(cls.time, LoopCore.time) or "time" in own
        self.has_own_time_or_call_at = (
            self.has_own_time or not method_copies_are_same(cls.call_at, LoopCore.call_at) or "call_at" in own)
        self.has_own_call_soon = (
            not method_copies_are_same(cls.call_soon, LoopCore.call_soon) or "call_soon" in own
            or not method_copies_are_same(cls.call_soon_threadsafe, LoopCore.call_soon_threadsafe)
            or "call_soon_threadsafe" in own)
        return self.update_bypass()

    # ---- callbacks ----

    def call_soon(self, callback, *args, context=None):
        """Run callback(*args) in the next turn, after everything that was scheduled before. Returns a Handle.

        context: the contextvars.Context to run in. The default is a copy of the current one.
        Raises RuntimeError if the loop is closed. Call it from the loop's thread only.
        """
        if not self.bypasses_call_soon:
            return call_soon_carefully(self, callback, args, context)
        handle = new_queued_handle(self, callback, args, context)
        scheduler_push(self, handle)
        return handle

    def call_soon_threadsafe(self, callback, *args, context=None):
        """Run callback(*args) in the next turn, like call_soon(), and wake the loop if it sleeps. Returns a Handle.

        Raises RuntimeError if the loop is closed. Call it from any thread, or from a signal handler.
        """
        if not self.bypasses_call_soon:
            self._check_closed()
            if self.is_debug:
                self.check_callable(callback, "call_soon_threadsafe")
        handle = new_threadsafe_handle(self, callback, args, context)
        scheduler_push_foreign(self, handle)
        return handle

    def call_later(self, delay, callback, *args, context=None):
        """Run callback(*args) once, no earlier than delay seconds from now.

        delay: seconds, may be fractional. A negative delay means the next turn.
        context: the contextvars.Context to run in. The default is a copy of the current one.
        Returns a TimerHandle; cancel() is O(log n) and frees the callback at once.
        Raises RuntimeError if the loop is closed. Call it from the loop's thread only.
        """
        if delay is None:
            raise TypeError("delay must not be None")
        if self.has_own_time_or_call_at:
            return self.call_at(self.time() + delay, callback, *args, context=context)
        return schedule_timer(self, clock_seconds(clock_now_ns()) + <double>delay, None, callback, args, context)

    def call_at(self, when, callback, *args, context=None):
        """Run callback(*args) once, no earlier than when, in seconds on the clock of time(). Returns a TimerHandle.

        context: the contextvars.Context to run in. The default is a copy of the current one.
        Raises RuntimeError if the loop is closed. Call it from the loop's thread only.
        """
        if when is None:
            raise TypeError("when cannot be None")
        return schedule_timer(self, when, when, callback, args, context)

    def time(self):
        """Return the loop's time in seconds. It is time.monotonic(), read with every call."""
        return clock_seconds(clock_now_ns())

    cdef double now_s(self) except? -1:
        return self.time() if self.has_own_time else clock_seconds(clock_now_ns())

    cdef int64_t next_timeout_ns(self) except? -2:
        if not self.has_own_time:
            return Scheduler.next_timeout_ns(self)
        return own_timeout_ns(self)

    def _choose_wait(self, when, steps):
        """Called before the loop sleeps, if time() is overridden. Returns for how many seconds to wait, or None for no limit.

        when: the next timer's moment, or None if there is none. steps: how many callbacks and task steps have started so far.
        """
        return None if when is None else max(when - self.time(), 0.0)

    def _timer_handle_cancelled(self, handle):
        """asyncio counts cancelled timers here. fastloop's leave the heap at once."""

    def _add_callback(self, handle):
        push_handle(self, handle)

    def _write_to_self(self):
        inbox_wake(&self.inbox)

    # ---- futures and tasks ----

    def create_future(self):
        """Return a new pending Future that belongs to the loop."""
        if not self.bypasses_call_soon:
            return Future(loop=self)
        return new_future(self)

    def create_task(self, coro, **kwargs):
        """Schedule the coroutine coro and return its Task.

        name: a string for the task's repr.
        context: the contextvars.Context that the coroutine runs in. The default is a copy of the current one.
        Other keywords, such as eager_start: those of the running Python's own loop.
        Raises RuntimeError if the loop is closed. Call it from the loop's thread only.
        """
        cdef Task task
        name = kwargs.get("name")
        # Turning any other name into a string runs Python code. If that fails, the task must not be in the queue already.
        if (self.bypasses_call_soon and self._task_factory is None and not self.makes_native_tasks and PyCoro_CheckExact(<PyObject *>coro)
                and kwargs.keys() <= NAME_AND_CONTEXT and (name is None or type(name) is str)):
            task = new_task(self, coro, kwargs.get("context"))
            if name is not None:
                task.set_name(name)
            return task
        return create_task_carefully(self, coro, kwargs)

    def set_task_factory(self, factory):
        """Have create_task() call factory(loop, coro, **kwargs). None restores fastloop.Task.

        Raises TypeError if factory is neither callable nor None.
        """
        if factory is not None and not callable(factory):
            raise TypeError("task factory must be a callable or None")
        self._task_factory = factory

    def get_task_factory(self):
        """Return the task factory, or None if there is none."""
        return self._task_factory

    # ---- executors ----

    def run_in_executor(self, executor, func, *args):
        """Run func(*args) in an executor and return a Future of its result.

        executor: a concurrent.futures.Executor, or None for the loop's default one.
        Cancelling the future cancels the work if it has not started.
        Raises RuntimeError if the loop is closed. Call it from the loop's thread only.
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

    # ---- descriptors: asyncio's add_reader() and the like end here ----

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
        """For SelectorView: by descriptor, the file object if one was passed, the reader's handle and the writer's handle."""
        return watched_descriptors(self)

    # ---- statistics ----

    def statistics(self, reset=False):
        """Return a LoopStatistics: what the loop has done, what it has now, and its longest callback.

        reset: the next statistics() counts from here on. From any thread, and also after close().
        """
        return statistics_of(self, reset, False)

    def _statistics_since_made(self):
        """For fastloop.contrib: monitoring systems want counters that only grow, also when the program resets its own."""
        return statistics_of(self, False, True)

    def _limit_busy_polls(self, limit_us):
        """For EventLoop(busy_poll_us=...). None means that the loop measures what they cost."""
        self.busy_poll.limit_us = BUSY_POLL_MEASURED if limit_us is None else limit_us

    def _count_sent(self, size):
        """For sendfile(), which goes past the transports."""
        loop_counter_add_bytes(&self.counters.bytes_sent, size)

    cdef int note_longest(self, PyObject *runnable, uint64_t took, uint64_t steps) except -1:
        return longest_callback_note(self, runnable, took, steps)

    # ---- for libraries that run turns of their own, such as nest_asyncio ----

    @property
    def _ready(self):
        return new_ready_view(self)

    @_ready.setter
    def _ready(self, value):
        """asyncio's constructor sets a deque. It is ignored."""

    def _ask_kernel(self, timeout):
        """For SelectorView: wait until something can run, at most timeout seconds if that is not None, and make it ready."""
        self._check_closed()
        # asyncio's own turns also wait for a day at most.
        ask_kernel(self, -1 if timeout is None else <int64_t>(min(max(<double>timeout, 0.0), 86400.0) * 1e9))


cdef object call_soon_carefully(LoopCore loop, object callback, tuple args, object context):
    loop._check_closed()
    if loop.is_debug:
        loop._check_thread()
        loop.check_callable(callback, "call_soon")
    handle = new_handle(loop, callback, args, context)
    scheduler_push(loop, handle)
    return handle


cdef object schedule_timer(LoopCore loop, double when_s, object when, object callback, tuple args, object context):
    """when: the object that the handle's when() returns. None means when_s as a float."""
    cdef TimerHandle handle
    if not COMPAT_HAS_GIL and scheduler_runs_elsewhere(loop):
        loop._check_thread()
    if loop.bypasses_call_soon:
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


cdef int64_t own_timeout_ns(LoopCore loop) except? -2:
    cdef double wait_s
    when = None
    if loop.timers.count > 0:
        when = clock_moment(loop.timers.entries[0].deadline)
    wait = loop._choose_wait(None if when == INFINITY else when, loop.counters.steps)
    if wait is None:
        return -1
    wait_s = wait
    return clock_wait_ns(clock_deadline(wait_s), 0.0)


cdef object create_task_carefully(LoopCore loop, object coro, dict keywords):
    loop._check_closed()
    if loop._task_factory is not None or loop.makes_native_tasks:
        # The arguments of a factory differ between releases. asyncio's own method knows them.
        return asyncio.BaseEventLoop.create_task(loop, coro, **keywords)
    if not CREATE_TASK_FORWARDS_KEYWORDS:
        for keyword in keywords.keys() - NAME_AND_CONTEXT:
            raise TypeError(f"create_task() got an unexpected keyword argument {keyword!r}")
    return task_type(coro, loop=loop, **keywords)
