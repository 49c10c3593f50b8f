"""When written bytes are sent: at once, unless a second write follows almost certainly; and how long those wait.

The far end is a socket that is read within the same callback, so that only write() itself can have sent. A habit needs bursts in
which the writes are at most 50 microseconds apart. A busy machine may break one, so habits are taught until they show.
"""

import asyncio
import os
import socket
import time

import pytest

import fastloop
from actors.connections import tcp_pair
from actors.failures import raising
from actors.threads import in_thread

# The habits of a class are found by its address. A class that stays alive is not confused with another one.
classes = []


@pytest.fixture
def protocol_class():
    """A class of protocols without known habits."""

    class Protocol(asyncio.Protocol):
        def data_received(self, data):
            self.on_data(data)

    classes.append(Protocol)
    return Protocol


class FarEnd:
    """A socket that returns what has arrived so far."""

    def __init__(self, sock):
        self.sock = sock

    def arrived(self):
        try:
            return self.sock.recv(4096)
        except BlockingIOError:
            return b""


def tcp_pair_without_delay():
    far, near = tcp_pair()
    # Loopback delivers at once, except for Nagle's algorithm.
    near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return near, far


@pytest.fixture(params=[socket.socketpair, tcp_pair_without_delay], ids=["unix", "tcp"])
def connect(request, loop):
    """A coroutine function that connects a protocol; returns transport and far end."""
    opened = []

    async def make(protocol_factory):
        near, far = request.param()
        far.setblocking(False)
        near.setblocking(False)
        transport, _ = await loop.create_connection(protocol_factory, sock=near)
        opened.append((transport, far))
        return transport, FarEnd(far)

    yield make

    async def close():
        for transport, far in opened:
            transport.abort()
            far.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    if not loop.is_closed():
        loop.run_until_complete(close())


@pytest.fixture
def connection(run, connect, protocol_class):
    return run(connect(protocol_class))


@pytest.fixture
def transport(connection):
    return connection[0]


@pytest.fixture
def far(connection):
    return connection[1]


async def write_and_see_it_held(transport, far, data, writes=2):
    """Write data as the first of a step, where bursts of that many writes are the habit: it is held back."""
    for _ in range(1000):
        await asyncio.sleep(0)
        for _ in range(writes):
            transport.write(b"a")
        await asyncio.sleep(0)
        far.arrived()
        transport.write(data)
        if far.arrived() == b"":
            return
        for _ in range(writes - 1):
            transport.write(b"b")
    raise AssertionError("no write was ever held back")


# What holds on every loop


async def test_write_without_a_habit_leaves_at_once(transport, far):
    for _ in range(20):
        transport.write(b"first")
        assert far.arrived() == b"first"
        time.sleep(0.0001)
        transport.write(b"second")
        assert far.arrived() == b"second"
        await asyncio.sleep(0)


async def test_written_buffer_that_changes_afterwards_was_sent_as_it_was(transport, far):
    buffer = bytearray(b"before")
    transport.write(buffer)
    buffer[:] = b"behind"
    await asyncio.sleep(0)
    assert far.arrived() == b"before"


async def test_each_task_that_one_future_wakes_has_its_bytes_sent_before_the_next_one_runs(transport, far):
    woken = asyncio.get_running_loop().create_future()
    seen = []

    async def write():
        await woken
        transport.write(b"x")

    async def look():
        await woken
        seen.append(far.arrived())

    tasks = [asyncio.create_task(coroutine) for coroutine in (write(), look(), write(), look())]
    await asyncio.sleep(0)
    woken.set_result(None)
    await asyncio.gather(*tasks)
    assert seen == [b"x", b"x"]


async def test_write_of_another_thread_leaves_while_the_loop_sleeps(transport, far):
    loop = asyncio.get_running_loop()

    def write():
        # The loop has nothing to do until this thread ends, and sleeps soon.
        time.sleep(0.05)
        transport.write(b"from a thread")
        loop.call_soon_threadsafe(arrived.set_result, far.arrived())

    arrived = loop.create_future()
    with in_thread(write):
        assert await arrived == b"from a thread"


