"""sock_sendfile() on sockets: which bytes leave and where the file stands then; and what it and sendfile() refuse.

The file's own position never matters, only the offset; with a fallback, anything that can be read can be sent.
"""

import asyncio
import io
import socket

import pytest

SIZE = 300_000
# More than the kernel keeps for a connection.
LARGE = 12_000_000


@pytest.fixture
def pair(loop, no_leaks, make_peer):
    """A connected TCP socket that does not block, and its Peer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sock = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
    with sock:
        sock.setblocking(False)
        yield sock, make_peer(accepted)


@pytest.fixture
def content(pattern):
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
def test_part_of_a_file_is_sent_through_a_socket(run, loop, pair, make_file, content, offset, count, part, options):
    async def main():
        sock, peer = pair
        file = make_file(content, **options)
        file.seek(17)
        expected = content[part]
        sending = asyncio.ensure_future(loop.sock_sendfile(sock, file, offset, count))
        assert await peer.receive(len(expected)) == expected
        assert await sending == len(expected)
        # Where nothing was sent, the position depends on the version of Python.
        assert expected == b"" or file.tell() == offset + len(expected)

    run(main())


def test_file_waits_for_a_slow_reader_of_a_socket(run, loop, pair, settle, make_file, pattern):
    async def main():
        sock, peer = pair
        data = pattern(LARGE)
        sending = asyncio.ensure_future(loop.sock_sendfile(sock, make_file(data), fallback=False))
        await settle()
        assert not sending.done()
        assert await peer.receive(LARGE) == data
        assert await sending == LARGE
        await loop.sock_sendall(sock, b"after")
        assert await peer.receive(5) == b"after"

    run(main())


def test_socket_receives_while_it_sends_a_file(run, loop, pair, settle, make_file, pattern):
    async def main():
        sock, peer = pair
        data = pattern(LARGE)
        sending = asyncio.ensure_future(loop.sock_sendfile(sock, make_file(data)))
        receiving = asyncio.ensure_future(loop.sock_recv(sock, 100))
        await settle()
        await peer.send(b"question")
        assert await receiving == b"question"
        assert not sending.done()
        assert await peer.receive(LARGE) == data
        assert await sending == LARGE

    run(main())


def test_cancelled_sending_leaves_the_socket_usable(run, loop, pair, settle, make_file, pattern):
    async def main():
        sock, peer = pair
        data = pattern(LARGE)
        sending = asyncio.ensure_future(loop.sock_sendfile(sock, make_file(data)))
        await settle()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        receiving = asyncio.ensure_future(peer.receive_all())
        await loop.sock_sendall(sock, b"after")
        sock.close()
        received = await receiving
        assert received.endswith(b"after")
        assert data.startswith(received[:-5])

    run(main())


def test_peer_of_a_socket_that_leaves_ends_the_sending_with_an_error(run, loop, pair, settle, make_file):
    async def main():
        sock, peer = pair
        file = make_file(bytes(LARGE))
        sending = asyncio.ensure_future(loop.sock_sendfile(sock, file))
        await settle()
        peer.reset()
        with pytest.raises(ConnectionError):
            await sending
        assert 0 < file.tell() < LARGE

    run(main())


def test_what_is_no_file_is_read_and_sent_through_a_socket(run, loop, pair, content):
    async def main():
        sock, peer = pair
        file = io.BytesIO(content)
        sending = asyncio.ensure_future(loop.sock_sendfile(sock, file, 5, 100_000))
        assert await peer.receive(100_000) == content[5:100_005]
        assert await sending == 100_000
        assert file.tell() == 100_005
        with pytest.raises(asyncio.SendfileNotAvailableError):
            await loop.sock_sendfile(sock, file, fallback=False)

    run(main())


def test_wrong_sockets_are_refused(run, loop, pair, make_file, tls_contexts):
    async def main():
        with socket.socket(type=socket.SOCK_DGRAM) as datagram:
            datagram.setblocking(False)
            with pytest.raises(ValueError, match="only SOCK_STREAM"):
                await loop.sock_sendfile(datagram, make_file(b"data"))
        sock, _ = pair
        sock.setblocking(True)
        with pytest.raises(ValueError, match="must be non-blocking"):
            await loop.sock_sendfile(sock, make_file(b"data"))
        sock.setblocking(False)
        with tls_contexts[1].wrap_socket(sock, server_hostname="localhost", do_handshake_on_connect=False) as wrapped:
            with pytest.raises(TypeError, match="SSLSocket"):
                await loop.sock_sendfile(wrapped, make_file(b"data"))

    loop.set_debug(True)
    run(main())


@pytest.mark.parametrize(
    "arguments, error",
    [((0, 0), ValueError), ((0, -1), ValueError), ((0, "1"), TypeError), ((0, 1.0), TypeError), ((-1,), ValueError), (("0",), TypeError)],
    ids=str,
)
@pytest.mark.parametrize("on_transport", [True, False], ids=["transport", "socket"])
def test_wrong_arguments_are_refused(run, loop, connections, pair, make_protocol, make_file, arguments, error, on_transport):
    async def main():
        if on_transport:
            transport, peer = await connections.tcp(make_protocol())
            with pytest.raises(error):
                await loop.sendfile(transport, make_file(b"data"), *arguments)
            transport.write(b"after")
        else:
            sock, peer = pair
            with pytest.raises(error):
                await loop.sock_sendfile(sock, make_file(b"data"), *arguments)
            sock.send(b"after")
        assert await peer.receive(5) == b"after"

    run(main())


def test_file_opened_as_text_is_refused(run, loop, connect, pair, make_protocol, tmp_path):
    async def main():
        transport, _ = await connect(make_protocol())
        path = tmp_path / "text"
        path.write_text("text")
        with path.open() as file:
            with pytest.raises(ValueError, match="binary mode"):
                await loop.sendfile(transport, file)
            with pytest.raises(ValueError, match="binary mode"):
                await loop.sock_sendfile(pair[0], file)

    run(main())
