"""A signal handler that raises between two callbacks, or before a callback has begun: nothing is lost, and the order is kept.

A C function that runs no Python code sends the signal. The interpreter then notices it at the first instruction of the function
that the loop calls next.
"""

import asyncio
import ctypes
import functools
import os
import signal
import socket
import sys
import threading
import time

import pytest

from actors.callbacks import Callback
from actors.connections import tcp_pair
from actors.failures import raising
from actors.protocols import RecordingBufferedProtocol, RecordingProtocol

pytestmark = pytest.mark.fastloop_only


class Alarm(Exception):
    """Something else than KeyboardInterrupt that a handler may raise."""


@pytest.fixture(params=[KeyboardInterrupt, Alarm], ids=["KeyboardInterrupt", "Exception"], autouse=True)
def interruption(request):
    """What the handler of SIGUSR1 raises."""
    previous = signal.signal(signal.SIGUSR1, signal.default_int_handler if request.param is KeyboardInterrupt else raising(Alarm))
    yield request.param
    signal.signal(signal.SIGUSR1, previous)


# Neither gives up the GIL nor returns to Python code: unlike os.kill(), which lets the handler run at once.
send_signal = functools.partial(ctypes.PyDLL(None).kill, os.getpid(), int(signal.SIGUSR1))


@pytest.fixture
def run_until(loop, interruption):
    """A function that runs turns until so many events were recorded, and five more; returns how often it was interrupted.

    No task is involved: its coroutine could be what is interrupted.
    """

    def run_until(events, count):
        interruptions, more = 0, 5
        deadline = time.monotonic() + 5
        while more > 0:
            more -= len(events) >= count
            assert time.monotonic() < deadline, events
            try:
                loop.stop()
                loop.run_forever()
            except interruption:
                interruptions += 1
        return interruptions

    return run_until


@pytest.fixture(params=[False, True], ids=["", "debug"])
def maybe_debug(loop, request):
    loop.set_debug(request.param)
    loop.slow_callback_duration = 60


class CallableObject:
    def __init__(self, function):
        self.function = function

    def __call__(self, *args):
        self.function(*args)

    method = __call__


def as_closure(function):
    def closure(*args):
        function(*args)

    return closure


def as_class(function):
    class Class:
        def __init__(self, *args):
            function(*args)

    return Class


