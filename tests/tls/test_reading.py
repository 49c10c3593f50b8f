"""What a TLS transport hands to its protocol: whole, in order, not while it is paused, to the protocol of the moment."""

import _ssl
import array
import asyncio
import contextvars
import ctypes
import mmap
import socket

import pytest

from actors.authority import with_version
from actors.failures import fail
from actors.files import pattern
from actors.kernel import settle, until_still
from actors.protocols import RecordingBufferedProtocol, RecordingProtocol

SIZE = 1_000_000

# Pausing


async def test_nothing_is_received_while_reading_is_paused(connect):
    protocol, transport, peer = await connect()
    assert transport.is_reading()
    transport.pause_reading()
    assert not transport.is_reading()
    await peer.send(b"waits")
    await settle()
    assert protocol.received == b""
    transport.resume_reading()
    assert transport.is_reading()
    assert await protocol.until_received(5) == b"waits"


async def test_pausing_and_resuming_twice_is_allowed(connect):
    protocol, transport, peer = await connect()
    transport.resume_reading()
    for _ in range(2):
        transport.pause_reading()
    await peer.send(b"waits")
    await settle()
    for _ in range(2):
        transport.resume_reading()
    assert await protocol.until_received(5) == b"waits"
    assert protocol.calls == ["connection_made", "data_received"]


async def test_writes_to_a_peer_that_has_left_do_not_lose_what_it_has_sent(connect):
    protocol, transport, peer = await connect()
    transport.pause_reading()
    await peer.send(b"last words")
    peer.sock.shutdown(socket.SHUT_WR)
    await settle()
    peer.sock.close()
    for _ in range(3):
        transport.write(b"nobody reads this")
        await settle()
    transport.resume_reading()
    assert await protocol.until_lost() is None
    assert protocol.received == b"last words"
    assert protocol.calls == ["connection_made", "data_received", "eof_received", "connection_lost"]


async def test_nothing_is_received_in_resume_reading_itself(connect):
    protocol, transport, peer = await connect()
    transport.pause_reading()
    await peer.send(b"waits")
    await settle()
    transport.resume_reading()
    assert protocol.received == b""
    await protocol.until_received(5)


async def test_resuming_and_pausing_at_once_receives_nothing(connect):
    protocol, transport, peer = await connect()
    transport.pause_reading()
    await peer.send(b"waits")
    await settle()
    transport.resume_reading()
    transport.pause_reading()
    await settle()
    assert protocol.received == b""
    transport.resume_reading()
    assert await protocol.until_received(5) == b"waits"


async def test_protocol_that_pauses_after_each_delivery_receives_everything(connect):
    loop = asyncio.get_running_loop()

    def pause(protocol, _):
        protocol.transport.pause_reading()
        loop.call_soon(protocol.transport.resume_reading)

    protocol, _, peer = await connect(data_received=pause)
    data = pattern(SIZE)
    await peer.send(data)
    assert await protocol.until_received(SIZE) == data


async def check_pausing_in_connection_made(connect):
    protocol, transport, peer = await connect(connection_made=lambda _, transport: transport.pause_reading())
    await peer.send(b"waits")
    await settle()
    assert protocol.received == b""
    transport.resume_reading()
    assert await protocol.until_received(5) == b"waits"


async def test_server_may_pause_reading_when_the_connection_is_made(tls):
    await check_pausing_in_connection_made(tls.accepted)


@pytest.mark.fastloop_only
async def test_client_may_pause_reading_when_the_connection_is_made(tls):
    """asyncio does not finish the handshake then, until something is written."""
    await check_pausing_in_connection_made(tls.connected)


async def test_end_is_not_noticed_while_reading_is_paused(connect):
    protocol, transport, peer = await connect()
    transport.pause_reading()
    await peer.send(b"last words")
    await peer.send_close_notify()
    await settle()
    assert protocol.calls == ["connection_made"]
    transport.resume_reading()
    await protocol.until_lost()
    assert protocol.received == b"last words"
    assert protocol.calls == ["connection_made", "data_received", "eof_received", "connection_lost"]


