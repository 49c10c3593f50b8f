"""Every private name of asyncio that fastloop uses, as data.

Owns: facts, no code. Only tests/test_asyncio_internals.py imports this file, and has one test for each name below.
Promises: a new Python that removes a name, or that adds one which fastloop happens to use for itself, fails at that name.
Each new use of a private name is added here. A test that reads the sources fails until then.
"""

from typing import NamedTuple


class Internal(NamedTuple):
    """One private name, and which of fastloop's files needs it for what."""

    name: str
    used_by: str
    purpose: str
    # The arguments that fastloop passes, with "=" after a keyword; None for what is not called.
    call: str | None = None
    # The Python versions that it is used in: from since on, and before until.
    since: str = "3.11"
    until: str | None = None


# Functions, methods and attributes that fastloop calls or reads.
CALLED = [
    Internal("asyncio.tasks._enter_task", "core/current_task.pyx", "current task, on a loop not fastloop's", "loop, task"),
    Internal("asyncio.tasks._leave_task", "core/current_task.pyx", "current task, on a loop not fastloop's", "loop, task"),
    Internal("asyncio.tasks._current_tasks", "core/current_task.pyx", "the dict of current tasks, written directly", until="3.14"),
    Internal("asyncio.tasks._swap_current_task", "core/current_task.pyx", "change the current task", "loop, task", since="3.14"),
    Internal("asyncio.tasks._all_tasks", "core/task_registry.pyx", "the WeakSet of tasks, whose data is replaced", until="3.12"),
    Internal("asyncio.tasks._scheduled_tasks", "core/task_registry.pyx", "the same", since="3.12", until="3.14"),
    Internal("asyncio.tasks._register_task", "core/task_registry.pyx", "all_tasks() sees unlinked tasks", "task", until="3.14"),
    Internal("asyncio.tasks._unregister_task", "core/task_registry.pyx", "its opposite", "task", until="3.14"),
    Internal("asyncio.tasks._register_eager_task", "core/task_registry.pyx", "all_tasks() sees unlinked tasks", "task", since="3.14"),
    Internal("asyncio.tasks._unregister_eager_task", "core/task_registry.pyx", "its opposite", "task", since="3.14"),
    Internal(
        "asyncio.futures._set_result_unless_cancelled",
        "core/interruption.pyx transports/pipe_descriptor.pyx",
        "ends a sleep, and may begin again; a pipe is connected",
        "future, result",
    ),
    Internal(
        "asyncio.futures._convert_future_exc", "python/exception_arguments.py", "asyncio's class for one of concurrent.futures", "exception"
    ),
    Internal("asyncio.futures._chain_future", "core/executor_future.pyx", "whether work that ends in the loop's thread ends at once"),
    Internal("asyncio.base_futures._future_repr", "core/future.pyx", "the text of a future", "future"),
    Internal("asyncio.base_tasks._task_repr", "core/task.pyx", "the text of a task", "task"),
    Internal("asyncio.base_tasks._task_get_stack", "core/task.pyx", "Task.get_stack()", "task, limit"),
    Internal("asyncio.base_tasks._task_print_stack", "core/task.pyx", "Task.print_stack()", "task, limit, file"),
    Internal("asyncio.base_events._format_handle", "core/loop_life.pyx", "the text of a slow callback's handle", "handle"),
    # Takes debug= from some patch release on; tried with it and then without.
    Internal("asyncio.format_helpers._format_callback_source", "core/callback_text.py", "the text of a callback", "function, args"),
    Internal("asyncio.format_helpers.extract_stack", "core/future.pyx core/handle_core.pyx", "where it was made, in debug mode", "frame"),
    Internal("asyncio.base_events._run_until_complete_cb", "core/loop_life.pyx", "ends a run, and must not end the next one", "future"),
    Internal("asyncio.base_events.logger", "core/loop_life.pyx", "the warning about a slow callback"),
    Internal("asyncio.base_events.socket", "api/name_resolution.py", "the getaddrinfo() that a program may have patched"),
    Internal("asyncio.events._set_running_loop", "core/loop_life.pyx", "get_running_loop() finds the loop", "loop"),
    Internal(
        "asyncio.events._get_running_loop",
        "core/current_task.pyx core/executor_future.pyx core/ready_view.pyx api/loops.py runner.py",
        "whether a loop runs, without an exception",
        "",
    ),
    Internal("asyncio.events._get_event_loop_policy", "api/loops.py", "the policy, without the warning", "", since="3.14", until="3.16"),
    Internal(
        "asyncio.events._set_event_loop_policy", "policy.py", "install(), with a warning of its own", "policy", since="3.14", until="3.16"
    ),
    Internal("asyncio.DefaultEventLoopPolicy()._local._loop", "api/loops.py", "the loop that was set, if any", until="3.14"),
    Internal("asyncio.unix_events._DefaultEventLoopPolicy()._local._loop", "api/loops.py", "the same", since="3.14", until="3.16"),
    Internal("asyncio.unix_events._DefaultEventLoopPolicy", "policy.py", "base class of EventLoopPolicy", since="3.14", until="3.16"),
    Internal("asyncio.DefaultEventLoopPolicy._loop_factory", "policy.py", "set to EventLoop", until="3.14"),
    Internal("asyncio.unix_events._DefaultEventLoopPolicy._loop_factory", "policy.py", "the same", since="3.14", until="3.16"),
    Internal("asyncio.events._ThreadSafeHandle", "core/threadsafe_handle.pyx", "the class that a threadsafe handle shows", since="3.14"),
    Internal("asyncio.unix_events._UnixReadPipeTransport", "transports/read_pipe_transport.pyx", "the class that isinstance() sees"),
    Internal("asyncio.unix_events._UnixWritePipeTransport", "transports/write_pipe_transport.pyx", "the same"),
    Internal("asyncio.unix_events._UnixSubprocessTransport", "api/subprocesses.py", "base class of the transports of subprocesses"),
    Internal("asyncio.unix_events._UnixSubprocessTransport._wait", "api/subprocesses.py", "a child whose start fails is reaped", "self"),
    Internal("asyncio.unix_events._UnixSubprocessTransport._check_proc", "api/subprocesses.py", "the error after the end", "self"),
    Internal(
        "asyncio.SelectorEventLoop._child_watcher_callback",
        "api/subprocesses.py",
        "tells the transport, in each Python's order",
        "self, pid, returncode, transp=",
        until="3.14",
    ),
    Internal(
        "asyncio.unix_events._UnixSubprocessTransport._process_exited", "api/subprocesses.py", "the same", "self, returncode", since="3.14"
    ),
    Internal(
        "asyncio.unix_events._UnixDefaultEventLoopPolicy._init_watcher",
        "api/subprocesses.py",
        "the class of the default child watcher",
        "self",
        until="3.14",
    ),
    Internal("asyncio.unix_events._UnixDefaultEventLoopPolicy()._watcher", "api/subprocesses.py", "the watcher that was set", until="3.14"),
    Internal("asyncio.unix_events._PidfdChildWatcher", "api/subprocesses.py", "the watcher where there are pidfds", since="3.14"),
    Internal("asyncio.BaseEventLoop._check_callback", "core/loop_life.pyx", "debug mode's TypeError", "self, callback, method"),
    Internal("asyncio.BaseEventLoop._check_running", "core/loop_life.pyx", "the error of a nested run", "self"),
    Internal("asyncio.BaseEventLoop._check_default_executor", "core/loop_core.pyx", "the error after shutdown", "self"),
    Internal(
        "asyncio.BaseEventLoop._getaddrinfo_debug",
        "api/name_resolution.py",
        "getaddrinfo() that is logged",
        "self, host, port, family, type, proto, flags",
    ),
    Internal("asyncio.BaseEventLoop._asyncgen_firstiter_hook", "core/loop_life.pyx", "asynchronous generators", "self, generator"),
    Internal("asyncio.BaseEventLoop._asyncgen_finalizer_hook", "core/loop_life.pyx", "asynchronous generators", "self, generator"),
    Internal("asyncio.BaseEventLoop._set_coroutine_origin_tracking", "core/loop_life.pyx", "debug mode", "self, enabled"),
    Internal("asyncio.BaseEventLoop._connect_sock", "api/connecting.py", "connects to one address"),
    Internal(
        "asyncio.SelectorEventLoop._check_sendfile_params", "api/sending_files.py", "its ValueErrors", "self, sock, file, offset, count"
    ),
    Internal(
        "asyncio.SelectorEventLoop._ensure_resolved",
        "api/sockets.py",
        "an address that may be a name",
        "self, address, family=, type=, proto=, loop=",
    ),
    Internal("asyncio.StreamReader._wakeup_waiter", "transports/stream_reader_feed.pyx", "whether it is asyncio's own", "self"),
    Internal("asyncio.StreamReaderProtocol._stream_reader", "transports/stream_reader_feed.pyx", "the same of this property"),
    Internal("asyncio.base_events.Server", "transports/server_clients.pyx", "whether it wants to know its connections"),
    Internal("asyncio.base_events.Server._attach", "transports/server_clients.pyx", "a server counts its connections"),
    Internal("asyncio.base_events.Server._detach", "transports/server_clients.pyx", "its opposite"),
    Internal(
        "asyncio.base_events.Server._wakeup",
        "transports/server_clients.pyx",
        "the last connection leaves a closed server",
        "self",
        since="3.13",
    ),
    Internal("asyncio.constants.ACCEPT_RETRY_DELAY", "transports/listener.pyx", "how long to wait for descriptors"),
    Internal(
        "asyncio.constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES",
        "transports/flow_control_transport.pyx transports/write_pipe_transport.pyx tls/encrypting_transport.pyx",
        "lost writes before a warning",
    ),
    Internal("asyncio.constants.SSL_HANDSHAKE_TIMEOUT", "api/tls_connections.py tls/tls_transport.pyx", "default of an argument"),
    Internal("asyncio.constants.SSL_SHUTDOWN_TIMEOUT", "api/tls_connections.py tls/tls_transport.pyx", "default of an argument"),
    Internal("asyncio.constants.FLOW_CONTROL_HIGH_WATER_SSL_READ", "tls/decrypting_transport.pyx", "when to stop reading, in KiB"),
    Internal("asyncio.constants.FLOW_CONTROL_HIGH_WATER_SSL_WRITE", "tls/encrypting_transport.pyx", "when to stop writing, in KiB"),
    Internal("asyncio.constants._SendfileMode.FALLBACK", "tls/tls_transport.pyx", "sendfile() must read and write"),
    Internal(
        "asyncio.constants._SendfileMode.TRY_NATIVE",
        "transports/stream_transport.pyx tls/tls_transport.pyx",
        "sendfile() may try _sendfile_native()",
    ),
    Internal(
        "asyncio.transports._FlowControlMixin",
        "transports/writing_transport.pyx transports/transport.pyx",
        "the class that isinstance() takes stream transports for; whether get_extra_info() is patched",
    ),
    Internal(
        "asyncio.selector_events._SelectorDatagramTransport",
        "transports/datagram_transport.pyx",
        "the class that isinstance() takes datagram transports for, and its max_size",
    ),
    Internal(
        "asyncio.trsock.TransportSocket",
        "transports/listener.pyx transports/socket_transport.pyx transports/datagram_transport.pyx",
        "the socket that users get",
        "sock",
    ),
    Internal("asyncio.sslproto._SSLProtocolTransport", "tls/tls_transport.pyx", "the class that isinstance() takes TLS transports for"),
    Internal(
        "asyncio.sslproto._create_transport_context", "tls/tls_transport.pyx", "the context of ssl=True", "server_side, server_hostname"
    ),
    Internal("asyncio.SelectorEventLoop._make_self_pipe", "api/signals.py", "made with the first signal handler", "self"),
    Internal("asyncio.SelectorEventLoop._close_self_pipe", "api/signals.py", "its opposite", "self"),
]