@pytest.mark.parametrize("streams", [asyncio, fastloop], ids=["asyncio", "fastloop"])
async def test_stream_that_drains_has_sent_before_drain_returns(loop, streams):
    near, far = socket.socketpair()
    far.setblocking(False)
    with far:
        reader, writer = await streams.open_connection(sock=near)
        # Nothing is held while the program could use the socket itself.
        del near
        for number in range(100):
            far.send(b"request")
            await reader.read(100)
            writer.write(b"header %d " % number)
            if number < 99:
                writer.write(b"body")
            else:
                # A second write is expected now, and does not come.
                await writer.drain()
            assert FarEnd(far).arrived().startswith(b"header %d " % number)
            await asyncio.sleep(0)
        writer.close()
        await writer.wait_closed()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
async def test_process_that_leaves_at_once_has_sent_what_it_wrote(transport, far):
    child = os.fork()
    if child == 0:
        transport.write(b"good bye")
        os._exit(0)
    os.waitpid(child, 0)
    assert far.arrived() == b"good bye"


async def test_what_was_written_has_left_before_the_socket_is_used(transport, far):
    sock = transport.get_extra_info("socket")
    for use in (
        sock.fileno,
        lambda: sock.dup().close(),
        lambda: sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        lambda: transport._sock,
        lambda: transport._sock_fd,
        lambda: sock.shutdown(socket.SHUT_WR),
    ):
        for _ in range(20):
            transport.write(b"headers ")
            transport.write(b"body")
            await asyncio.sleep(0)
            far.arrived()
        transport.write(b"sent")
        use()
        assert far.arrived() == b"sent"
        await asyncio.sleep(0)


# Habits


LOSSES = {
    "data_received raises": raising(ValueError("seen by the exception handler")),
    "_fatal_error": lambda transport: transport._fatal_error(OSError()),
    "_force_close": lambda transport: transport._force_close(None),
    "abort": lambda transport: transport.abort(),
    "close": lambda transport: transport.close(),
}


@pytest.mark.parametrize("writes", [1, 2])
@pytest.mark.parametrize("loss", LOSSES)
async def test_what_was_written_before_the_connection_ends_arrives(loop, protocol_class, loss, writes, transport, far):
    loop.set_exception_handler(lambda loop, context: None)
    protocol = transport.get_protocol()
    protocol.transport, protocol.far = transport, far

    def answer(self, data):
        for _ in range(writes):
            self.transport.write(b"answer")

    def answer_and_end(self, data):
        self.transport.write(b"last")
        LOSSES[loss](self.transport)

    async def question():
        far.sock.send(b"question")
        answered = b""
        while not answered:
            await asyncio.sleep(0)
            answered = far.arrived()
        return answered

    # Long enough for a habit to begin, of either kind.
    protocol_class.on_data = answer
    for _ in range(300):
        await question()
    protocol_class.on_data = answer_and_end
    assert await question() == b"last"


@pytest.mark.fastloop_only
async def test_first_write_of_a_step_waits_for_the_second_once_that_is_a_habit(transport, far):
    await write_and_see_it_held(transport, far, b"headers ")
    transport.write(b"body")
    assert far.arrived() == b"headers body"


@pytest.mark.fastloop_only
async def test_new_connection_has_the_habit_of_its_protocols_class(connect, protocol_class, transport, far):
    for _ in range(100):
        await write_and_see_it_held(transport, far, b"headers ")
        transport.write(b"body")
        far.arrived()
        await asyncio.sleep(0)
        other, other_far = await connect(protocol_class)
        other.write(b"headers ")
        is_held = other_far.arrived() == b""
        other.write(b"body")
        if is_held:
            assert other_far.arrived() == b"headers body"
            return
    raise AssertionError("a new connection never had the habit")


@pytest.mark.fastloop_only
async def test_other_class_of_protocols_has_no_habit(connect, protocol_class):
    class Other(asyncio.Protocol):
        pass

    classes.append(Other)
    await write_and_see_it_held(*await connect(protocol_class), b"headers")
    transport, far = await connect(Other)
    transport.write(b"headers")
    assert far.arrived() == b"headers"


