"""LoopLife: the life of a loop, from new to closed.

Owns: whether the loop runs, stops or is closed, and in which thread. Debug mode. What a forked child may still do with
  the loop.
Promises: asyncio's semantics, error for error. A run that an exception ends loses nothing: the next run continues there.
Driven by: the thread that calls run_forever().
"""

import asyncio
import sys
import threading
from asyncio import base_events, events

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from fastloop.core.clock cimport clock_now_ns, clock_seconds, clock_ticks
from fastloop.core.exposed_task cimport exposed_task_unregister
from fastloop.core.future cimport Future as FutureType, future_drop_ready_callback
from fastloop.core.handle cimport Handle
from fastloop.core.handle_core cimport HANDLE_CANCELLED
from fastloop.core.inbox cimport inbox_forked
from fastloop.core.loop_counters cimport loop_counters_begin_block, loop_counters_begin_run, loop_counters_end_run
from fastloop.core.queued_object cimport queued_object_track
from fastloop.core.ready_queue cimport ready_queue_peek
from fastloop.core.runnable cimport Runnable
from fastloop.core.scheduler cimport scheduler_expect_events, scheduler_take_interrupted
from fastloop.core.signal_wakeup cimport signal_wakeup_begin, signal_wakeup_close, signal_wakeup_end
from fastloop.core.task cimport Task
from fastloop.core.task_registry cimport registry_holds
from fastloop.poll.poller cimport poller_close, poller_name
from fastloop.python.capi cimport PyThread_get_thread_ident


# The callback that asyncio's run_until_complete() adds to its future. Libraries recognise a main task by it.
cdef object STOP_CALLBACK = base_events._run_until_complete_cb


