"""How a stream transport ends what it writes: write_eof(), close() and abort(), and what is written too late.

What was written before the end arrives before it, unless it is aborted; connection_lost() comes once, and never from within
close(). On accepted TCP connections and on Unix sockets.
"""

import asyncio

import pytest

from actors.files import pattern
from actors.kernel import settle


async def test_can_write_eof(connect):
    _, transport, _ = await connect()
    assert transport.can_write_eof() is True


@pytest.mark.parametrize("size", [0, 10, 3_000_000])
async def test_end_written_after_data_arrives_after_it_and_the_other_direction_lives(connect, size):
    protocol, transport, peer = await connect()
    data = pattern(size)
    transport.write(data)
    transport.write_eof()
    transport.write_eof()
    assert await peer.receive_all() == data
    assert transport.is_closing() is False
    await peer.send(b"answer")
    assert await protocol.until_received(6) == b"answer"


async def test_writing_after_the_end_raises_runtime_error(connect):
    _, transport, peer = await connect()
    transport.write(b"before")
    transport.write_eof()
    with pytest.raises(RuntimeError, match="after write_eof"):
        transport.write(b"after")
    with pytest.raises(RuntimeError, match="after write_eof"):
        transport.writelines([b"after"])
    assert await peer.receive_all() == b"before"


@pytest.mark.parametrize("size", [0, 10, 3_000_000])
@pytest.mark.parametrize("write_eof", [False, True], ids=["", "after the end"])
async def test_close_sends_what_was_written_before_and_the_connection_is_lost_later(connect, size, write_eof):
    protocol, transport, peer = await connect()
    data = pattern(size)
    transport.write(data)
    if write_eof:
        transport.write_eof()
    transport.close()
    assert transport.is_closing() is True
    assert protocol.lost == []
    assert await peer.receive_all() == data
    assert await protocol.until_lost() is None
    assert protocol.calls.count("connection_lost") == 1


@pytest.mark.parametrize("size", [0, 10, 3_000_000])
async def test_abort_drops_what_is_not_sent(connect, size):
    protocol, transport, peer = await connect()
    data = pattern(size)
    transport.write(data)
    transport.abort()
    assert transport.is_closing() is True
    assert transport.get_write_buffer_size() == 0
    assert protocol.lost == []
    assert await protocol.until_lost() is None
    assert data.startswith(await peer.receive_all())


@pytest.mark.parametrize("first", ["close", "abort"])
@pytest.mark.parametrize("second", ["close", "abort"])
async def test_closing_twice_loses_the_connection_once(connect, first, second):
    protocol, transport, _ = await connect()
    getattr(transport, first)()
    getattr(transport, second)()
    await protocol.until_lost()
    getattr(transport, second)()
    await settle()
    assert protocol.lost == [None]


async def test_abort_after_close_does_not_wait_for_the_reader(narrow_connect):
    protocol, transport, _ = await narrow_connect()
    transport.write(bytes(3_000_000))
    transport.close()
    transport.abort()
    assert await protocol.until_lost() is None


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_writes_after_the_end_of_the_transport_are_dropped(connect, end):
    protocol, transport, peer = await connect()
    transport.write(b"before")
    await asyncio.sleep(0)
    getattr(transport, end)()
    for _ in range(10):
        transport.write(b"after")
    await protocol.until_lost()
    for _ in range(10):
        transport.write(b"after")
    transport.write_eof()
    assert transport.get_write_buffer_size() == 0
    assert await peer.receive_all() == b"before"


async def test_write_after_a_close_that_waits_for_the_reader_harms_nothing(narrow_connect):
    protocol, transport, peer = await narrow_connect()
    data = pattern(1_000_000)
    transport.write(data)
    transport.close()
    # asyncio still sends it, but promises nothing.
    transport.write(b"after")
    received = await peer.receive_all()
    assert received in (data, data + b"after")
    assert await protocol.until_lost() is None


# asyncio of Python 3.12 and 3.13.0 raises AttributeError.
@pytest.mark.fastloop_only
@pytest.mark.parametrize("end", ["close", "abort", "peer leaves"])
async def test_lines_written_after_the_end_are_dropped(connect, end):
    protocol, transport, peer = await connect()
    if end == "peer leaves":
        peer.close()
    else:
        getattr(transport, end)()
    for _ in range(10):
        transport.writelines([b"after", b"after"])
    await protocol.until_lost()
    for _ in range(10):
        transport.writelines([b"after", b"after"])
    assert transport.get_write_buffer_size() == 0
    assert len(protocol.lost) == 1


# asyncio raises AttributeError.
@pytest.mark.fastloop_only
async def test_write_after_a_close_that_waited_for_the_reader_is_dropped(narrow_connect):
    protocol, transport, peer = await narrow_connect()
    transport.write(bytes(1_000_000))
    transport.close()
    await peer.receive_all()
    await protocol.until_lost()
    transport.write(b"after")
    transport.writelines([b"after"])
    transport.abort()


async def test_writing_to_a_peer_that_left_never_raises(connect):
    protocol, transport, peer = await connect()
    transport.pause_reading()
    peer.close()
    for _ in range(30):
        transport.write(b"nobody reads this")
        await settle()
    error = await protocol.until_lost()
    assert isinstance(error, ConnectionError)
    assert len(protocol.lost) == 1
