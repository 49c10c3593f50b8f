"""asyncio's StreamReader over a transport: what is fed to it, when it pauses the transport, and what replaces its methods.

On fastloop a plain reader is fed without a call into Python. Nothing else may show that.
"""

import asyncio
import contextlib
import gc
import socket
import sys
import types
import weakref

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.cases import Cases
from actors.connections import tcp_pair
from actors.failures import SomeError
from actors.kernel import settle, until
from actors.peers import reset
from actors.protocols import RecordingProtocol


class Stream:
    """A StreamReader of the loop under test, its writer, and the peer that feeds it."""

    def __init__(self, reader, writer, peer):
        self.reader = reader
        self.writer = writer
        self.peer = peer
        self.transport = writer.transport
        self.protocol = self.transport.get_protocol()

    async def feed(self, data):
        await self.peer.send(data)
        await settle()


@pytest.fixture
def open_stream(run, pair, make_peer):
    """A coroutine function that makes a Stream."""
    opened = []

    async def make(**options):
        near, far = pair
        stream = Stream(*await asyncio.open_connection(sock=near, **options), make_peer(far))
        opened.append(stream)
        return stream

    yield make
    for stream in opened:
        stream.transport.abort()
    run(asyncio.sleep(0))


@pytest.fixture
def calls():
    """The names of Python functions of asyncio's streams in the order of their calls."""
    names = []

    def note(frame, event, arg):
        if event == "call" and frame.f_code.co_filename == asyncio.streams.__file__:
            names.append(frame.f_code.co_name)

    sys.setprofile(note)
    yield names
    sys.setprofile(None)


@pytest.mark.fastloop_only
@pytest.mark.skipif(not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="without the GIL every reader is fed by feed_data()")
async def test_plain_reader_is_fed_without_a_call_into_python(loop, open_stream, calls):
    stream = await open_stream()
    waiting = asyncio.create_task(stream.reader.read(100))
    await settle()
    calls.clear()
    await stream.feed(b"spam")
    assert await waiting == b"spam"
    assert set(calls) <= {"read", "_wait_for_data", "_maybe_resume_transport"}


# ---- what replaces its methods ----

replacements = Cases()


def noting(seen, function):
    """A function that notes its last argument first, if there are two."""

    def replacement(*args):
        seen.append(bytes(args[-1]) if len(args) == 2 else function.__name__)
        return function(*args)

    return replacement


@replacements
def feed_data_of_the_reader(stream, seen, monkeypatch):
    stream.reader.feed_data = types.MethodType(noting(seen, asyncio.StreamReader.feed_data), stream.reader)


@replacements
def feed_data_of_all_readers(stream, seen, monkeypatch):
    monkeypatch.setattr(asyncio.StreamReader, "feed_data", noting(seen, asyncio.StreamReader.feed_data))


@replacements
def waking_of_the_reader(stream, seen, monkeypatch):
    stream.reader._wakeup_waiter = types.MethodType(noting(seen, asyncio.StreamReader._wakeup_waiter), stream.reader)


@replacements
def waking_of_all_readers(stream, seen, monkeypatch):
    monkeypatch.setattr(asyncio.StreamReader, "_wakeup_waiter", noting(seen, asyncio.StreamReader._wakeup_waiter))


@replacements
def data_received_of_the_protocol(stream, seen, monkeypatch):
    stream.protocol.data_received = types.MethodType(noting(seen, asyncio.StreamReaderProtocol.data_received), stream.protocol)
    stream.transport.set_protocol(stream.protocol)


@replacements
def data_received_of_all_protocols(stream, seen, monkeypatch):
    monkeypatch.setattr(asyncio.StreamReaderProtocol, "data_received", noting(seen, asyncio.StreamReaderProtocol.data_received))
    stream.transport.set_protocol(stream.protocol)