# asyncio's callbacks of futures that one task waits for together. The last part is the variable or attribute that holds
# the task. call_graph.py looks into them, because asyncio does not tell capture_call_graph() which task waits for a
# future of fastloop's.
LOOKED_INTO = [
    Internal("asyncio.tasks.gather._done_callback.cur_task", "core/call_graph.py", "the task that called gather()", since="3.14"),
    Internal("asyncio.tasks.gather._done_callback.outer", "core/call_graph.py", "whether gather() is over", since="3.14"),
    Internal(
        "asyncio.tasks.shield._clear_awaited_by_callback.cur_task", "core/call_graph.py", "the task that called shield()", since="3.14"
    ),
    Internal("asyncio.tasks._wait._on_completion.cur_task", "core/call_graph.py", "the task that called wait()", since="3.14"),
    Internal(
        "asyncio.tasks._AsCompletedIterator._handle_completion._cur_task",
        "core/call_graph.py",
        "the task that called as_completed()",
        since="3.14",
    ),
    Internal("asyncio.tasks._cancel_and_wait._release_waiter", "core/call_graph.py", "wait_for() that has timed out", since="3.14"),
    Internal("asyncio.taskgroups.TaskGroup._on_task_done._parent_task", "core/call_graph.py", "the task of the group", since="3.14"),
    Internal(
        "asyncio.staggered.staggered_race.task_done.parent_task",
        "core/call_graph.py",
        "the task that tries several addresses",
        since="3.14",
    ),
]