@pytest.mark.fastloop_only
async def test_later_burst_of_the_same_step_leaves_at_once(transport, far):
    await write_and_see_it_held(transport, far, b"headers ")
    transport.write(b"body")
    assert far.arrived() == b"headers body"
    for number in range(5):
        time.sleep(0.001)
        transport.write(b"%d" % number)
        assert far.arrived() == b"%d" % number


@pytest.mark.fastloop_only
async def test_held_write_leaves_when_the_step_ends_and_ends_the_habit(transport, far):
    await write_and_see_it_held(transport, far, b"alone")
    await asyncio.sleep(0)
    assert far.arrived() == b"alone"
    # The next burst notices that the one before was a single write.
    transport.write(b"at once")
    assert far.arrived() == b"at once"


@pytest.mark.fastloop_only
async def test_held_write_leaves_with_a_late_second_one_and_the_habit_ends(transport, far):
    await write_and_see_it_held(transport, far, b"headers ")
    time.sleep(0.001)
    transport.write(b"body")
    assert far.arrived() == b"headers body"
    await asyncio.sleep(0)
    transport.write(b"at once")
    assert far.arrived() == b"at once"


QUESTIONS = {
    "is_closing": lambda transport: transport.is_closing(),
    "get_write_buffer_size": lambda transport: transport.get_write_buffer_size(),
    "get_extra_info": lambda transport: transport.get_extra_info("peername"),
    "set_write_buffer_limits": lambda transport: transport.set_write_buffer_limits(high=1000),
    "set_protocol": lambda transport: transport.set_protocol(transport.get_protocol()),
    "write_eof": lambda transport: transport.write_eof(),
    "close": lambda transport: transport.close(),
    "abort": lambda transport: transport.abort(),
}


@pytest.mark.fastloop_only
@pytest.mark.parametrize("question", QUESTIONS)
async def test_held_write_leaves_with_any_question_to_the_transport(question, transport, far):
    await write_and_see_it_held(transport, far, b"asked")
    QUESTIONS[question](transport)
    assert far.arrived() == b"asked"


@pytest.mark.fastloop_only
async def test_much_is_not_held_back(transport, far):
    for _ in range(3):
        await write_and_see_it_held(transport, far, b"little")
        await asyncio.sleep(0)
        far.arrived()
        transport.write(bytes(65537))
        assert far.arrived() != b""
        while far.arrived():
            await asyncio.sleep(0)


@pytest.mark.fastloop_only
async def test_limit_of_the_program_bounds_what_is_held_back(transport, far):
    transport.set_write_buffer_limits(high=100)
    await write_and_see_it_held(transport, far, bytes(60), writes=3)
    transport.write(bytes(60))
    assert far.arrived() == bytes(120)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.fastloop_only
async def test_held_write_has_left_before_a_fork_and_is_sent_once(transport, far):
    await write_and_see_it_held(transport, far, b"once")
    child = os.fork()
    if child == 0:
        os._exit(0)
    assert far.arrived() == b"once"
    os.waitpid(child, 0)
    await asyncio.sleep(0)
    assert far.arrived() == b""


@pytest.mark.fastloop_only
async def test_only_write_of_a_quick_callback_leaves_when_that_returns(protocol_class, transport, far):
    held = []

    def answer(self, data):
        self.transport.write(b"answer")
        held.append(self.far.arrived() == b"")

    protocol_class.on_data = answer
    protocol = transport.get_protocol()
    protocol.transport, protocol.far = transport, far

    async def question():
        far.sock.send(b"question")
        count = len(held)
        while len(held) == count:
            await asyncio.sleep(0)
        far.arrived()

    while not held or not held[-1]:
        await question()
        assert len(held) < 10000
    # A slow callback ends the habit: the next 255 must be quick before anything is held back again.
    protocol_class.on_data = lambda self, data: (answer(self, data), time.sleep(0.001))
    await question()
    protocol_class.on_data = answer
    del held[:]
    for _ in range(255):
        await question()
    assert held == [False] * 255