KINDS = {
    "closure": as_closure,
    "method": lambda function: CallableObject(function).method,
    "object": CallableObject,
    "class": as_class,
    "partial": lambda function: functools.partial(as_closure(function)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_callback_that_had_not_begun_runs_next_and_in_its_place(loop, run_until, maybe_debug, kind):
    calls = []
    loop.call_soon(send_signal)
    loop.call_soon(KINDS[kind](calls.append), 1)
    loop.call_soon(calls.append, 2)
    assert run_until(calls, 2) == 1
    assert calls == [1, 2]


def test_callback_that_had_begun_is_not_called_again(loop, interruption):
    calls = []

    def callback():
        calls.append(None)
        send_signal()
        for _ in range(10):
            pass

    loop.call_soon(callback)
    loop.set_exception_handler(lambda loop, context: None)
    for _ in range(3):
        try:
            loop.stop()
            loop.run_forever()
        except interruption:
            pass
    assert calls == [None]


def test_stopping_loop_raises_what_came_before_its_last_callback(loop, interruption):
    callback = Callback()
    loop.call_soon(loop.stop)
    loop.call_soon(send_signal)
    loop.call_soon(callback)
    with pytest.raises(interruption):
        loop.run_forever()
    loop.stop()
    loop.run_forever()
    assert callback.calls == [()]


def test_callbacks_of_a_future_run_in_their_order(loop, run_until, maybe_debug):
    calls = []
    future = loop.create_future()
    # For ctypes, as one more argument of the C function.
    future._as_parameter_ = 0
    future.add_done_callback(lambda future: calls.append(1))
    future.add_done_callback(send_signal)
    future.add_done_callback(lambda future: calls.append(2))
    future.add_done_callback(lambda future: calls.append(3))
    future.set_result(None)
    loop.call_soon(calls.append, 4)
    assert run_until(calls, 4) == 1
    assert calls == [1, 2, 3, 4]


def test_only_callback_of_a_future_runs(loop, run_until, maybe_debug):
    calls = []
    future = loop.create_future()
    future.add_done_callback(lambda future: calls.append(1))
    loop.call_soon(send_signal)
    loop.call_soon(future.set_result, None)
    assert run_until(calls, 1) == 1
    assert calls == [1]


def test_timer_runs(loop, run_until, maybe_debug):
    calls = []

    def due(number):
        calls.append(number)

    now = loop.time()
    for callback in (send_signal, functools.partial(due, 1), functools.partial(due, 2)):
        loop.call_at(now, callback)
    assert run_until(calls, 2) == 1
    assert calls == [1, 2]


@pytest.mark.parametrize("give_result", ["futures._set_result_unless_cancelled", "tasks._release_waiter"])
def test_function_of_asyncio_that_wakes_a_sleeper_may_begin_again(loop, run_until, give_result):
    module, name = give_result.split(".")
    function = getattr(getattr(asyncio, module), name, None)
    if function is None:
        pytest.skip("this Python has another one")
    woken = []
    future = loop.create_future()
    future.add_done_callback(woken.append)

    loop.call_soon(send_signal)
    loop.call_soon(function, future, *([None] if module == "futures" else []))
    assert run_until(woken, 1) == 1
    assert woken == [future]


def test_threadsafe_callback_runs(loop, run_until, maybe_debug):
    callback = Callback()
    loop.call_soon_threadsafe(send_signal)
    loop.call_soon_threadsafe(callback)
    assert run_until(callback.calls, 1) == 1
    assert callback.calls == [()]


def test_handle_that_is_asyncios_own_runs(loop, run_until):
    callback = Callback()
    loop.call_soon(send_signal)
    loop._add_callback(asyncio.Handle(callback, (), loop))
    assert run_until(callback.calls, 1) == 1
    assert callback.calls == [()]


def test_reader_hears_of_its_descriptor(loop, run_until, maybe_debug):
    one, other = socket.socketpair()
    calls = []

    def readable():
        # Called a second time, it would raise BlockingIOError.
        calls.append(one.recv(10))

    with one, other:
        one.setblocking(False)
        loop.add_reader(one, readable)
        other.send(b"x")
        # Ahead of the reader, which is then in the queue when the kernel reports its descriptor again.
        loop.call_soon(send_signal)
        assert run_until(calls, 1) == 1
    assert calls == [b"x"]


def test_result_of_an_executor_arrives(loop, run_until, maybe_debug):
    results = []
    work = loop.run_in_executor(None, threading.get_ident)
    work.add_done_callback(results.append)
    loop.call_soon(send_signal)
    run_until(results, 1)
    assert results == [work]
    assert work.result() != threading.get_ident()


def test_interrupted_run_does_not_end_the_next_one(loop, future, interruption):
    def callback():
        pass

    loop.call_soon(future.set_result, None)
    loop.call_soon(send_signal)
    loop.call_soon(callback)
    with pytest.raises(interruption):
        loop.run_until_complete(future)
    assert future.done()
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(asyncio.sleep(0.001))


@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
@pytest.mark.parametrize("closer", ["repr", "destructor"])
def test_loop_that_the_program_closes_while_an_interrupted_run_ends_does_no_harm(new_loop, interruption, debug, closer):
    loop = new_loop()
    loop.set_debug(debug)

    class Result:
        def __repr__(self):
            if closer == "repr" and not loop.is_running():
                loop.close()
            return "result"

        def __del__(self):
            if closer == "destructor" and not loop.is_running():
                loop.close()

    def finish_and_raise(future):
        future.set_result(Result())
        for number in range(300):
            loop.call_soon(int, number)
        raise KeyboardInterrupt

    future = loop.create_future()
    loop.call_soon(finish_and_raise, future)
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(future)
    del future
    next_loop, called = new_loop(), []
    for number in range(300):
        next_loop.call_soon(called.append, number)
    next_loop.run_until_complete(asyncio.sleep(0))
    assert called == list(range(300))


def test_run_that_was_stopped_as_its_future_was_done_ends_the_next_one_as_on_asyncio(loop, future):
    loop.call_soon(future.set_result, 1)
    loop.call_soon(loop.stop)
    assert loop.run_until_complete(future) == 1
    task = loop.create_task(asyncio.sleep(0.001))
    with pytest.raises(RuntimeError, match="stopped before Future completed"):
        loop.run_until_complete(task)
    loop.run_until_complete(task)


def test_refused_run_inside_a_run_leaves_that_alone(loop, future):
    def run_inside():
        future.set_result(1)
        with pytest.raises(RuntimeError):
            loop.run_until_complete(loop.create_future())

    loop.call_soon(run_inside)
    assert loop.run_until_complete(future) == 1


# Protocols


@pytest.fixture
def connect(loop):
    """A function that makes a connection over TCP or a Unix socket; returns (protocol, transport, socket of the other end)."""
    opened = []

    def make(family, protocol=None):
        peer, own = tcp_pair() if family == "tcp" else socket.socketpair()
        transport, made = loop.run_until_complete(loop.create_connection(lambda: protocol or RecordingProtocol(), sock=own))
        opened.append((transport, peer))
        return made, transport, peer

    yield make
    for transport, peer in opened:
        transport.abort()
        peer.close()
    loop.run_until_complete(asyncio.sleep(0.001))


@pytest.mark.parametrize("family", ["tcp", "unix"])
@pytest.mark.parametrize("protocol_type", [RecordingProtocol, RecordingBufferedProtocol])
def test_received_data_reaches_the_protocol(loop, run_until, connect, maybe_debug, family, protocol_type):
    protocol, _, peer = connect(family, protocol_type())
    peer.send(b"hello")
    # Ahead of the transport in the queue, once the kernel has reported it.
    loop.call_soon(send_signal)
    assert run_until(protocol.received, 5) == 1
    peer.send(b"again")
    run_until(protocol.received, 10)
    assert protocol.received == b"helloagain"


@pytest.mark.parametrize("family", ["tcp", "unix"])
def test_end_of_file_and_loss_reach_the_protocol_once(loop, run_until, connect, maybe_debug, family):
    protocol, _, peer = connect(family)
    peer.shutdown(socket.SHUT_WR)
    loop.call_soon(send_signal)
    assert run_until(protocol.calls, 3) == 1
    assert (protocol.calls, protocol.lost) == (["connection_made", "eof_received", "connection_lost"], [None])


@pytest.mark.parametrize("family", ["tcp", "unix"])
def test_connection_lost_is_called_after_close(loop, run_until, connect, maybe_debug, family):
    protocol, transport, _ = connect(family)
    loop.call_soon(send_signal)
    transport.close()
    assert run_until(protocol.calls, 2) == 1
    assert (protocol.calls, protocol.lost) == (["connection_made", "connection_lost"], [None])


def test_connection_made_is_called(loop, run_until, maybe_debug):
    protocol = RecordingProtocol()
    own, peer = socket.socketpair()
    own.setblocking(False)

    async def connect():
        # Before connection_made(), in the queue.
        loop.call_soon(send_signal)
        return await loop.create_connection(lambda: protocol, sock=own)

    with peer:
        task = loop.create_task(connect())
        assert run_until(protocol.calls, 1) == 1
        assert protocol.calls == ["connection_made"]
        task.result()[0].close()
        run_until(protocol.calls, 2)


@pytest.mark.parametrize("turns_before", [0, 1, 2, 3])
def test_accepted_connection_gets_its_protocol(loop, run_until, maybe_debug, turns_before):
    events = []

    def make():
        events.append("factory")
        protocol = RecordingProtocol(connection_made=lambda protocol, transport: transport.close())
        protocol.calls = events
        return protocol

    server = loop.run_until_complete(loop.create_server(make, "127.0.0.1", 0))
    strike = send_signal
    for _ in range(turns_before):
        strike = functools.partial(loop.call_soon, strike)
    with socket.create_connection(server.sockets[0].getsockname()):
        loop.call_soon(strike)
        run_until(events, 3)
    server.close()
    loop.run_until_complete(server.wait_closed())
    assert events == ["factory", "connection_made", "connection_lost"]


@pytest.mark.parametrize("family", ["tcp", "unix"])
def test_flow_control_reaches_the_protocol(loop, run_until, connect, maybe_debug, family):
    protocol, transport, peer = connect(family)
    protocol.calls.clear()
    peer.settimeout(10)
    data = bytes(10_000_000)
    # No Python function runs before pause_writing().
    loop.call_soon(send_signal)
    loop.call_soon(transport.write, data)
    assert run_until(protocol.calls, 1) == 1
    assert protocol.calls == ["pause_writing"]
    left = len(data)
    while "resume_writing" not in protocol.calls:
        left -= len(peer.recv(1 << 20))
        loop.call_soon(send_signal)
        loop.call_soon(noop)
        run_until(protocol.calls, 0)
    while left > 0:
        left -= len(peer.recv(1 << 20))
        run_until(protocol.calls, 0)
    assert left == 0
    assert protocol.calls == ["pause_writing", "resume_writing"]


def noop():
    pass


# Pipes


@pytest.fixture
def pipe(loop):
    """A function that makes a pipe with a transport at one end; returns (protocol, transport, descriptor of the other end)."""
    others, transports = [], []

    def make(end):
        reading, writing = os.pipe()
        own, other = (reading, writing) if end == "read" else (writing, reading)
        others.append(other)
        connecting = getattr(loop, f"connect_{end}_pipe")(RecordingProtocol, os.fdopen(own, f"{end[0]}b", 0))
        transport, protocol = loop.run_until_complete(connecting)
        transports.append(transport)
        return protocol, transport, other

    yield make
    for transport in transports:
        transport.close()
    loop.run_until_complete(asyncio.sleep(0.001))
    for other in others:
        os.close(other)


def test_data_from_a_pipe_reaches_the_protocol(loop, run_until, pipe, maybe_debug):
    protocol, _, other = pipe("read")
    os.write(other, b"hello")
    loop.call_soon(send_signal)
    assert run_until(protocol.received, 5) == 1
    os.write(other, b"again")
    run_until(protocol.received, 10)
    assert (protocol.calls, protocol.received) == (["connection_made", "data_received"], b"helloagain")


def test_loss_of_a_pipe_reaches_the_protocol(loop, run_until, pipe, maybe_debug):
    protocol, transport, _ = pipe("read")
    loop.call_soon(send_signal)
    transport.close()
    assert run_until(protocol.calls, 2) == 1
    assert (protocol.calls, protocol.lost) == (["connection_made", "connection_lost"], [None])


def test_bytes_for_a_pipe_are_written_once(loop, run_until, pipe, maybe_debug):
    protocol, transport, other = pipe("write")
    data = bytes(range(256)) * 4096
    transport.write(data)
    assert protocol.calls == ["connection_made", "pause_writing"]
    # In debug mode, where a cancelled handle makes its repr, the handler's exception may come out of a callback like any other.
    loop.set_exception_handler(lambda loop, context: None)
    received = []
    while sum(map(len, received)) < len(data):
        loop.call_soon(send_signal)
        received.append(os.read(other, 65536))
        run_until(protocol.calls, 0)
    assert b"".join(received) == data
    assert protocol.calls == ["connection_made", "pause_writing", "resume_writing"]


# Subprocesses


class ChildProtocol(asyncio.SubprocessProtocol):
    def __init__(self):
        self.calls = []

    def process_exited(self):
        self.calls.append("process_exited")

    def connection_lost(self, error):
        self.calls.append("connection_lost")


@pytest.mark.parametrize("turns_before", range(4))
def test_exit_of_a_child_reaches_the_protocol(loop, run_until, maybe_debug, turns_before):
    starting = loop.subprocess_shell(ChildProtocol, "read line; exit 3", stdout=None, stderr=None)
    transport, protocol = loop.run_until_complete(starting)
    transport.get_pipe_transport(0).write(b"line\n")
    os.waitid(os.P_PID, transport.get_pid(), os.WEXITED | os.WNOWAIT)
    loop.call_soon(send_signal)
    for _ in range(turns_before):
        run_until([None], 1)
        loop.call_soon(send_signal)
    run_until(protocol.calls, 2)
    assert (protocol.calls, transport.get_returncode()) == (["process_exited", "connection_lost"], 3)
    transport.close()


# What raises each time is not an interruption


@pytest.fixture
def hook():
    """A function that makes every call of a function raise where it begins, as a debugger may; returns a list of these calls."""
    if not hasattr(sys, "monitoring"):
        pytest.skip("sys.monitoring is new in Python 3.12")
    tool, monitoring, calls = 3, sys.monitoring, []

    def start(code, offset):
        calls.append(code)
        raise ValueError("hook")

    def set_up(function):
        monitoring.set_local_events(tool, function.__code__, monitoring.events.PY_START)
        return calls

    monitoring.use_tool_id(tool, "test")
    monitoring.register_callback(tool, monitoring.events.PY_START, start)
    yield set_up
    monitoring.free_tool_id(tool)


async def test_protocol_whose_method_can_never_begin_loses_its_connection(loop, reported, hook):
    class Protocol(RecordingProtocol):
        def data_received(self, data):
            raise AssertionError("never begins")

    near, far = socket.socketpair()
    with far:
        _, protocol = await loop.create_connection(Protocol, sock=near)
        calls = hook(Protocol.data_received)
        far.send(b"data")
        assert str(await protocol.until_lost()) == "hook"
    assert len(calls) < 100
    assert [context["message"] for context in reported] == ["Fatal error: protocol.data_received() call failed."]


def test_loop_gets_past_a_callback_that_can_never_begin(loop, reported, hook):
    def callback():
        raise AssertionError("never begins")

    events = []
    calls = hook(callback)
    loop.call_soon(callback)
    loop.call_soon(events.append, "behind it")
    loop.call_soon(loop.stop)
    while not events:
        try:
            loop.run_forever()
        except ValueError:
            assert len(calls) < 100
    assert [str(context["exception"]) for context in reported] == ["hook"]
