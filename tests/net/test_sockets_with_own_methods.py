"""Socket objects with their own recv(), send() or accept(), of their class or of the object: it is called.

The socket here inverts every byte, so that its peer sees which way the bytes went.
"""

import asyncio
import socket

import pytest

from actors.protocols import RecordingProtocol, echo

TURN = bytes(255 - byte for byte in range(256))


def turned(data):
    return bytes(data).translate(TURN)


class TurningSocket(socket.socket):
    """Receives and sends every byte inverted, and before each operation says once that it would block."""

    is_stubborn = True

    def refuse_once(self):
        type(self).is_stubborn = not self.is_stubborn
        if not self.is_stubborn:
            raise BlockingIOError

    def recv(self, *args):
        self.refuse_once()
        return turned(super().recv(*args))

    def recv_into(self, buffer, *args):
        self.refuse_once()
        count = super().recv_into(buffer, *args)
        view = memoryview(buffer).cast("B")
        view[:count] = turned(view[:count])
        return count

    def send(self, data, *args):
        return super().send(turned(data), *args)

    def sendmsg(self, buffers, *args):
        return super().sendmsg([turned(data) for data in buffers], *args)

    def recvfrom(self, *args):
        self.refuse_once()
        data, address = super().recvfrom(*args)
        return turned(data), address

    def sendto(self, data, *args):
        return super().sendto(turned(data), *args)

    def accept(self):
        connection, address = super().accept()
        return adopt(connection), address


def adopt(sock):
    """The same socket as an object of the class under test."""
    adopted = TurningSocket(sock.family, sock.type, sock.proto, fileno=sock.detach())
    adopted.setblocking(False)
    return adopted


@pytest.fixture
def pair(no_leaks):
    """A socket with methods of its own and the plain one at its other end."""
    left, right = socket.socketpair()
    left = adopt(left)
    right.setblocking(False)
    with left, right:
        yield left, right


async def test_raw_operations_call_them(loop, pair):
    own, plain = pair
    await loop.sock_sendall(own, b"question")
    assert await loop.sock_recv(plain, 100) == turned(b"question")
    await loop.sock_sendall(plain, b"answer")
    assert await loop.sock_recv(own, 100) == turned(b"answer")
    await loop.sock_sendall(plain, b"more")
    buffer = bytearray(100)
    assert await loop.sock_recv_into(own, buffer) == 4
    assert buffer[:4] == turned(b"more")


async def test_datagram_operations_call_them(loop, no_leaks):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        for sock in (made, plain):
            sock.setblocking(False)
            sock.bind(("127.0.0.1", 0))
        own_address, plain_address = made.getsockname(), plain.getsockname()
        with adopt(made) as own:
            await loop.sock_sendto(own, b"question", plain_address)
            assert await loop.sock_recvfrom(plain, 100) == (turned(b"question"), own_address)
            await loop.sock_sendto(plain, b"answer", own_address)
            assert await loop.sock_recvfrom(own, 100) == (turned(b"answer"), plain_address)


async def test_transport_calls_them(pair, connections):
    own, plain = pair
    protocol, transport, peer = await connections.over(own, plain)
    transport.write(b"question")
    transport.writelines([b", ", b"and more"])
    assert await peer.receive(18) == turned(b"question, and more")
    await peer.send(b"answer")
    assert await protocol.until_received(6) == turned(b"answer")
    assert await protocol.close() is None
    assert own.fileno() == -1


async def test_streams_call_them(pair, make_peer):
    own, plain = pair
    reader, writer = await asyncio.open_connection(sock=own)
    peer = make_peer(plain)
    writer.write(b"line\n")
    await writer.drain()
    assert await peer.receive(5) == turned(b"line\n")
    await peer.send(turned(b"answer\n"))
    assert await reader.readline() == b"answer\n"
    writer.close()
    await writer.wait_closed()