async def test_paused_transport_takes_a_limited_amount(narrow_connect):
    protocol, transport, peer = await narrow_connect()
    transport.get_extra_info("socket").setsockopt(1, 8, 131_072)
    transport.pause_reading()
    sent = [0]

    async def send():
        while True:
            await peer.send(bytes(10_000))
            sent[0] += 10_000

    sending = asyncio.create_task(send())
    await until_still(lambda: sent[0])
    assert sent[0] < 5_000_000
    assert transport.get_read_buffer_size() <= 512 * 1024
    transport.resume_reading()
    await protocol.until_received(sent[0])
    sending.cancel()


async def test_writing_works_while_reading_is_paused(connect):
    _, transport, peer = await connect()
    transport.pause_reading()
    data = pattern(SIZE)
    transport.write(data)
    assert await peer.receive(SIZE) == data


# Records


async def test_records_that_arrive_byte_by_byte_are_received(connect, version, tls):
    with_version(tls.contexts[1], version)
    protocol, _, peer = await connect()
    records = peer.encrypt(b"one ") + peer.encrypt(b"byte")
    for position in range(len(records)):
        await peer.raw_send(records[position : position + 1])
        if position % 7 == 0:
            await settle()
    assert await protocol.until_received(8) == b"one byte"


async def test_records_that_arrive_together_are_received_in_order(connect, version, tls):
    with_version(tls.contexts[1], version)
    protocol, _, peer = await connect()
    pieces = [b"%d," % number for number in range(3000)]
    await peer.raw_send(b"".join(map(peer.encrypt, pieces)))
    assert await protocol.until_received(len(b"".join(pieces))) == b"".join(pieces)


async def test_empty_record_is_not_received(connect, version, tls):
    with_version(tls.contexts[1], version)
    protocol, _, peer = await connect()
    peer.ssl_object.write(b"")
    await peer.flush()
    await peer.send(b"x")
    assert await protocol.until_received(1) == b"x"


@pytest.mark.parametrize("lower", [1, 5000, 100_000])
async def test_read_limits_lose_nothing(connect, lower):
    protocol, transport, peer = await connect()
    transport.set_read_buffer_limits(high=lower, low=0)
    data = pattern(SIZE)
    await peer.send(data)
    assert await protocol.until_received(SIZE) == data


# Changing the protocol


@pytest.mark.parametrize("first", [RecordingProtocol, RecordingBufferedProtocol])
@pytest.mark.parametrize("second", [RecordingProtocol, RecordingBufferedProtocol])
async def test_protocol_can_be_replaced(connect, first, second):
    before, after = first(), second()
    _, transport, peer = await connect(before)
    assert transport.get_protocol() is before
    await peer.send(b"before")
    assert await before.until_received(6) == b"before"
    transport.set_protocol(after)
    assert transport.get_protocol() is after
    data = pattern(SIZE)
    await peer.send(data)
    assert await after.until_received(SIZE) == data
    transport.abort()
    await after.until_lost()
    assert (before.calls, after.calls) == (
        ["connection_made", "data_received" if first is RecordingProtocol else "buffer_updated"],
        ["data_received" if second is RecordingProtocol else "buffer_updated", "connection_lost"],
    )


@pytest.mark.parametrize("second", [RecordingProtocol, RecordingBufferedProtocol])
async def test_protocol_can_be_replaced_in_data_received(connect, second):
    after = second()
    protocol, transport, peer = await connect(data_received=lambda protocol, _: protocol.transport.set_protocol(after))
    await peer.send(b"before")
    await protocol.until_received(6)
    await peer.send(b"after")
    assert await after.until_received(5) == b"after"
    assert protocol.received == b"before"


