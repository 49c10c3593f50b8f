"""connect_read_pipe() and connect_write_pipe(): data, flow control and what the transports show."""

import asyncio
import os

import pytest

from actors.failures import raising
from actors.kernel import settle, until
from actors.pipes import KINDS, Pipe
from actors.protocols import RecordingBufferedProtocol, RecordingProtocol

# More than any of them holds.
MUCH = 1_000_000


@pytest.fixture(params=KINDS)
def pipe(request, no_leaks):
    made = Pipe(request.param)
    yield made
    made.close()


@pytest.fixture
def connect(loop, pipe):
    """A function that makes one end of the pipe a transport; returns (protocol, transport)."""
    transports = []

    async def connect_end(end, protocol=None, **hooks):
        protocol = protocol or RecordingProtocol(**hooks)
        transport, made = await getattr(loop, f"connect_{end}_pipe")(lambda: protocol, pipe.file(end))
        assert made is protocol
        transports.append(transport)
        return protocol, transport

    yield connect_end
    for transport in transports:
        if transport._pipe is not None:
            (transport.abort if hasattr(transport, "abort") else transport.close)()
    loop.run_until_complete(settle())


async def receive(pipe, size):
    """Return what comes out of the reading end, once it is size bytes."""
    received = bytearray()
    while len(received) < size:
        received += pipe.receive()
        await asyncio.sleep(0)
    return received


def reading(calls):
    return [name for name in calls if name.endswith("_reading") or name == "data_received"]


# Reading


async def test_data_arrives_in_order(connect, pipe):
    protocol, _ = await connect("read")
    for number in range(100):
        pipe.send(b"%d," % number)
        await asyncio.sleep(0)
    expected = b"".join(b"%d," % number for number in range(100))
    assert await protocol.until_received(len(expected)) == expected


async def test_each_turn_reads_once_and_at_most_256_kib(connect, pipe, loop):
    sizes = []
    protocol, transport = await connect("read", data_received=lambda protocol, data: sizes.append(len(data)))
    transport.pause_reading()
    sent = 0
    while True:
        try:
            sent += os.write(pipe.writing, bytes(65536))
        except BlockingIOError:
            break
    transport.resume_reading()
    await until(lambda: sum(sizes) == sent)
    assert max(sizes) <= 256 * 1024
    assert transport.max_size == 256 * 1024


async def test_paused_transport_reads_nothing(connect, pipe):
    protocol, transport = await connect("read")
    assert transport.is_reading()
    transport.pause_reading()
    transport.pause_reading()
    pipe.send(b"data")
    await settle()
    assert (protocol.calls, transport.is_reading()) == (["connection_made"], False)
    transport.resume_reading()
    transport.resume_reading()
    assert await protocol.until_received(4) == b"data"


async def test_reading_paused_after_the_report_is_not_done(connect, pipe, loop):
    protocol, transport = await connect("read")
    pipe.send(b"data")
    paused = loop.create_future()
    # Both are reported in the same turn: this callback runs first.
    loop.call_soon(lambda: (transport.pause_reading(), paused.set_result(None)))
    await paused
    await settle()
    assert protocol.received == b""
    transport.resume_reading()
    await protocol.until_received(4)


async def test_protocol_that_raises_is_reported_and_reading_continues(connect, pipe, reported):
    protocol, transport = await connect("read", data_received=lambda protocol, data: raising(ValueError(data))())
    for data in (b"one", b"two"):
        pipe.send(data)
        await until(lambda data=data: protocol.received.endswith(data))
        await asyncio.sleep(0)
    assert [context["exception"].args for context in reported] == [(b"one",), (b"two",)]
    assert not transport.is_closing()


async def test_buffered_protocol_gets_no_data(connect, pipe, reported):
    await connect("read", RecordingBufferedProtocol())
    pipe.send(b"data")
    await until(lambda: reported)
    assert type(reported[0]["exception"]) is AttributeError


async def test_next_protocol_gets_the_data(connect, pipe):
    first, transport = await connect("read")
    second = RecordingProtocol()
    transport.set_protocol(second)
    assert transport.get_protocol() is second
    pipe.send(b"data")
    assert await second.until_received(4) == b"data"
    assert first.received == b""


# Writing


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_written_data_comes_out_in_order(connect, pipe, kind):
    _, transport = await connect("write")
    transport.write(kind(b"one "))
    transport.writelines([kind(b"two "), kind(b""), kind(b"three")])
    assert await receive(pipe, 13) == b"one two three"


async def test_more_than_the_pipe_holds_comes_out_in_order(connect, pipe):
    protocol, transport = await connect("write")
    parts = [os.urandom(size) for size in (1, 300_000, 5, 300_000, *range(1, 200))]
    for part in parts:
        buffer = bytearray(part)
        transport.write(buffer)
        # What is kept is a copy.
        buffer[:] = bytes(len(buffer))
    assert transport._buffer == b"".join(parts)[-len(transport._buffer) :]
    assert await receive(pipe, sum(map(len, parts))) == b"".join(parts)
    await until(lambda: transport.get_write_buffer_size() == 0)
    assert protocol.calls == ["connection_made", "pause_writing", "resume_writing"]