@replacements
def reader_of_all_protocols(stream, seen, monkeypatch):
    function = asyncio.StreamReaderProtocol._stream_reader.fget
    monkeypatch.setattr(asyncio.StreamReaderProtocol, "_stream_reader", property(noting(seen, function)))
    stream.transport.set_protocol(stream.protocol)


@replacements
def class_of_the_reader(stream, seen, monkeypatch):
    stream.reader.__class__ = type("Reader", (asyncio.StreamReader,), {"feed_data": noting(seen, asyncio.StreamReader.feed_data)})


@replacements
def class_of_the_buffer(stream, seen, monkeypatch):
    stream.reader._buffer = type("Buffer", (bytearray,), {"extend": noting(seen, bytearray.extend)})(stream.reader._buffer)


@replacements
def class_of_the_protocol(stream, seen, monkeypatch):
    function = asyncio.StreamReaderProtocol.data_received
    stream.protocol.__class__ = type("Protocol", (asyncio.StreamReaderProtocol,), {"data_received": noting(seen, function)})
    stream.transport.set_protocol(stream.protocol)


@pytest.mark.parametrize("replace", replacements.values(), ids=replacements)
async def test_replacement_is_called_for_all_data(loop, open_stream, monkeypatch, replace):
    stream, seen = await open_stream(), []
    await stream.feed(b"spam")
    replace(stream, seen, monkeypatch)
    reading = asyncio.create_task(stream.reader.readexactly(8))
    await stream.feed(b"eggs")
    assert await reading == b"spameggs"
    assert seen and set(seen) <= {b"eggs", "_wakeup_waiter", "_stream_reader"}


async def test_protocol_that_gets_another_reader_feeds_that(loop, open_stream):
    stream = await open_stream()
    await stream.feed(b"spam")
    other = asyncio.StreamReader(loop=loop)
    stream.protocol._stream_reader_wr = weakref.ref(other)
    await stream.feed(b"eggs")
    assert (bytes(stream.reader._buffer), bytes(other._buffer)) == (b"spam", b"eggs")


async def test_transport_that_gets_another_protocol_feeds_the_reader_no_more(loop, open_stream):
    stream = await open_stream()
    await stream.feed(b"spam")
    recorder = RecordingProtocol()
    stream.transport.set_protocol(recorder)
    await stream.feed(b"eggs")
    assert bytes(stream.reader._buffer) == b"spam"
    assert bytes(recorder.received) == b"eggs"
    stream.transport.set_protocol(stream.protocol)
    await stream.feed(b"ham")
    assert bytes(stream.reader._buffer) == b"spamham"


async def test_stream_goes_on_over_tls(loop, tls_contexts):
    async def serve(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()
        await writer.start_tls(tls_contexts[0])
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"plain\n")
        assert await reader.readline() == b"plain\n"
        await writer.start_tls(tls_contexts[1], server_hostname="localhost")
        writer.write(b"secret\n")
        assert await reader.readline() == b"secret\n"
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


@pytest.mark.fastloop_only
async def test_bytes_that_the_reader_has_already_are_part_of_the_handshake(loop, tls_contexts):
    ssl = pytest.importorskip("ssl")
    server_context, client_context = tls_contexts
    version = loop.create_future()

    async def upgrade(reader, writer):
        await reader.readline()
        assert reader._buffer
        await writer.start_tls(server_context)
        version.set_result(writer.get_extra_info("ssl_object").version())
        writer.close()

    def impatient_client(address):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = client_context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        said, is_done = b"upgrade\n", False
        with socket.create_connection(address) as connection:
            while not is_done:
                with contextlib.suppress(ssl.SSLWantReadError):
                    session.do_handshake()
                    is_done = True
                connection.sendall(said + outgoing.read())
                said = b""
                if not is_done:
                    incoming.write(connection.recv(65536))
            return session.version()

    async with await asyncio.start_server(upgrade, "127.0.0.1", 0) as server:
        seen = await asyncio.to_thread(impatient_client, server.sockets[0].getsockname())
        assert await version == seen


# ---- who waits ----


