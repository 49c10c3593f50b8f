"""sendfile() over TLS: the content arrives once, in order with what is written, by whatever means."""

import asyncio
import contextlib

import pytest

from actors.coroutines import cancel
from actors.files import pattern
from actors.kernel import start

SIZE = 3_000_000


@pytest.fixture
def make_file(tmp_path, no_leaks):
    """A function that writes a file and opens it for reading."""
    with contextlib.ExitStack() as closing:

        def make(content):
            path = tmp_path / "file"
            path.write_bytes(content)
            return closing.enter_context(path.open("rb"))

        yield make


@pytest.mark.parametrize("size", [0, 1, 16_384, SIZE])
async def test_file_arrives_between_what_is_written_before_and_after(connect, loop, make_file, size):
    _, transport, peer = await connect()
    content = pattern(size)

    async def write():
        transport.write(b"before")
        assert await loop.sendfile(transport, make_file(content)) == size
        transport.write(b"after")

    _, received = await asyncio.gather(write(), peer.receive(size + 11))
    assert received == b"before" + content + b"after"


@pytest.mark.parametrize(("offset", "count"), [(0, 100), (7, None), (SIZE - 1, 100), (100, SIZE - 200)])
async def test_part_of_a_file_arrives(connect, loop, make_file, offset, count):
    _, transport, peer = await connect()
    file = make_file(pattern(SIZE))
    expected = pattern(SIZE)[offset : None if count is None else offset + count]
    sent, received = await asyncio.gather(loop.sendfile(transport, file, offset, count), peer.receive(len(expected)))
    assert (sent, received) == (len(expected), expected)
    assert file.tell() == offset + len(expected)


async def test_reading_goes_on_while_a_file_is_sent(connect, loop, make_file):
    protocol, transport, peer = await connect()
    sending = asyncio.ensure_future(loop.sendfile(transport, make_file(pattern(SIZE))))
    await peer.send(b"in between")
    assert await peer.receive(SIZE) == pattern(SIZE)
    await sending
    assert await protocol.until_received(10) == b"in between"
    assert transport.get_protocol() is protocol


async def test_cancelled_sendfile_leaves_a_transport_that_works(narrow_connect, loop, make_file):
    protocol, transport, peer = await narrow_connect()
    sending = await start(loop.sendfile(transport, make_file(pattern(20_000_000))))
    await cancel(sending)
    assert transport.get_protocol() is protocol
    transport.write(b"the end")
    received = bytearray()
    while not received.endswith(b"the end"):
        received += await peer.receive_some()
    assert received[:-7] == pattern(20_000_000)[: len(received) - 7]


@pytest.mark.parametrize("end", ["reset", "abort", "unwrap"])
async def test_connection_that_ends_while_a_file_is_sent(narrow_connect, loop, make_file, end):
    protocol, transport, peer = await narrow_connect()
    sending = await start(loop.sendfile(transport, make_file(pattern(20_000_000))))
    if end == "reset":
        peer.reset()
    elif end == "abort":
        transport.abort()
    else:
        with contextlib.suppress(ConnectionError):
            await peer.send_close_notify()
            peer.close()
    # asyncio may drop the rest after a close_notify, as it does with what is written.
    with contextlib.suppress(ConnectionError) if end == "unwrap" else pytest.raises(ConnectionError):
        await sending
    await protocol.until_lost()
    assert len(protocol.lost) == 1


async def test_closed_transport_is_refused(tls, loop, make_file):
    protocol, transport, peer = await tls.connected()
    transport.close()
    with pytest.raises(RuntimeError, match="Transport is closing"):
        await loop.sendfile(transport, make_file(b"x"))
    await peer.unwrap()
    await protocol.until_lost()
