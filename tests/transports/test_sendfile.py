"""Sending files: sendfile() on transports and sock_sendfile() on sockets; which bytes are sent and the file's position afterwards.

The position before never matters, only the offset. With a fallback, anything that can be read can be sent.
"""

import asyncio
import io
import socket

import pytest

from actors.connections import tcp_pair
from actors.coroutines import cancel
from actors.files import pattern
from actors.kernel import start

SIZE = 300_000
# More than the kernel keeps for a connection.
LARGE = 12_000_000


class TransportSender:
    """Sends files with sendfile()."""

    def __init__(self, loop, protocol, transport, peer):
        self._loop = loop
        self._transport = transport
        self._protocol = protocol
        self.peer = peer

    async def send_file(self, *args, **options):
        return await self._loop.sendfile(self._transport, *args, **options)

    async def write(self, data):
        self._transport.write(data)

    async def close(self):
        """Close; a protocol loses its connection once."""
        self._transport.close()
        await self._protocol.until_lost()
        assert len(self._protocol.lost) == 1


class SocketSender:
    """Sends files with sock_sendfile()."""

    def __init__(self, loop, sock, peer):
        self._loop = loop
        self.sock = sock
        self.peer = peer

    async def send_file(self, *args, **options):
        return await self._loop.sock_sendfile(self.sock, *args, **options)

    async def write(self, data):
        await self._loop.sock_sendall(self.sock, data)

    async def close(self):
        self.sock.close()


@pytest.fixture
def socket_sender(loop, no_leaks, make_peer):
    sock, accepted = tcp_pair()
    with sock:
        sock.setblocking(False)
        yield SocketSender(loop, sock, make_peer(accepted))


@pytest.fixture(params=["accepted", "unix", "socket"])
def make_sender(request, loop, connections, socket_sender):
    """A coroutine function that makes the sending end of a connection."""

    async def make():
        if request.param == "socket":
            return socket_sender
        return TransportSender(loop, *await getattr(connections, request.param)())

    return make


@pytest.fixture
def content():
    return pattern(SIZE)


PARTS = [
    # offset, count, the part of the file that is meant
    (0, None, slice(0, None)),
    (0, 10, slice(0, 10)),
    (100, None, slice(100, None)),
    (100, 200_000, slice(100, 200_100)),
    (SIZE - 5, 100, slice(SIZE - 5, None)),
    (0, 10 * SIZE, slice(0, None)),
    (SIZE, None, slice(0, 0)),
    (SIZE + 5, 10, slice(0, 0)),
]


@pytest.mark.parametrize("offset, count, part", PARTS)
@pytest.mark.parametrize("options", [{}, {"buffering": 0}], ids=["buffered", "unbuffered"])
async def test_part_of_a_file_is_sent(make_sender, make_file, content, offset, count, part, options):
    sender = await make_sender()
    file = make_file(content, **options)
    file.seek(17)
    expected = content[part]
    sending = asyncio.ensure_future(sender.send_file(file, offset, count))
    assert await sender.peer.receive(len(expected)) == expected
    assert await sending == len(expected)
    # Where nothing was sent, the position depends on the version of Python.
    assert expected == b"" or file.tell() == offset + len(expected)


async def test_file_waits_for_a_slow_reader(make_sender, make_file):
    sender = await make_sender()
    data = pattern(LARGE)
    sending = await start(sender.send_file(make_file(data), fallback=False))
    assert await sender.peer.receive(LARGE) == data
    assert await sending == LARGE
    await sender.write(b"after")
    assert await sender.peer.receive(5) == b"after"


async def test_cancelled_sending_leaves_the_connection_usable(make_sender, make_file):
    sender = await make_sender()
    data = pattern(LARGE)
    sending = await start(sender.send_file(make_file(data)))
    await cancel(sending)
    receiving = asyncio.ensure_future(sender.peer.receive_all())
    await sender.write(b"after")
    await sender.close()
    received = await receiving
    assert received.endswith(b"after")
    assert data.startswith(received[:-5])
    assert 0 < len(received) - 5 < LARGE


@pytest.mark.parametrize("leave", ["close", "reset"])
async def test_peer_that_leaves_ends_the_sending_with_an_error(make_sender, make_file, leave):
    sender = await make_sender()
    file = make_file(bytes(LARGE))
    sending = await start(sender.send_file(file))
    getattr(sender.peer, leave)()
    with pytest.raises(ConnectionError):
        await sending
    assert 0 < file.tell() < LARGE
    await sender.close()


async def test_what_is_no_file_is_read_and_written(make_sender, content):
    sender = await make_sender()
    file = io.BytesIO(content)
    sending = asyncio.ensure_future(sender.send_file(file, 5, 100_000))
    assert await sender.peer.receive(100_000) == content[5:100_005]
    assert await sending == 100_000
    assert file.tell() == 100_005
    with pytest.raises(asyncio.SendfileNotAvailableError):
        await sender.send_file(file, fallback=False)
    await sender.write(b"after")
    assert await sender.peer.receive(5) == b"after"


async def test_socket_receives_while_it_sends_a_file(loop, socket_sender, make_file):
    data = pattern(LARGE)
    sending = asyncio.ensure_future(socket_sender.send_file(make_file(data)))
    receiving = await start(loop.sock_recv(socket_sender.sock, 100))
    await socket_sender.peer.send(b"question")
    assert await receiving == b"question"
    assert not sending.done()
    assert await socket_sender.peer.receive(LARGE) == data
    assert await sending == LARGE


# What is refused


async def test_wrong_sockets_are_refused(loop, socket_sender, make_file, tls_contexts):
    loop.set_debug(True)
    with socket.socket(type=socket.SOCK_DGRAM) as datagram:
        datagram.setblocking(False)
        with pytest.raises(ValueError, match="only SOCK_STREAM"):
            await loop.sock_sendfile(datagram, make_file(b"data"))
    sock = socket_sender.sock
    sock.setblocking(True)
    with pytest.raises(ValueError, match="must be non-blocking"):
        await loop.sock_sendfile(sock, make_file(b"data"))
    sock.setblocking(False)
    with tls_contexts[1].wrap_socket(sock, server_hostname="localhost", do_handshake_on_connect=False) as wrapped:
        with pytest.raises(TypeError, match="SSLSocket"):
            await loop.sock_sendfile(wrapped, make_file(b"data"))


@pytest.mark.parametrize(
    "arguments, error",
    [((0, 0), ValueError), ((0, -1), ValueError), ((0, "1"), TypeError), ((0, 1.0), TypeError), ((-1,), ValueError), (("0",), TypeError)],
    ids=str,
)
async def test_wrong_arguments_are_refused(make_sender, make_file, arguments, error):
    sender = await make_sender()
    with pytest.raises(error):
        await sender.send_file(make_file(b"data"), *arguments)
    await sender.write(b"after")
    assert await sender.peer.receive(5) == b"after"


async def test_file_opened_as_text_is_refused(make_sender, tmp_path):
    sender = await make_sender()
    path = tmp_path / "text"
    path.write_text("text")
    with path.open() as file:
        with pytest.raises(ValueError, match="binary mode"):
            await sender.send_file(file)