@pytest.mark.parametrize("make", [asyncio.futures._PyFuture, asyncio.futures.Future, "create_future"], ids=["python", "c", "loop"])
async def test_waiter_of_any_class_is_woken(loop, open_stream, make):
    stream = await open_stream()
    waiter = stream.reader._waiter = loop.create_future() if make == "create_future" else make(loop=loop)
    await stream.feed(b"spam")
    assert (waiter.result(), stream.reader._waiter) == (None, None)


async def test_cancelled_waiter_is_forgotten(loop, open_stream):
    stream = await open_stream()
    stream.reader._waiter = loop.create_future()
    stream.reader._waiter.cancel()
    await stream.feed(b"spam")
    assert stream.reader._waiter is None
    assert await stream.reader.read(100) == b"spam"


@pytest.mark.parametrize("debug", [False, True])
async def test_reader_that_waits_gets_data_in_the_turn_after_it_came(loop, open_stream, debug):
    stream, turns = await open_stream(), []
    loop.set_debug(debug)
    reading = asyncio.create_task(stream.reader.read(100))
    reading.add_done_callback(lambda task: turns.append("read"))
    await settle()
    stream.peer.sock.send(b"spam")
    await until(lambda: stream.reader._buffer)
    for number in range(3):
        turns.append(number)
        await asyncio.sleep(0)
    # The reader's task runs in the turn in which this one sees the data, after it; the callback runs one turn later.
    assert turns == [0, 1, "read", 2]
    assert await reading == b"spam"


# ---- what fails ----

failures = Cases()


@failures
def data_after_the_end(stream):
    stream.reader.feed_eof()


@failures
def data_while_somebody_has_a_view(stream):
    stream.view = memoryview(stream.reader._buffer)


@failures
def waiter_that_is_done(stream):
    stream.reader._waiter = asyncio.get_running_loop().create_future()
    stream.reader._waiter.set_result(None)


@failures
def no_buffer(stream):
    del stream.reader._buffer


@failures
def limit_that_is_no_number(stream):
    stream.reader._limit = "64"


@failures
def transport_that_cannot_pause(stream):
    def pause_reading():
        raise SomeError("no pause")

    stream.reader._transport = types.SimpleNamespace(pause_reading=pause_reading)
    stream.reader._limit = 1


@pytest.mark.parametrize("spoil", failures.values(), ids=failures)
async def test_failure_of_feed_data_ends_the_connection(loop, open_stream, reported, spoil):
    stream = await open_stream()
    spoil(stream)
    await stream.feed(b"spam")
    (context,) = reported
    assert context["message"] == "Fatal error: protocol.data_received() call failed."
    assert context["transport"] is stream.transport and context["protocol"] is stream.protocol
    await until(lambda: stream.reader.exception() is context["exception"])
    if hasattr(stream, "view"):
        stream.view.release()


async def test_data_for_a_reader_that_is_gone_is_dropped(loop, pair, make_peer):
    near, far = pair
    reader, peer = asyncio.StreamReader(loop=loop), make_peer(far)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, sock=near)
    await peer.send(b"spam")
    await settle()
    assert await reader.read(100) == b"spam"
    del reader
    gc.collect()
    await peer.send(b"eggs")
    await settle()
    assert protocol._stream_reader is None
    transport.abort()
    await asyncio.sleep(0)


@pytest.mark.fastloop_only
def test_data_arrives_although_a_patched_attribute_was_interrupted(loop, run, open_stream, monkeypatch):
    answers = [KeyboardInterrupt, 65536]

    def limit(reader):
        answer = answers.pop(0)
        if answer is KeyboardInterrupt:
            raise answer
        return answer

    stream = run(open_stream())
    monkeypatch.setattr(asyncio.StreamReader, "_limit", property(limit), raising=False)
    stream.peer.sock.send(b"spam")
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    assert bytes(stream.reader._buffer) == b"spam"


# ---- flow control ----


