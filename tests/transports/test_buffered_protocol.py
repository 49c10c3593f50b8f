"""Protocols that lend their own buffer: get_buffer() and buffer_updated(), on accepted TCP connections and on Unix sockets.

What they have in common with others is in test_transport_reading.py.

The transport fills at most what it was lent, says how much, and does not keep the buffer afterwards.
"""

import asyncio
import mmap

import pytest

from actors.files import pattern
from actors.kernel import settle
from actors.protocols import RecordingBufferedProtocol, RecordingProtocol


@pytest.mark.parametrize("buffer_size, size", [(1, 3000), (7, 20_000), (4096, 1_000_000), (262_144, 5_000_000), (8_000_000, 5_000_000)])
async def test_data_arrives_whole_through_buffers_of_any_size(connect, buffer_size, size):
    protocol, _, peer = await connect(RecordingBufferedProtocol(buffer_size))
    data = pattern(size)
    await peer.send(data)
    assert await protocol.until_received(size) == data


async def test_updated_sizes_are_positive_and_not_larger_than_the_buffer(connect):
    sizes = []
    protocol, _, peer = await connect(RecordingBufferedProtocol(100, buffer_updated=lambda protocol, size: sizes.append(size)))
    await peer.send(bytes(10_000))
    await protocol.until_received(10_000)
    assert sum(sizes) == 10_000
    assert 0 < min(sizes) <= max(sizes) <= 100


@pytest.mark.parametrize("kind", ["bytearray", "memoryview", "part of a memoryview", "memory map"])
async def test_any_writable_buffer_can_be_lent(connect, kind):
    buffer = mmap.mmap(-1, 4096) if kind == "memory map" else bytearray(4096)
    lent = {"memoryview": memoryview(buffer), "part of a memoryview": memoryview(buffer)[100:200]}.get(kind, buffer)
    updated = []
    protocol = RecordingBufferedProtocol(get_buffer=lambda protocol, hint: lent)
    protocol.hooks["buffer_updated"] = lambda protocol, size: updated.append(bytes(lent[:size]))
    _, transport, peer = await connect(protocol)
    await peer.send(b"some data")
    await protocol.until(lambda: updated)
    assert updated == [b"some data"]
    if kind == "part of a memoryview":
        assert buffer[99:110] == b"\0some data\0"
    transport.abort()
    await protocol.until_lost()


async def test_lent_bytearray_can_be_resized_by_buffer_updated(connect):
    received = bytearray()
    buffer = bytearray(50)

    def take(protocol, size):
        received.extend(buffer[:size])
        del buffer[:]
        buffer.extend(bytes(len(received) % 60 + 1))

    protocol, _, peer = await connect(RecordingBufferedProtocol(get_buffer=lambda protocol, hint: buffer, buffer_updated=take))
    await peer.send(bytes(range(256)) * 8)
    await protocol.until(lambda: len(received) == 2048)
    assert received == bytes(range(256)) * 8


async def test_lent_view_can_be_released_by_buffer_updated(connect):
    received = bytearray()

    def lend(protocol, hint):
        protocol.view = memoryview(bytearray(10))
        return protocol.view

    def take(protocol, size):
        received.extend(protocol.view[:size])
        protocol.view.release()

    protocol, _, peer = await connect(RecordingBufferedProtocol(get_buffer=lend, buffer_updated=take))
    await peer.send(b"0123456789" * 20)
    await protocol.until(lambda: len(received) == 200)
    assert received == b"0123456789" * 20


async def test_reading_paused_by_buffer_updated_stops_there(connect):
    protocol, transport, peer = await connect(
        RecordingBufferedProtocol(5, buffer_updated=lambda protocol, size: protocol.transport.pause_reading())
    )
    await peer.send(b"0123456789")
    await protocol.until_received(1)
    await settle()
    assert protocol.received == b"01234"
    transport.resume_reading()
    assert await protocol.until_received(10) == b"0123456789"


@pytest.mark.parametrize("end", ["close", "abort"])
@pytest.mark.parametrize("callback", ["get_buffer", "buffer_updated"])
async def test_transport_may_be_closed_by_the_callbacks(connect, end, callback):
    protocol = RecordingBufferedProtocol()

    def end_transport(protocol, argument):
        getattr(protocol.transport, end)()
        return protocol.buffer

    protocol.hooks[callback] = end_transport
    _, _, peer = await connect(protocol)
    await peer.send(b"data")
    assert await protocol.until_lost() is None
    await settle()
    assert len(protocol.lost) == 1


# Protocols that make mistakes


@pytest.mark.parametrize("empty", [b"", bytearray(), memoryview(bytearray())], ids=lambda empty: type(empty).__name__)
async def test_empty_buffer_is_reported_and_ends_the_connection(connect, reported, empty):
    protocol, transport, peer = await connect(RecordingBufferedProtocol(get_buffer=lambda protocol, hint: empty))
    await peer.send(b"data")
    error = await protocol.until_lost()
    assert (type(error), str(error)) == (RuntimeError, "get_buffer() returned an empty buffer")
    (context,) = reported
    assert context["message"] == "Fatal error: protocol.get_buffer() call failed."
    assert (context["exception"], context["transport"], context["protocol"]) == (error, transport, protocol)


@pytest.mark.parametrize("wrong", [b"read-only", None, 5, "text"], ids=lambda wrong: type(wrong).__name__)
async def test_what_is_no_writable_buffer_is_reported_and_ends_the_connection(connect, reported, wrong):
    protocol, _, peer = await connect(RecordingBufferedProtocol(get_buffer=lambda protocol, hint: wrong))
    await peer.send(b"data")
    error = await protocol.until_lost()
    assert isinstance(error, TypeError | BufferError)
    assert [context["exception"] for context in reported] == [error]


# Other protocols


async def test_protocols_that_take_turns_get_every_byte_once(connect):
    data = pattern(400_000)
    received = bytearray()
    is_complete = asyncio.get_running_loop().create_future()
    plain, buffered = RecordingProtocol(), RecordingBufferedProtocol(1000)

    def take(piece, next_protocol):
        received.extend(piece)
        plain.transport.set_protocol(next_protocol)
        if len(received) >= len(data):
            is_complete.set_result(None)

    plain.hooks["data_received"] = lambda protocol, piece: take(piece, buffered)
    buffered.hooks["buffer_updated"] = lambda protocol, size: take(protocol.buffer[:size], plain)
    _, _, peer = await connect(plain)
    for start in range(0, len(data), 700):
        await peer.send(data[start : start + 700])
        await asyncio.sleep(0)
    await is_complete
    assert received == data