cdef class LoopLife(Scheduler):
    def run_forever(self):
        """Run until stop() is called, at least for one turn.

        Raises RuntimeError if the loop is closed or running, if another loop runs in this thread, or in a forked child.
        The calling thread becomes the loop's thread until the call returns.
        """
        self._run_forever_setup()
        self.was_interrupted = True
        try:
            if type(self)._run_once is LoopLife._run_once:
                self.run_turns()
            else:
                self.run_overridden_turns()
            self.was_interrupted = False
        finally:
            self._run_forever_cleanup()

    def run_until_complete(self, future):
        """Run until future is done, and return its result or raise its exception. A coroutine becomes a task first.

        Raises RuntimeError if stop() was called before the future is done, if the loop is closed or running, or if another loop
        runs in this thread.
        """
        try:
            return asyncio.BaseEventLoop.run_until_complete(self, future)
        finally:
            # If the run was interrupted while the callback that ends it was ready, that callback would end the next run.
            if self.was_interrupted and not self.is_running_turns:
                drop_ready_callback(self, STOP_CALLBACK)

    def _run_forever_setup(self):
        self._check_closed()
        self._check_running()
        try:
            self._set_coroutine_origin_tracking(self._debug)
            self._old_agen_hooks = sys.get_asyncgen_hooks()
            self.thread_ident = PyThread_get_thread_ident()
            sys.set_asyncgen_hooks(firstiter=self._asyncgen_firstiter_hook, finalizer=self._asyncgen_finalizer_hook)
            events._set_running_loop(self)
            self.is_running_turns = True
            loop_counters_begin_run(&self.counters)
            self._wake_by_signals()
        except BaseException:
            self._run_forever_cleanup()
            raise

    def _run_forever_cleanup(self):
        # First what runs no Python code. Whatever raises below, the loop no longer counts as running.
        self.is_running_turns = self.is_stopping = False
        self.thread_ident = 0
        loop_counters_end_run(&self.counters)
        signal_wakeup_end(&self.signals)
        try:
            # Since Python 3.14 only the running loop can change its current task.
            if self.lingering_task is not NULL:
                self.leave_lingering_task()
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

    def _wake_by_signals(self):
        """Have every signal with a handler in Python wake this loop, if it runs in the main thread, where such handlers run."""
        if self.is_running_turns and threading.main_thread().ident == self.thread_ident:
            signal_wakeup_begin(&self.signals, &self.poller)

    cdef int flush_all(self) except -1:
        """Flush the writes that were held back when an exception ended the run in the middle of a turn."""
        try:
            self.flush_held_writes()
        finally:
            if self.unflushed.count > 0:
                self.flush_all()
        return 0

    def _run_once(self):
        """Run one turn. If a subclass overrides this method, the loop calls it for every turn."""
        if self.ready.count == 0:
            # A callback may run this turn from within. What it has done until now is no sleep.
            loop_counters_begin_block(&self.counters, clock_ticks())
        self.run_once()
        if self.lingering_task is not NULL:
            self.leave_lingering_task()

    cdef int run_overridden_turns(self) except -1:
        # The caller expects the first turn to poll, as in run_turns().
        scheduler_expect_events(self)
        self.began_with_ready = self.ready.count > 0
        while True:
            self._run_once()
            self.began_with_ready = False
            if self.is_stopping and not scheduler_take_interrupted(self):
                return 0

    def stop(self):
        """Have run_forever() return at the end of the turn. Callbacks that are ready by then still run.

        Call it from the loop's thread only.
        """
        self.is_stopping = True

    def is_running(self):
        """Return True while run_forever() or run_until_complete() runs. From any thread."""
        return self.thread_ident != 0

    def is_closed(self):
        """Return True once close() was called. From any thread."""
        return self.has_closed

    def _release(self):
        """The last part of close(): close the descriptors, drop what is queued, and release pending tasks that were kept alive."""
        if registry_holds():
            for task in asyncio.all_tasks(self):
                if isinstance(task, Task):
                    exposed_task_unregister(<Task>task)
        self.release()

    def _send_held(self):
        """Called before a fork, in the thread that forks."""
        self.flush_held_writes()

    def _mark_forked(self):
        """Called in a forked child. The loop belongs to the parent, and nothing here may reach the parent's poller."""
        self.is_forked = True
        self.update_bypass()
        # Nothing is opened in their place, because the child cannot run this loop.
        poller_close(&self.poller)
        inbox_forked(&self.inbox)
        signal_wakeup_end(&self.signals)
        signal_wakeup_close(&self.signals)
        # The threads are the parent's. One of them may have held the lock.
        self._lookups = None

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
        self.update_bypass()

    def get_debug(self):
        """Return True in debug mode."""
        return self.is_debug

    cdef int run_checked(self, Runnable runnable) except -1:
        cdef int64_t started_ns = clock_now_ns()
        self._current_handle = runnable if isinstance(runnable, Handle) else None
        # It may have been scheduled, untracked, before debug mode was turned on.
        queued_object_track(<PyObject *>runnable)
        try:
            runnable.run()
            duration_s = clock_seconds(clock_now_ns() - started_ns)
            if duration_s >= self.slow_callback_duration:
                base_events.logger.warning("Executing %s took %.3f seconds", runnable_text(runnable), duration_s)
        finally:
            self._current_handle = None
        return 0

    # ---- asyncio's attributes that are fields of the scheduler ----

    @property
    def _thread_id(self):
        # Read it once: another thread may ask while the run ends.
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
        self.update_bypass()

    @property
    def _poller_name(self):
        return poller_name(&self.poller).decode()

    cdef int update_bypass(self) except -1:
        self.bypasses_call_soon = not (self.has_closed or self.is_debug or self.has_own_call_soon or self.is_forked)
        return 0


cdef int drop_ready_callback(LoopLife loop, object callback) except -1:
    cdef size_t i = 0
    found = []
    # Collect first, drop later: dropping runs destructors, which may close the loop. Growing the list may run the collector,
    # so read the count each time.
    while i < loop.ready.count:
        runnable = <Runnable>ready_queue_peek(&loop.ready, i)
        if isinstance(runnable, FutureType) or isinstance(runnable, Handle) and (<Handle>runnable).callback is callback:
            found.append(runnable)
        i += 1
    for runnable in found:
        if isinstance(runnable, FutureType):
            if not future_ended_run(runnable):
                future_drop_ready_callback(<FutureType>runnable, callback)
        elif not (<Handle>runnable).args or not future_ended_run((<Handle>runnable).args[0]):
            # Without do_cancel(), which in debug mode asks the program for the callback's repr().
            (<Handle>runnable).flags |= HANDLE_CANCELLED
            (<Handle>runnable).callback = (<Handle>runnable).args = None
    return 0


cdef bint future_ended_run(object future) except -1:
    # STOP_CALLBACK then does not stop the next run. It only marks the exception as retrieved.
    return isinstance(getattr(future, "_exception", None), (SystemExit, KeyboardInterrupt))


cdef object runnable_text(Runnable runnable):
    return base_events._format_handle(runnable) if isinstance(runnable, Handle) else repr(runnable)
