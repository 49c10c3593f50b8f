"""What a TLS transport does with what is written to it.

Bytes arrive once, in order, as they were when write() was called. The end comes after them.
"""

import array
import asyncio

import pytest

from actors.authority import with_version
from actors.files import pattern
from actors.protocols import RecordingProtocol, echo

PIECES = [
    b"bytes",
    bytearray(b"bytearray"),
    memoryview(b"memoryview"),
    memoryview(bytearray(b"writable memoryview")),
    memoryview(b"a slice of a memoryview")[2:7],
    memoryview(b"0123456789")[::1],
    memoryview(array.array("I", range(20))),
    memoryview(array.array("d", range(10_000))),
    memoryview(bytes(range(24))).cast("B", shape=[4, 6]),
]


@pytest.mark.parametrize("data", PIECES, ids=lambda data: f"{type(data).__name__}-{getattr(data, 'nbytes', len(data))}")
@pytest.mark.parametrize("method", ["write", "writelines"])
async def test_bytes_like_object_arrives(connect, data, method):
    _, transport, peer = await connect()
    transport.write(data) if method == "write" else transport.writelines([data, b"|", data])
    expected = bytes(data) if method == "write" else bytes(data) + b"|" + bytes(data)
    assert await peer.receive(len(expected)) == expected


@pytest.mark.parametrize("data", ["text", None, 5, [b"list"], object(), array.array("B", b"array")], ids=lambda data: type(data).__name__)
async def test_writing_anything_else_raises_type_error_and_changes_nothing(connect, data):
    _, transport, peer = await connect()
    with pytest.raises(TypeError):
        transport.write(data)
    assert transport.is_closing() is False
    transport.write(b"still works")
    assert await peer.receive(11) == b"still works"


async def test_bytearray_may_change_after_write(connect):
    _, transport, peer = await connect()
    data = bytearray(pattern(300_000))
    expected = bytes(data)
    transport.write(data)
    data[:] = bytes(300_000)
    # It is not locked either.
    data.clear()
    assert await peer.receive(300_000) == expected


async def test_writing_nothing_sends_nothing(connect):
    _, transport, peer = await connect()
    before = peer.received_bytes
    for empty in (b"", bytearray(), memoryview(b"")):
        transport.write(empty)
    transport.writelines([])
    transport.write(b"x")
    assert await peer.receive_some() == b"x"
    assert peer.received_bytes - before < 1000
    assert transport.get_write_buffer_size() == 0


@pytest.mark.parametrize("pieces", [[b""], [b"", b"a", b"", b"b"], [b"a"] * 1000, [pattern(20_000)] * 10], ids=len)
async def test_lines_arrive_in_order(connect, pieces):
    _, transport, peer = await connect()
    transport.writelines(iter(pieces))
    transport.write(b"end")
    expected = b"".join(pieces) + b"end"
    assert await peer.receive(len(expected)) == expected


async def test_end_of_writing_alone_is_not_supported(connect):
    _, transport, _ = await connect()
    assert transport.can_write_eof() is False
    with pytest.raises(NotImplementedError):
        transport.write_eof()
    assert not transport.is_closing()


async def test_thousands_of_small_writes_arrive_in_order(connect, version, tls):
    with_version(tls.contexts[1], version)
    _, transport, peer = await connect()
    expected = bytearray()
    for number in range(5000):
        piece = b"%d," % number
        expected += piece
        transport.write(piece)
        if number % 97 == 0:
            await asyncio.sleep(0)
    assert await peer.receive(len(expected)) == expected


@pytest.mark.fastloop_only
async def test_writes_of_one_callback_become_few_records(connect, tls):
    with_version(tls.contexts[1], "TLSv1.3")
    _, transport, peer = await connect()
    transport.write(b"x")
    await peer.receive(1)
    # A loop may learn that writes come in groups.
    for _ in range(3):
        before = peer.received_bytes
        for _ in range(1000):
            transport.write(b"0123456789")
        await peer.receive(10_000)
    # 22 bytes are added to each record.
    assert peer.received_bytes - before < 11_000


async def test_what_is_written_when_the_connection_is_made_is_sent_first(connect):
    _, transport, peer = await connect(connection_made=lambda _, transport: transport.write(b"first"))
    transport.write(b"second")
    assert await peer.receive(11) == b"firstsecond"


@pytest.mark.parametrize("size", [1, 16_383, 16_384, 16_385, 65_536, 3_000_000])
async def test_data_of_every_size_arrives_both_ways(connect_in_every_way, size):
    protocol, _, peer = await connect_in_every_way(data_received=echo)
    data = pattern(size)
    _, received = await asyncio.gather(peer.send(data), peer.receive(size))
    assert received == data == protocol.received


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_what_is_written_after_the_end_is_dropped(connect, end):
    protocol, transport, peer = await connect()
    transport.write(b"before")
    assert await peer.receive(6) == b"before"
    getattr(transport, end)()
    transport.write(b"after")
    transport.writelines([b"after"])
    with pytest.raises(TypeError):
        transport.write("after")
    assert transport.get_write_buffer_size() == 0
    if end == "close":
        assert await peer.receive_all() == b""
        await peer.send_close_notify()
    assert await protocol.until_lost() is None
    for _ in range(10):
        transport.write(b"long after")


async def test_big_bodies_travel_both_ways_at_once_past_pausing_readers(tls):
    size = 20_000_000
    data = pattern(size)

    def pause_now_and_then(protocol, _):
        protocol.deliveries = getattr(protocol, "deliveries", 0) + 1
        if protocol.deliveries % 5 == 0:
            protocol.transport.pause_reading()
            asyncio.get_running_loop().call_soon(protocol.transport.resume_reading)

    client, server = (RecordingProtocol(data_received=pause_now_and_then) for _ in range(2))
    await tls.both(client, server)

    async def write(protocol):
        for start in range(0, size, 100_000):
            await protocol.until(lambda: protocol.calls.count("pause_writing") == protocol.calls.count("resume_writing"))
            protocol.transport.write(data[start : start + 100_000])

    await asyncio.gather(write(client), write(server))
    for protocol in client, server:
        assert await protocol.until_received(size) == data
