"""A signal handler that raises between two callbacks, or before a callback has begun: nothing is lost, and the order is kept.

The signal is sent by a C function that runs no Python code, so that the interpreter notices it at the first instruction of the
function that the loop calls next.
"""

import asyncio
import ctypes
import functools
import os
import signal
import socket
import threading

import pytest

pytestmark = pytest.mark.fastloop_only


class Alarm(Exception):
    """What a handler may raise that is no KeyboardInterrupt."""


def raise_alarm(number, frame):
    raise Alarm


@pytest.fixture(params=[KeyboardInterrupt, Alarm], ids=["KeyboardInterrupt", "Exception"], autouse=True)
def interruption(request):
    """What the handler of SIGUSR1 raises."""
    previous = signal.signal(
        signal.SIGUSR1, signal.default_int_handler if request.param is KeyboardInterrupt else raise_alarm
    )
    yield request.param
    signal.signal(signal.SIGUSR1, previous)


# Neither gives up the GIL nor returns to Python code: unlike os.kill(), which lets the handler run at once.
send_signal = functools.partial(ctypes.PyDLL(None).kill, os.getpid(), int(signal.SIGUSR1))


@pytest.fixture
def run(loop, interruption):
    """A function that runs the loop until its awaitable is done, and again after each interruption; returns how many there were."""

    def run(awaitable, most=10):
        future = asyncio.ensure_future(awaitable, loop=loop)
        for count in range(most):
            try:
                loop.run_until_complete(future)
                return count
            except interruption:
                pass
        pytest.fail(f"interrupted more than {most} times")

    return run


@pytest.fixture(params=[False, True], ids=["", "debug"])
def maybe_debug(loop, request):
    loop.set_debug(request.param)
    loop.slow_callback_duration = 60


async def turns(count):
    for _ in range(count):
        await asyncio.sleep(0)


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
def test_callback_that_had_not_begun_runs_next_and_in_its_place(loop, run, maybe_debug, kind):
    calls = []
    loop.call_soon(send_signal)
    loop.call_soon(KINDS[kind](calls.append), 1)
    loop.call_soon(calls.append, 2)
    assert run(turns(2)) == 1
    assert calls == [1, 2]


def test_callback_interrupted_twice_runs_once(loop, run):
    calls = []

    def callback():
        calls.append(None)

    loop.call_soon(send_signal)
    loop.call_soon(callback)
    with pytest.raises(BaseException):
        loop.run_forever()
    send_signal_first = loop.create_future()
    send_signal_first.add_done_callback(lambda future: None)
    run(turns(2))
    assert calls == [None]


def test_callback_that_had_begun_is_not_called_again(loop, interruption, run_turn):
    calls = []

    def callback():
        calls.append(None)
        send_signal()
        for _ in range(10):
            pass

    loop.call_soon(callback)
    loop.set_exception_handler(lambda loop, context: None)
    try:
        run_turn()
    except interruption:
        pass
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert calls == [None]


def test_callbacks_of_a_future_run_in_their_order(loop, run, maybe_debug):
    calls = []
    future = loop.create_future()
    future.add_done_callback(lambda future: calls.append(1))
    future.add_done_callback(lambda future: send_signal())
    future.add_done_callback(lambda future: calls.append(2))
    future.add_done_callback(lambda future: calls.append(3))
    future.set_result(None)
    loop.call_soon(calls.append, 4)
    assert run(turns(3)) == 1
    assert calls == [1, 2, 3, 4]


def test_only_callback_of_a_future_runs(loop, run, maybe_debug):
    calls = []
    future = loop.create_future()
    future.add_done_callback(lambda future: calls.append(1))
    loop.call_soon(send_signal)
    loop.call_soon(future.set_result, None)
    assert run(turns(3)) == 1
    assert calls == [1]


def test_timer_runs(loop, run, maybe_debug):
    calls = []

    def due(number):
        calls.append(number)

    loop.call_later(0, send_signal)
    loop.call_later(0, due, 1)
    loop.call_later(0, due, 2)

    assert run(asyncio.sleep(0.01)) == 1
    assert calls == [1, 2]


def test_sleeping_task_wakes(loop, run, maybe_debug):
    loop.call_later(0.001, send_signal)
    assert run(asyncio.sleep(0.001)) == 1


def test_threadsafe_callback_runs(loop, run, maybe_debug):
    calls = []

    def callback():
        calls.append(None)

    loop.call_soon_threadsafe(send_signal)
    loop.call_soon_threadsafe(callback)
    assert run(turns(2)) == 1
    assert calls == [None]


def test_handle_that_is_asyncios_own_runs(loop, run):
    calls = []

    def callback():
        calls.append(None)

    loop.call_soon(send_signal)
    loop._add_callback(asyncio.Handle(callback, (), loop))
    assert run(turns(2)) == 1
    assert calls == [None]