# Methods of asyncio's loop that fastloop replaces. Through them the rest of asyncio's code reaches fastloop.
OVERRIDDEN = [
    Internal("asyncio.SelectorEventLoop._add_reader", "core/loop_core.pyx", "transports and sock_recv() wait for a descriptor"),
    Internal("asyncio.SelectorEventLoop._add_writer", "core/loop_core.pyx", "transports and sock_sendall() wait for a descriptor"),
    Internal("asyncio.SelectorEventLoop._remove_reader", "core/loop_core.pyx", "the end of that"),
    Internal("asyncio.SelectorEventLoop._remove_writer", "core/loop_core.pyx", "the end of that"),
    Internal("asyncio.SelectorEventLoop._make_self_pipe", "api/signals.py", "put off until a signal handler needs it"),
    Internal("asyncio.SelectorEventLoop._close_self_pipe", "api/signals.py", "close() of a loop that never had one"),
    Internal("asyncio.SelectorEventLoop._write_to_self", "core/loop_core.pyx", "wakes the loop"),
    Internal("asyncio.SelectorEventLoop._add_callback", "core/loop_core.pyx", "a signal's handle goes into the ready queue"),
    Internal("asyncio.SelectorEventLoop._timer_handle_cancelled", "core/loop_core.pyx", "asyncio's own timer handles report here"),
    Internal("asyncio.SelectorEventLoop._run_once", "core/loop_life.pyx", "a turn, for subclasses that wrap it"),
    Internal("asyncio.SelectorEventLoop._check_closed", "core/loop_life.pyx", "the errors of a closed and of a forked loop"),
    Internal("asyncio.SelectorEventLoop._check_thread", "core/loop_life.pyx", "debug mode's error of a wrong thread"),
    Internal("asyncio.SelectorEventLoop._create_connection_transport", "api/connecting.py", "closes the socket if the factory fails"),
    Internal(
        "asyncio.SelectorEventLoop._make_datagram_transport",
        "transports/transport_core.pyx api/connecting.py",
        "makes fastloop's datagram transports; closes the socket if the factory fails",
    ),
    Internal("asyncio.SelectorEventLoop._ensure_fd_no_transport", "transports/transport_core.pyx", "refuses a transport's descriptor"),
    Internal("asyncio.SelectorEventLoop._make_socket_transport", "transports/transport_core.pyx", "makes fastloop's stream transports"),
    Internal(
        "asyncio.SelectorEventLoop._make_read_pipe_transport", "transports/transport_core.pyx", "makes fastloop's transports of pipes"
    ),
    Internal("asyncio.SelectorEventLoop._make_write_pipe_transport", "transports/transport_core.pyx", "the same"),
    Internal("asyncio.SelectorEventLoop._make_subprocess_transport", "api/subprocesses.py", "notices the exit through a pidfd"),
    Internal("asyncio.SelectorEventLoop._make_ssl_transport", "api/tls_connections.py", "TLS over them"),
    Internal("asyncio.SelectorEventLoop._sendfile_native", "api/sending_files.py", "sendfile(2) to them"),
    Internal("asyncio.SelectorEventLoop._start_serving", "transports/transport_core.pyx", "begins to accept"),
    Internal("asyncio.SelectorEventLoop._stop_serving", "transports/transport_core.pyx", "its opposite"),
    Internal("asyncio.SelectorEventLoop._run_forever_setup", "core/loop_life.pyx", "before the first turn", since="3.13"),
    Internal("asyncio.SelectorEventLoop._run_forever_cleanup", "core/loop_life.pyx", "after the last turn", since="3.13"),
]