async def test_tls_runs_over_them(loop, pair, tls_contexts):
    own, plain = pair
    server_context, client_context = tls_contexts
    # Both ends invert the bytes: they understand each other, and notice what went past the methods.
    reader, writer = asyncio.StreamReader(), None
    server = asyncio.StreamReaderProtocol(reader)
    serving = loop.connect_accepted_socket(lambda: server, adopt(plain.dup()), ssl=server_context)
    connecting = asyncio.open_connection(sock=own, ssl=client_context, server_hostname="localhost")
    (transport, _), (answers, writer) = await asyncio.gather(serving, connecting)
    writer.write(b"question")
    assert await reader.readexactly(8) == b"question"
    transport.write(b"answer")
    assert await answers.readexactly(6) == b"answer"
    writer.close()
    transport.close()
    await writer.wait_closed()


async def test_method_of_the_object_itself_is_called(loop, no_leaks):
    class Plain(socket.socket):
        pass

    left, right = socket.socketpair()
    with Plain(left.family, left.type, left.proto, fileno=left.detach()) as own, right:
        own.setblocking(False)
        own.recv = lambda size: turned(super(Plain, own).recv(size))
        right.send(b"data")
        assert await loop.sock_recv(own, 100) == turned(b"data")


async def test_patched_method_of_all_sockets_is_called_by_new_transports(connections, monkeypatch):
    left, right = socket.socketpair()
    plain_recv = socket.socket.recv
    with monkeypatch.context() as patch:
        patch.setattr(socket.socket, "recv", lambda sock, size: turned(plain_recv(sock, size)), raising=False)
        protocol, _, peer = await connections.over(left, right)
        await peer.send(b"data")
        assert await protocol.until_received(4) == turned(b"data")
    await protocol.close()


async def test_listening_socket_accepts_by_its_own_method(loop, no_leaks, connect_to):
    protocol = RecordingProtocol(data_received=echo)
    listener = adopt(socket.create_server(("127.0.0.1", 0)))
    server = await loop.create_server(lambda: protocol, sock=listener)
    peer = connect_to(server)
    # Inverted on the way in, and on the way out again.
    await peer.check_echo()
    assert isinstance(protocol.transport.get_extra_info("socket")._sock, TurningSocket)
    peer.close()
    await protocol.until_lost()
    server.close()


async def test_accept_of_the_raw_socket_is_called(loop, no_leaks):
    with adopt(socket.create_server(("127.0.0.1", 0))) as listener:
        with socket.create_connection(listener.getsockname()):
            connection, _ = await loop.sock_accept(listener)
            with connection:
                assert type(connection) is TurningSocket


async def test_connect_of_the_raw_socket_is_called(loop, listener):
    class Redirected(socket.socket):
        def connect(self, address):
            super().connect(listener.getsockname())

    with Redirected() as sock, socket.socket() as nobody:
        sock.setblocking(False)
        nobody.bind(("127.0.0.1", 0))
        await loop.sock_connect(sock, nobody.getsockname())
        assert sock.getpeername() == listener.getsockname()


async def test_file_is_sent_through_such_a_transport(loop, pair, connections, tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    protocol, transport, peer = await connections.over(*pair)
    with open(tmp_path / "file", "rb") as file:
        # The kernel sends it without the object's methods.
        assert await loop.sendfile(transport, file) == 7
    assert await peer.receive(7) == b"content"
    await protocol.close()


@pytest.mark.fastloop_only
async def test_subclass_without_own_methods_gets_fastloops_transport(loop, no_leaks):
    class Named(socket.socket):
        name = "some socket"

        def close(self):
            super().close()

    left, right = socket.socketpair()
    sock = Named(left.family, left.type, left.proto, fileno=left.detach())
    sock.setblocking(False)
    with right:
        transport, protocol = await loop.create_connection(RecordingProtocol, sock=sock)
        assert type(transport).__module__.startswith("fastloop.")
        await protocol.close()