@pytest.mark.parametrize("excess", [0, 1])
async def test_reader_pauses_its_transport_above_twice_its_limit(loop, open_stream, excess):
    stream = await open_stream(limit=50)
    await stream.feed(bytes(60))
    await stream.feed(bytes(40 + excess))
    assert (stream.reader._paused, stream.transport.is_reading()) == (bool(excess), not excess)
    await stream.reader.readexactly(50 + excess)
    assert stream.transport.is_reading()


async def test_paused_transport_leaves_data_in_the_kernel_until_somebody_reads(loop, open_stream):
    stream = await open_stream(limit=2)
    await stream.feed(b"hello")
    await stream.feed(b" world")
    assert bytes(stream.reader._buffer) == b"hello"
    assert await stream.reader.readexactly(11) == b"hello world"


async def test_limit_may_change(loop, open_stream):
    stream = await open_stream(limit=50)
    stream.reader._limit = 2**70
    await stream.feed(bytes(101))
    assert not stream.reader._paused
    stream.reader._limit = 10
    await stream.feed(b"x")
    assert stream.reader._paused


# ---- random scripts ----

SEPARATORS = [b"\n", b"ab", b"aab"]
STEPS = st.one_of(
    st.tuples(st.just("feed"), st.lists(st.sampled_from([b"a", b"b", b"\n", b"spam" * 5]), min_size=1, max_size=12).map(b"".join)),
    st.tuples(st.sampled_from(["read", "readexactly"]), st.integers(-1, 30)),
    st.tuples(st.just("readuntil"), st.sampled_from(SEPARATORS)),
    st.sampled_from([("readline",), ("at_eof",), ("end",), ("cancel",), ("pause",), ("view",), ("drop view",), ("close",), ("reset",)]),
)


async def trace(steps, limit, make_pair):
    """Do the steps, and return what was seen after each of them."""
    near, far = make_pair()
    reader, writer = await asyncio.open_connection(sock=near, limit=limit)
    seen, tasks, views = [], [], []
    for step in steps:
        name, args = step[0], step[1:]
        if name in ("feed", "end"):
            with contextlib.suppress(OSError):
                far.send(*args) if args else far.shutdown(socket.SHUT_WR)
        elif name == "reset":
            with contextlib.suppress(OSError):
                reset(far)
        elif name == "cancel":
            for task in tasks[-1:]:
                task.cancel()
        elif name == "pause":
            writer.transport.pause_reading()
        elif name == "view":
            views.append(memoryview(reader._buffer))
        elif name == "drop view":
            while views:
                views.pop().release()
        elif name == "close":
            writer.close()
        elif name == "at_eof":
            seen.append(reader.at_eof())
        else:
            tasks.append(asyncio.create_task(getattr(reader, name)(*args)))
        await settle()
        seen.append((step, bytes(reader._buffer), reader._paused, reader._eof, repr(reader.exception()), writer.transport.is_reading()))
        seen.append([outcome(task) for task in tasks])
    while views:
        views.pop().release()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    writer.transport.abort()
    far.close()
    await settle()
    return seen


def outcome(task):
    if not task.done() or task.cancelled():
        return "cancelled" if task.done() else "waits"
    error = task.exception()
    return task.result() if error is None else (repr(error), vars(error))


@pytest.mark.fastloop_only
@pytest.mark.parametrize("make_pair", [socket.socketpair, tcp_pair], ids=["unix", "tcp"])
def test_script_of_feeds_and_reads_has_the_same_trace_as_on_asyncio(implementation, asyncio_implementation, make_pair):
    def trace_on(new_event_loop, steps, limit):
        reports = []
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.get_loop().set_exception_handler(lambda loop, context: reports.append((context["message"], repr(context["exception"]))))
            return runner.run(trace(steps, limit, make_pair)), reports

    @settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(STEPS, max_size=15), st.integers(1, 40))
    def compare(steps, limit):
        expected = trace_on(asyncio_implementation.new_event_loop, steps, limit)
        assert trace_on(implementation.new_event_loop, steps, limit) == expected

    compare()