# What asyncio's loop keeps on the instance. In fastloop these are fields, or properties over a field of the scheduler. An
# attribute that is missing here makes the instance's __dict__, and every look-up of a method then looks there first.
KEPT_BY_LOOP = [
    Internal("_asyncgens", "core/loop_life.pxd", "the asynchronous generators that run"),
    Internal("_asyncgens_shutdown_called", "core/loop_life.pxd", "shutdown_asyncgens() was called"),
    Internal("_clock_resolution", "core/loop_life.pxd", "not used by fastloop, whose timers are exact"),
    Internal("_closed", "core/loop_life.pyx", "the scheduler's has_closed"),
    Internal("_coroutine_origin_tracking_enabled", "core/loop_life.pxd", "debug mode"),
    Internal("_coroutine_origin_tracking_saved_depth", "core/loop_life.pxd", "debug mode"),
    Internal("_csock", "core/loop_life.pxd", "the writing end of the signal handlers' pipe; None without one"),
    Internal("_current_handle", "core/loop_life.pxd", "debug mode: what runs, for the exception handler"),
    Internal("_debug", "core/loop_life.pyx", "the scheduler's is_debug"),
    Internal("_default_executor", "core/loop_life.pxd", "the loop's own thread pool"),
    Internal("_exception_handler", "core/loop_life.pxd", "set_exception_handler()"),
    Internal("_executor_shutdown_called", "core/loop_life.pxd api/name_resolution.py", "shutdown_default_executor() was called"),
    Internal("_internal_fds", "core/loop_life.pxd", "counted by asyncio, read by nobody"),
    Internal("_old_agen_hooks", "core/loop_life.pxd", "what sys.set_asyncgen_hooks() is given back", since="3.13"),
    Internal("_ready", "core/loop_core.pyx", "a view of the scheduler's ready queue, for nest_asyncio"),
    Internal("_scheduled", "core/loop_life.pxd", "asyncio's timers; empty: those that are due are in _ready after _selector.select()"),
    Internal("_selector", "core/loop_life.pxd", "a stand-in that can be asked, waited with and closed"),
    Internal("_signal_handlers", "core/loop_life.pxd", "handles by signal"),
    Internal("_ssock", "core/loop_life.pxd", "the reading end of the signal handlers' pipe; None without one"),
    Internal("_stopping", "core/loop_life.pyx", "the scheduler's is_stopping"),
    Internal("_task_factory", "core/loop_life.pxd", "set_task_factory()"),
    Internal("_thread_id", "core/loop_life.pyx", "the scheduler's thread_ident, or None"),
    Internal("_timer_cancelled_count", "core/loop_life.pxd", "not used by fastloop: cancelled timers leave at once"),
    Internal("_transports", "core/loop_life.pxd", "transports by descriptor"),
    Internal("_unix_server_sockets", "core/loop_life.pxd", "what to unlink with a server", since="3.13"),
    Internal("_watcher", "core/loop_life.pxd", "the child watcher", since="3.14"),
    Internal("slow_callback_duration", "core/loop_life.pxd", "public, but an attribute all the same"),
]

