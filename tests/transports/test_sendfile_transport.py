"""sendfile() on transports: its order among reads and writes, and connections that end while it sends.

test_sendfile.py tests what it has in common with sock_sendfile().
"""

import asyncio

import pytest

from actors.coroutines import cancel
from actors.failures import fail
from actors.files import pattern
from actors.kernel import settle, start
from actors.protocols import RecordingProtocol

SIZE = 300_000
# More than the kernel keeps for a connection.
LARGE = 12_000_000


@pytest.fixture
def content():
    return pattern(SIZE)


async def test_file_is_sent_between_what_is_written_before_and_after(loop, connect, make_file, content):
    _, transport, peer = await connect()

    async def write():
        transport.write(content[:200_000])
        transport.write(b"before")
        assert await loop.sendfile(transport, make_file(content)) == SIZE
        transport.write(b"between")
        assert await loop.sendfile(transport, make_file(b"small file")) == 10
        assert await loop.sendfile(transport, make_file(b"")) == 0
        transport.write(b"after")
        transport.close()

    writing = asyncio.ensure_future(write())
    assert await peer.receive_all() == content[:200_000] + b"before" + content + b"betweensmall fileafter"
    await writing


async def test_writing_meanwhile_is_refused(loop, narrow_connect, make_file):
    _, transport, peer = await narrow_connect()
    data = pattern(LARGE)
    sending = await start(loop.sendfile(transport, make_file(data)))
    with pytest.raises(RuntimeError, match="sendfile is in progress"):
        transport.write(b"in between")
    with pytest.raises(RuntimeError, match="sendfile is in progress"):
        transport.writelines([b"in between"])
    assert await peer.receive(LARGE) == data
    await sending
    transport.write(b"after")
    assert await peer.receive(5) == b"after"


async def test_data_that_arrives_meanwhile_is_not_lost(loop, narrow_connect, make_file):
    protocol, transport, peer = await narrow_connect()
    data = pattern(LARGE)
    sending = await start(loop.sendfile(transport, make_file(data)))
    await peer.send(b"question")
    assert await peer.receive(LARGE) == data
    await sending
    assert await protocol.until_received(8) == b"question"
    assert transport.is_reading() is True


async def test_reading_paused_before_stays_paused(loop, connect, make_file, content):
    protocol, transport, peer = await connect()
    transport.pause_reading()
    await peer.send(b"early")
    sending = asyncio.ensure_future(loop.sendfile(transport, make_file(content)))
    await peer.receive(SIZE)
    await sending
    await settle()
    assert transport.is_reading() is False
    assert protocol.received == b""
    transport.resume_reading()
    assert await protocol.until_received(5) == b"early"


# asyncio leaves the file's position as it was, though its documentation says that tell() gives the number of bytes sent.
@pytest.mark.fastloop_only
async def test_file_of_a_cancelled_sending_stands_where_it_was_cut(loop, narrow_connect, make_file):
    _, transport, peer = await narrow_connect()
    file = make_file(pattern(LARGE))
    sending = await start(loop.sendfile(transport, file))
    await cancel(sending)
    transport.close()
    assert len(await peer.receive_all()) == file.tell()


async def test_sending_that_fails_before_it_begins_leaves_the_transport_writable(loop, connect, make_file, monkeypatch):
    _, transport, peer = await connect()
    with monkeypatch.context() as patch:
        patch.setattr(loop, "create_future", fail)
        with pytest.raises(ZeroDivisionError):
            await loop.sendfile(transport, make_file(b"data"))
    transport.write(b"after")
    assert await peer.receive(5) == b"after"


# asyncio does not ask done().
@pytest.mark.fastloop_only
async def test_future_whose_done_ends_the_sending_is_still_done(loop, narrow_connect, make_file, monkeypatch):
    _, transport, peer = await narrow_connect()

    class Ending(asyncio.Future):
        def done(self):
            transport._reset_empty_waiter()
            return super().done()

    transport.write(bytes(LARGE))
    with monkeypatch.context() as patch:
        patch.setattr(loop, "create_future", lambda: Ending(loop=loop))
        waiter = transport._make_empty_waiter()
    assert await peer.receive(LARGE) == bytes(LARGE)
    await waiter
    transport.write(b"after")
    assert await peer.receive(5) == b"after"


# asyncio sets the result of the sending twice, and reports an InvalidStateError.
@pytest.mark.fastloop_only
@pytest.mark.time_limit(5)
async def test_transport_aborted_meanwhile_ends_the_sending_with_an_error(loop, connections, make_file):
    protocol, transport, _ = await connections.tcp()
    sending = asyncio.ensure_future(loop.sendfile(transport, make_file(bytes(LARGE))))
    await settle()
    transport.abort()
    with pytest.raises(ConnectionError):
        await sending
    assert await protocol.until_lost() is None
    assert len(protocol.lost) == 1


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_closing_transport_is_refused(loop, connect, make_file, end):
    _, transport, _ = await connect()
    getattr(transport, end)()
    with pytest.raises(RuntimeError, match="Transport is closing"):
        await loop.sendfile(transport, make_file(b"data"))


async def test_transport_of_another_kind_is_refused(loop, make_file):
    class OtherTransport(asyncio.Transport):
        def is_closing(self):
            return False

    with pytest.raises(RuntimeError, match="sendfile is not supported for transport"):
        await loop.sendfile(OtherTransport(), make_file(b"data"))


async def test_file_travels_through_tls_by_the_fallback_only(loop, serve, make_file, content, tls_contexts, connect_by_tls):
    accepted = RecordingProtocol()
    transport, made = await connect_by_tls(await serve(lambda: accepted, ssl=tls_contexts[0]))
    with pytest.raises(RuntimeError, match="fallback is disabled"):
        await loop.sendfile(transport, make_file(content), fallback=False)
    assert await loop.sendfile(transport, make_file(content), 7) == SIZE - 7
    assert await accepted.until_received(SIZE - 7) == content[7:]
    await made.close()
    await accepted.until_lost()
