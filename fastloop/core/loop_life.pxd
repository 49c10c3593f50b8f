# LoopLife: the life of a loop, from new to closed.

from libc.stdint cimport int64_t, uint64_t

from fastloop.core.scheduler cimport Scheduler


cdef class LoopLife(Scheduler):
    cdef:
        # asyncio's BaseEventLoop and its subclasses keep these on the instance. As fields they need no __dict__, which the
        # interpreter would have to search before it finds one of the loop's methods.
        public object _timer_cancelled_count, _scheduled, _internal_fds, _clock_resolution
        public object _current_handle, _exception_handler, slow_callback_duration, _task_factory
        public object _default_executor, _executor_shutdown_called
        public object _asyncgens, _asyncgens_shutdown_called, _old_agen_hooks
        public object _coroutine_origin_tracking_enabled, _coroutine_origin_tracking_saved_depth
        public object _selector, _transports, _signal_handlers, _unix_server_sockets, _watcher, _ssock, _csock
        # The threads that look names up, from the first lookup on. A field for the same reason.
        public object _lookups

        # How long the handshakes of TLS have run since the loop asked the kernel, by the number of that question (handshake_turns.pyx).
        int64_t handshakes_ns
        uint64_t handshakes_began_at_poll

        # An exception has ended the last run.
        bint was_interrupted
        # A subclass or the instance overrides call_soon() or call_soon_threadsafe().
        bint has_own_call_soon

    cdef int check_callable(self, object callback, str method) except -1
    # Decide again whether futures and tasks may bypass call_soon().
    cdef int update_bypass(self) except -1
    cdef int run_overridden_turns(self) except -1
    cdef int flush_all(self) except -1