# What asyncio's Server keeps on the instance.
KEPT_BY_SERVER = [
    Internal("_clients", "transports/server_clients.pyx", "the WeakSet of its connections, which fastloop's replaces", since="3.13"),
    Internal("_sockets", "transports/server_clients.pyx", "what it listens on; None once it is closed"),
]

# What asyncio's stream classes keep on their objects, and methods that they call on themselves. fastloop feeds asyncio's reader through
# some; fastloop's subclasses have fields or methods of their own for all.
KEPT_BY_STREAMS = [
    Internal(
        "asyncio.StreamReader._buffer",
        "transports/stream_reader_feed.pyx streams/stream_input.pyx api/tls_connections.py",
        "what is unread; libraries look into it",
    ),
    Internal("asyncio.StreamReader._limit", "transports/stream_reader_feed.pyx streams/stream_input.pyx", "read(-1), readuntil(), repr"),
    Internal("asyncio.StreamReader._loop", "streams/stream_input.pyx", "makes the future of a read"),
    Internal("asyncio.StreamReader._eof", "transports/stream_reader_feed.pyx streams/stream_input.pyx", "at_eof(), repr; libraries"),
    Internal(
        "asyncio.StreamReader._waiter", "transports/stream_reader_feed.pyx streams/stream_input.pyx", "the future of the read that waits"
    ),
    Internal("asyncio.StreamReader._exception", "streams/stream_input.pyx", "repr; libraries"),
    Internal("asyncio.StreamReader._transport", "streams/stream_input.pyx", "3.14's _replace_transport(); libraries"),
    Internal("asyncio.StreamReader._paused", "streams/stream_input.pyx", "flow control; libraries"),
    Internal("asyncio.StreamReader._source_traceback", "streams/stream_input.pyx", "debug mode: where the reader was made"),
    Internal("asyncio.StreamReader._wakeup_waiter", "transports/stream_reader_feed.pyx streams/stream_input.pyx", "subclasses replace it"),
    Internal("asyncio.StreamReader._maybe_resume_transport", "streams/stream_input.pyx", "subclasses replace it"),
    Internal("asyncio.StreamReader._wait_for_data", "streams/stream_input.pyx", "subclasses replace it"),
    Internal("asyncio.StreamWriter._transport", "streams/stream_writer.pyx", "the methods that asyncio's class has; libraries"),
    Internal("asyncio.StreamWriter._protocol", "streams/stream_writer.pyx", "wait_closed(), start_tls()"),
    Internal("asyncio.StreamWriter._reader", "streams/stream_writer.pyx", "repr"),
    Internal("asyncio.StreamWriter._loop", "streams/stream_writer.pyx", "start_tls(), __del__()"),
    Internal("asyncio.StreamWriter._complete_fut", "streams/stream_writer.pyx", "set by asyncio, read by nobody"),
    Internal(
        "asyncio.StreamReaderProtocol._stream_reader_wr",
        "transports/stream_reader_feed.pyx streams/stream_protocol.pyx",
        "the weak reference to the reader",
    ),
    Internal("asyncio.StreamReaderProtocol._paused", "streams/stream_protocol.pyx", "drain()"),
    Internal("asyncio.StreamReaderProtocol._connection_lost", "streams/stream_protocol.pyx", "drain()"),
    Internal(
        "asyncio.StreamReaderProtocol._drain_helper",
        "streams/stream_protocol.pyx streams/stream_writer.pyx",
        "drain() has to wait",
    ),
    Internal(
        "asyncio.StreamReaderProtocol._stream_reader",
        "api/streams.py api/tls_connections.py",
        "the reader that the weak reference leads to",
    ),
    Internal(
        "asyncio.StreamReaderProtocol._client_connected_cb",
        "api/streams.py",
        "set aside while asyncio's connection_made() runs",
    ),
    Internal("asyncio.StreamReaderProtocol._transport", "api/streams.py", "whether asyncio's connection_made() has aborted the connection"),
    Internal("asyncio.StreamReaderProtocol._task", "api/streams.py", "keeps the task of client_connected_cb"),
    Internal("asyncio.StreamReaderProtocol._loop", "api/streams.py", "makes that task"),
    Internal("asyncio.StreamReaderProtocol._strong_reader", "api/streams.py", "keeps the reader until client_connected_cb has it"),
    Internal("asyncio.StreamReaderProtocol._stream_writer", "api/streams.py", "the writer, which the protocol kept alive", until="3.13"),
    Internal("asyncio.StreamReaderProtocol._replace_writer", "api/streams.py", "whether the protocol keeps the writer", until="3.13"),
]