async def test_protocol_can_be_replaced_while_reading_is_paused(connect):
    protocol, transport, peer = await connect()
    transport.pause_reading()
    await peer.send(b"for the next one")
    await settle()
    after = RecordingBufferedProtocol()
    transport.set_protocol(after)
    transport.resume_reading()
    assert await after.until_received(16) == b"for the next one"
    assert protocol.calls == ["connection_made"]


# Buffers of the protocol


@pytest.mark.parametrize(("buffer_size", "size"), [(1, 3000), (7, 20_000), (4096, SIZE), (262_144, SIZE), (2_000_000, SIZE)])
async def test_data_arrives_whole_through_buffers_of_any_size(connect_in_every_way, buffer_size, size):
    protocol, _, peer = await connect_in_every_way(RecordingBufferedProtocol(buffer_size))
    data = pattern(size)
    await peer.send(data)
    assert await protocol.until_received(size) == data


def lend(buffer):
    protocol = RecordingBufferedProtocol(get_buffer=lambda protocol, hint: buffer)
    protocol.taken = bytearray()
    protocol.hooks["buffer_updated"] = lambda protocol, size: protocol.taken.extend(bytes(memoryview(buffer).cast("B")[:size]))
    return protocol


# asyncio's slice of these is a copy, so that all but the first record are lost; that of a memory map cannot be written to.
COPIED_BY_ASYNCIO = ["bytearray", "array", "view of shorts"]


def writable(kind):
    match kind:
        case "bytearray":
            return bytearray(1000)
        case "array":
            return array.array("B", bytes(1000))
        case "memory map":
            return mmap.mmap(-1, 4096)
        case "view of shorts":
            return memoryview(array.array("H", bytes(1000)))
        case "part of a view":
            return memoryview(bytearray(5000))[1000:2000]
        case "view":
            return memoryview(bytearray(1000))


@pytest.mark.parametrize("kind", ["view", "part of a view", *COPIED_BY_ASYNCIO])
async def test_any_writable_buffer_can_be_lent(connect, kind):
    protocol, _, peer = await connect(lend(writable(kind)))
    await peer.send(b"some data.")
    await protocol.until(lambda: len(protocol.taken) == 10)
    assert protocol.taken == b"some data."


@pytest.mark.fastloop_only
@pytest.mark.parametrize("kind", [*COPIED_BY_ASYNCIO, "memory map"])
async def test_any_writable_buffer_receives_many_records_at_once(connect, kind):
    protocol, _, peer = await connect(lend(writable(kind)))
    data = pattern(100_000)
    await peer.raw_send(b"".join(peer.encrypt(data[start : start + 50]) for start in range(0, 100_000, 50)))
    await protocol.until(lambda: len(protocol.taken) == 100_000)
    assert protocol.taken == data


async def test_views_receive_many_records_at_once(connect):
    protocol, _, peer = await connect(lend(writable("part of a view")))
    data = pattern(100_000)
    await peer.raw_send(b"".join(peer.encrypt(data[start : start + 50]) for start in range(0, 100_000, 50)))
    await protocol.until(lambda: len(protocol.taken) == 100_000)
    assert protocol.taken == data


async def test_updated_sizes_are_positive_and_not_larger_than_the_buffer(connect):
    sizes = []
    protocol, _, peer = await connect(RecordingBufferedProtocol(100, buffer_updated=lambda protocol, size: sizes.append(size)))
    await peer.send(bytes(10_000))
    await protocol.until_received(10_000)
    assert sum(sizes) == 10_000
    assert 0 < min(sizes) <= max(sizes) <= 100


async def check_ending_in_a_callback(connect, end, callback):
    """The transport is ended by the first call after the connection was made."""
    protocol = (RecordingProtocol if callback == "data_received" else RecordingBufferedProtocol)()
    _, _, peer = await connect(protocol)

    def end_transport(protocol, argument):
        getattr(protocol.transport, end)()
        return getattr(protocol, "buffer", None)

    protocol.hooks[callback] = end_transport
    await peer.raw_send(peer.encrypt(b"data") + peer.encrypt(b"more") + peer.close_notify())
    assert await protocol.until_lost() is None
    await settle()
    assert len(protocol.lost) == 1