def test_reader_hears_of_its_descriptor(loop, run, maybe_debug):
    one, other = socket.socketpair()
    calls = []

    def readable():
        calls.append(one.recv(10))
        loop.remove_reader(one)

    with one, other:
        loop.add_reader(one, readable)
        other.send(b"x")
        loop.call_soon(send_signal)
        assert run(asyncio.sleep(0.01)) == 1
    assert calls == [b"x"]


def test_task_that_waits_for_an_asyncio_future_is_woken(loop, run, maybe_debug):
    async def wait():
        return await asyncio.Future(loop=loop)

    task = loop.create_task(wait())
    run(turns(1))
    loop.call_soon(send_signal)
    loop.call_soon(task._fut_waiter.set_result, 5)
    run(task)
    assert task.result() == 5


def test_awaiting_an_asyncio_future_is_not_forgotten(loop, run):
    class Mine(asyncio.Future):
        def get_loop(self):
            return super().get_loop()

    future = asyncio.Future(loop=loop)

    class Wait:
        def __await__(self):
            send_signal()
            return (yield from future)

    loop.call_later(0.001, future.set_result, 7)

    async def wait():
        return await future

    task = loop.create_task(wait())
    loop.call_soon(send_signal)
    run(task)
    assert task.result() == 7


def test_result_of_an_executor_arrives(loop, run, maybe_debug):
    async def work():
        future = loop.run_in_executor(None, threading.get_ident)
        loop.call_soon(send_signal)
        return await future

    task = loop.create_task(work())
    # The task itself may be the one that is interrupted: it is resumed only when the signal is over.
    run(turns(3))
    run(task)
    assert task.result() != threading.get_ident()


def test_interrupted_run_does_not_end_the_next_one(loop, interruption):
    future = loop.create_future()

    def finish():
        future.set_result(None)
        send_signal()

    loop.call_soon(finish)
    with pytest.raises(interruption):
        loop.run_until_complete(future)
    loop.run_until_complete(turns(3))


def test_run_that_was_stopped_does_not_end_the_next_one(loop):
    future = loop.create_future()
    loop.call_soon(future.set_result, 1)
    loop.call_soon(loop.stop)
    assert loop.run_until_complete(future) == 1
    loop.run_until_complete(turns(3))


def test_refused_run_inside_a_run_leaves_that_alone(loop):
    future = loop.create_future()

    def run_inside():
        future.set_result(1)
        inner = turns(1)
        with pytest.raises(RuntimeError):
            loop.run_until_complete(inner)
        inner.close()

    loop.call_soon(run_inside)
    assert loop.run_until_complete(future) == 1


# ---- protocols ----


class Recorder(asyncio.Protocol):
    """Notes what it hears, in Python methods that can be interrupted."""

    def __init__(self, events):
        self.events = events

    def connection_made(self, transport):
        self.transport = transport
        self.events.append("made")

    def data_received(self, data):
        self.events.append(data)

    def eof_received(self):
        self.events.append("eof")

    def pause_writing(self):
        self.events.append("pause")

    def resume_writing(self):
        self.events.append("resume")

    def connection_lost(self, exc):
        self.events.append(("lost", exc))


class BufferedRecorder(asyncio.BufferedProtocol):
    def __init__(self, events):
        self.events = events
        self.buffer = bytearray(100)

    def get_buffer(self, size_hint):
        return self.buffer

    def buffer_updated(self, count):
        self.events.append(bytes(self.buffer[:count]))


@pytest.fixture
def pair(loop):
    """A function that connects a protocol to a socket over TCP or a Unix socket; returns (transport, socket)."""
    peers, transports = [], []

    def connect(protocol, family):
        if family == "tcp":
            with socket.create_server(("127.0.0.1", 0)) as server:
                peer = socket.create_connection(server.getsockname())
                own, _ = server.accept()
        else:
            own, peer = socket.socketpair()
        peers.append(peer)
        own.setblocking(False)
        transport, _ = loop.run_until_complete(loop.create_connection(lambda: protocol, sock=own))
        transports.append(transport)
        return transport, peer

    yield connect
    for transport in transports:
        transport.abort()
    for peer in peers:
        peer.close()
    loop.run_until_complete(turns(3))


@pytest.mark.parametrize("family", ["tcp", "unix"])
@pytest.mark.parametrize("protocol_type", [Recorder, BufferedRecorder])
def test_received_data_reaches_the_protocol(loop, run, pair, maybe_debug, family, protocol_type):
    events = []
    _, peer = pair(protocol_type(events), family)
    events.clear()
    peer.send(b"hello")
    loop.call_soon(loop.call_soon, send_signal)
    assert run(asyncio.sleep(0.01)) == 1
    peer.send(b"again")
    run(asyncio.sleep(0.01))
    assert events == [b"hello", b"again"]