async def test_protocol_is_paused_above_the_limit_and_resumed_when_all_is_sent(connect, pipe):
    sizes = []
    protocol, transport = await connect("write", resume_writing=lambda protocol: sizes.append(transport.get_write_buffer_size()))
    transport.write(bytes(MUCH))
    rest = transport.get_write_buffer_size()
    assert protocol.calls == ["connection_made", "pause_writing"]
    assert transport.get_write_buffer_limits() == (16384, 65536)
    await receive(pipe, MUCH)
    await until(lambda: sizes)
    assert (rest > 65536, sizes) == (True, [0])


async def test_limit_counts_what_is_left_only(connect, pipe):
    protocol, transport = await connect("write")
    transport.set_write_buffer_limits(high=10)
    transport.write(bytes(MUCH))
    assert protocol.calls == ["connection_made", "pause_writing"]
    with pytest.raises(ValueError, match="must be >= low"):
        transport.set_write_buffer_limits(high=1, low=2)


async def test_flow_control_that_raises_is_reported(connect, pipe, reported):
    fails = raising(ValueError("flow"))
    protocol, transport = await connect("write", pause_writing=fails, resume_writing=fails)
    transport.write(bytes(MUCH))
    await receive(pipe, MUCH)
    await until(lambda: len(reported) == 2)
    assert [context["message"] for context in reported] == ["protocol.pause_writing() failed", "protocol.resume_writing() failed"]
    assert not transport.is_closing()


@pytest.mark.parametrize("data", ["text", None, 1, [b"data"]], ids=repr)
async def test_data_that_is_not_bytes_is_refused(connect, pipe, data):
    _, transport = await connect("write")
    with pytest.raises(AssertionError):
        transport.write(data)
    transport.write(b"still open")
    assert await receive(pipe, 10) == b"still open"


async def test_data_without_a_plain_buffer_ends_the_connection(connect, reported):
    protocol, transport = await connect("write")
    transport.write(memoryview(b"abcdef")[::2])
    assert type(await protocol.until_lost()) is BufferError
    assert [context["message"] for context in reported] == ["Fatal write error on pipe transport"]
    assert transport._conn_lost == 1


# What they show


@pytest.mark.parametrize("end", ["read", "write"])
async def test_transport_shows_what_asyncios_shows(connect, pipe, loop, end):
    protocol, transport = await connect(end)
    file = transport.get_extra_info("pipe")
    name = f"_Unix{end.title()}PipeTransport"
    base, methods = (asyncio.ReadTransport, ()) if end == "read" else (asyncio.WriteTransport, (transport.can_write_eof,))
    assert isinstance(transport, base)
    assert all(method() for method in methods)
    assert (transport.__class__.__name__, transport._pipe, transport._fileno) == (name, file, file.fileno())
    assert transport.get_extra_info("nothing", 5) == 5
    fd = file.fileno()
    ending = "polling" if end == "read" else "idle bufsize=0"
    assert repr(transport) == f"<{name} fd={fd} {ending}>"
    transport.close()
    assert (transport.is_closing(), transport._closing) == (True, True)
    assert repr(transport).startswith(f"<{name} closing fd={fd} ")
    await protocol.until_lost()
    assert repr(transport) == f"<{name} closed fd={fd} closed>"
    assert (transport._pipe, transport._loop, transport._protocol, transport._fileno) == (None, None, None, fd)
    assert transport.get_extra_info("pipe") is file


async def test_descriptor_does_not_block(connect, pipe):
    os.set_blocking(pipe.reading, True)
    _, transport = await connect("read")
    assert not os.get_blocking(pipe.reading)


@pytest.mark.parametrize("end", ["read", "write"])
async def test_connection_made_comes_first_and_the_waiter_last(loop, end):
    pipe = Pipe("pipe")
    order = []

    def watch(name):
        order.append((name, "idle" in repr(transport), waiter.done()))

    protocol = RecordingProtocol(connection_made=lambda protocol, transport: watch("connection_made"))
    waiter = loop.create_future()
    waiter.add_done_callback(lambda waiter: watch("waiter"))
    transport = getattr(loop, f"_make_{end}_pipe_transport")(pipe.file(end), protocol, waiter)
    watch("made")
    loop.call_soon(watch, "callback")
    await waiter
    watches = end == "write"
    expected = [("made", True, False), ("connection_made", True, False), ("callback", watches, True), ("waiter", watches, True)]
    assert order == expected
    await protocol.close()
    pipe.close()


@pytest.mark.parametrize("method", ["is_reading", "pause_reading", "resume_reading"])
async def test_transport_that_writes_has_the_methods_of_reading_and_does_not_implement_them(loop, method):
    ends = os.pipe()
    with open(ends[0], "rb", 0):
        transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, open(ends[1], "wb", 0))
        with pytest.raises(NotImplementedError):
            getattr(transport, method)()
        transport.close()