@pytest.mark.parametrize("end", ["close", "abort"])
@pytest.mark.parametrize("callback", ["buffer_updated", "data_received"])
async def test_transport_may_be_ended_by_the_callbacks(connect, end, callback):
    await check_ending_in_a_callback(connect, end, callback)


@pytest.mark.fastloop_only
@pytest.mark.parametrize("end", ["close", "abort"])
async def test_transport_may_be_ended_by_get_buffer(connect, end):
    """In asyncio close() asks for another buffer."""
    await check_ending_in_a_callback(connect, end, "get_buffer")


@pytest.mark.parametrize("lent", [b"bytes", None, memoryview(b"bytes")], ids=lambda lent: type(lent).__name__)
async def test_buffer_that_cannot_be_filled_is_reported_and_ends_the_connection(connect, reported, lent):
    protocol, _, peer = await connect(RecordingBufferedProtocol())
    protocol.hooks["get_buffer"] = lambda protocol, hint: lent
    await peer.send(b"data")
    error = await protocol.until_lost()
    assert isinstance(error, TypeError)
    assert [(context["message"], context["exception"]) for context in reported] == [("Fatal error on SSL protocol", error)]


# Context


async def test_callbacks_run_in_the_context_in_which_the_connection_was_made(tls, loop):
    variable = contextvars.ContextVar("variable", default="outside")
    seen = []

    def see(*args):
        seen.append(variable.get())

    hooks = dict.fromkeys(["connection_made", "data_received", "eof_received", "connection_lost"], see)

    async def connect():
        variable.set("inside")
        return await tls.connected(**hooks)

    protocol, transport, peer = await asyncio.create_task(connect())
    await peer.send(b"x")
    await protocol.until_received(1)
    await peer.send_close_notify()
    await protocol.until_lost()
    assert seen == ["inside"] * 4


# Errors


@pytest.mark.parametrize("protocol_class", [RecordingProtocol, RecordingBufferedProtocol])
async def test_failing_protocol_receives_nothing_more(connect, protocol_class, reported):
    name = "data_received" if protocol_class is RecordingProtocol else "buffer_updated"
    protocol, transport, peer = await connect(protocol_class(**{name: fail}))
    await peer.raw_send(peer.encrypt(b"one") + peer.encrypt(b"two") + peer.close_notify())
    error = await protocol.until_lost()
    assert type(error) is ZeroDivisionError
    assert protocol.calls == ["connection_made", name, "connection_lost"]
    assert [(context["message"], context["exception"]) for context in reported] == [("Fatal error on SSL protocol", error)]


# What others have left behind


def leave_error_of_openssl():
    """As libraries on the same OpenSSL do that do not look at their errors. Skips where its functions cannot be called."""
    openssl = ctypes.CDLL(_ssl.__file__)
    if not hasattr(openssl, "ERR_set_error"):
        pytest.skip("Python's _ssl shows no functions of OpenSSL 3")
    openssl.ERR_new()
    openssl.ERR_set_error(ctypes.c_int(1), ctypes.c_int(2), None)


@pytest.mark.fastloop_only
async def test_error_that_others_have_left_is_not_the_connections(connect, tls_engine):
    if tls_engine != "direct":
        pytest.skip("Python's own calls take such an error for theirs")
    protocol, transport, peer = await connect()
    record = peer.encrypt(b"in two pieces")
    for piece in (record[:10], record[10:]):
        leave_error_of_openssl()
        await peer.raw_send(piece)
        await settle()
    assert await protocol.until_received(13) == b"in two pieces"
    leave_error_of_openssl()
    transport.write(b"answer")
    assert await peer.receive_some() == b"answer"