# What asyncio's own code and libraries read from futures, tasks and handles. fastloop's objects have these names too, and
# fastloop reads them from asyncio's objects.
SHARED = [
    Internal("asyncio.Future._asyncio_future_blocking", "core/future.pyx", "isfuture(); the handshake of await"),
    Internal("asyncio.Future._loop", "core/future.pyx", "futures._get_loop(), wrap_future()"),
    Internal("asyncio.Future._state", "core/future.pyx", "repr; libraries"),
    Internal("asyncio.Future._result", "core/future.pyx", "repr; libraries"),
    Internal("asyncio.Future._exception", "core/future.pyx", "repr, get_stack(); libraries"),
    Internal("asyncio.Future._callbacks", "core/future.pyx core/call_graph.py", "repr, capture_call_graph(); libraries"),
    Internal("asyncio.Future._source_traceback", "core/future.pyx", "repr, exception reports, shield()"),
    Internal("asyncio.Future._cancel_message", "core/future.pyx", "gather(); libraries"),
    Internal("asyncio.Future._log_traceback", "core/future.pyx", "silences the report of an unread exception"),
    Internal("asyncio.Future._make_cancelled_error", "core/future.pyx", "gather()"),
    Internal("asyncio.Future._asyncio_awaited_by", "core/future.pyx", "capture_call_graph()", since="3.14"),
    Internal("asyncio.Task._coro", "core/task.pyx", "repr; libraries"),
    Internal("asyncio.Task._fut_waiter", "core/task.pyx core/call_graph.py", "repr, capture_call_graph(); anyio's cancel scopes"),
    Internal("asyncio.Task._must_cancel", "core/task.pyx", "repr; anyio's cancel scopes"),
    Internal("asyncio.Task._log_destroy_pending", "core/task.pyx", "run_until_complete() and gather() turn it off"),
    Internal("asyncio.Handle._args", "core/handle.pyx", "the comparison of timers; libraries"),
    Internal("asyncio.Handle._callback", "core/handle.pyx", "the comparison of timers; libraries"),
    Internal("asyncio.Handle._cancelled", "core/handle.pyx", "whether a signal's handle is dropped"),
    Internal("asyncio.Handle._context", "core/handle.pyx", "get_context(); libraries"),
    Internal("asyncio.Handle._loop", "core/handle_core.pxd", "libraries"),
    Internal("asyncio.Handle._repr", "core/handle.pyx", "the text of a cancelled handle"),
    Internal("asyncio.Handle._repr_info", "core/handle.pyx", "the text of a handle, for subclasses"),
    Internal("asyncio.Handle._run", "core/handle.pyx core/ready_view.pyx", "runs a handle that is not fastloop's"),
    Internal("asyncio.Handle._source_traceback", "core/handle.pyx", "exception reports; create_server() shortens it"),
    Internal("asyncio.TimerHandle._scheduled", "core/timer_handle.pyx", "whether the timer waits"),
    Internal("asyncio.TimerHandle._when", "core/timer_handle.pyx", "the comparison of timers; libraries"),
]