@pytest.mark.parametrize("family", ["tcp", "unix"])
def test_end_of_file_and_loss_reach_the_protocol_once(loop, run, pair, maybe_debug, family):
    events = []
    _, peer = pair(Recorder(events), family)
    peer.shutdown(socket.SHUT_WR)
    loop.call_soon(loop.call_soon, send_signal)
    assert run(asyncio.sleep(0.01)) == 1
    assert events == ["made", "eof", ("lost", None)]


@pytest.mark.parametrize("family", ["tcp", "unix"])
def test_connection_lost_is_called_after_close(loop, run, pair, maybe_debug, family):
    events = []
    transport, _ = pair(Recorder(events), family)
    loop.call_soon(send_signal)
    transport.close()
    assert run(turns(3)) == 1
    assert events == ["made", ("lost", None)]


def test_connection_made_is_called(loop, run, maybe_debug):
    events = []
    own, peer = socket.socketpair()
    own.setblocking(False)

    async def connect():
        # Before connection_made(), in the queue.
        loop.call_soon(send_signal)
        return await loop.create_connection(lambda: Recorder(events), sock=own)

    with peer:
        task = loop.create_task(connect())
        assert run(task) == 1
        assert events == ["made"]
        task.result()[0].close()
        run(turns(3))


@pytest.mark.parametrize("turn", [1, 2])
def test_accepted_connection_gets_its_protocol(loop, run, maybe_debug, turn):
    events = []

    class Accepted(Recorder):
        def __init__(self):
            super().__init__(events)

        def connection_made(self, transport):
            super().connection_made(transport)
            transport.close()

    server = loop.run_until_complete(loop.create_server(Accepted, "127.0.0.1", 0))

    def strike(turns_left):
        if turns_left:
            loop.call_soon(strike, turns_left - 1)
        else:
            loop.call_soon(send_signal)

    with socket.create_connection(server.sockets[0].getsockname()):
        strike(turn - 1)
        run(asyncio.sleep(0.02))
    server.close()
    run(server.wait_closed())
    assert events == ["made", ("lost", None)]


@pytest.mark.parametrize("family", ["tcp", "unix"])
def test_flow_control_reaches_the_protocol(loop, run, pair, maybe_debug, family):
    events = []
    transport, peer = pair(Recorder(events), family)
    events.clear()
    peer.settimeout(10)
    data = bytes(10_000_000)

    def write():
        send_signal_then(transport.write, data)

    loop.call_soon(functools.partial(transport.write, data))
    run(turns(2))
    assert events == ["pause"]

    received = 0
    reads = threading.Thread(target=lambda: [None for _ in iter(lambda: received_all(peer, len(data)), True)])
    reads.start()
    loop.call_soon(send_signal)
    run(asyncio.sleep(0.01))
    while "resume" not in events:
        run(asyncio.sleep(0.001))
    reads.join(10)
    assert received == 0
    assert events == ["pause", "resume"]


def send_signal_then(function, *args):
    send_signal()
    function(*args)


def received_all(peer, size):
    while size > 0:
        size -= len(peer.recv(1 << 20))
    return True


# ---- pipes ----


@pytest.fixture
def pipe(loop):
    """A function that makes a pipe with a transport at one end; returns (transport, descriptor of the other end)."""
    others, transports = [], []

    def make(protocol, end):
        reading, writing = os.pipe()
        if end == "read":
            connect, own, other = loop.connect_read_pipe, os.fdopen(reading, "rb", 0), writing
        else:
            connect, own, other = loop.connect_write_pipe, os.fdopen(writing, "wb", 0), reading
        others.append(other)
        transport, _ = loop.run_until_complete(connect(lambda: protocol, own))
        transports.append(transport)
        return transport, other

    yield make
    for transport in transports:
        transport.close()
    loop.run_until_complete(turns(3))
    for other in others:
        os.close(other)


def test_data_from_a_pipe_reaches_the_protocol(loop, run, pipe, maybe_debug):
    events = []
    transport, other = pipe(Recorder(events), "read")
    os.write(other, b"hello")
    loop.call_soon(loop.call_soon, send_signal)
    run(asyncio.sleep(0.01))
    os.write(other, b"again")
    run(asyncio.sleep(0.01))
    assert events == ["made", b"hello", b"again"]


def test_loss_of_a_pipe_reaches_the_protocol(loop, run, pipe, maybe_debug):
    events = []
    transport, _ = pipe(Recorder(events), "read")
    loop.call_soon(send_signal)
    transport.close()
    assert run(turns(3)) == 1
    assert events == ["made", ("lost", None)]


def test_bytes_for_a_pipe_are_written_once(loop, run, pipe, maybe_debug):
    events = []
    transport, other = pipe(Recorder(events), "write")
    data = bytes(range(256)) * 4096
    transport.write(data)
    assert events == ["made", "pause"]
    received = []
    while sum(map(len, received)) < len(data):
        loop.call_soon(loop.call_soon, send_signal)
        received.append(os.read(other, 65536))
        run(asyncio.sleep(0.001))
    run(turns(3))
    assert b"".join(received) == data
    assert events == ["made", "pause", "resume"]
