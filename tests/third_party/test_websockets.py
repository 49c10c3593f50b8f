"""websockets' client and server on one loop: over TCP, over TLS and through a Unix socket.

Its connections are asyncio protocols that pause reading when nobody takes messages and wait in send() when the peer takes none,
so the tests look at flow control in both directions, at the close handshake as each side sees it, and at peers that vanish.
"""

import asyncio
import base64
import contextlib
import hashlib
import random
import re
import socket
import struct

import pytest

from actors.coroutines import cancel
from actors.kernel import until_still

websockets = pytest.importorskip("websockets", reason="websockets is not installed (pip install websockets)")
websockets_client = pytest.importorskip("websockets.asyncio.client")
websockets_server = pytest.importorskip("websockets.asyncio.server")

pytestmark = pytest.mark.usefixtures("loop")


async def echo(connection):
    async for message in connection:
        await connection.send(message)


class Way:
    """One way between client and server: how the server listens and how clients get to it."""

    def __init__(self, kind, tmp_path, request):
        self.kind = kind
        self.socket_path = str(tmp_path / "socket")
        self.certificate = request.getfixturevalue("certificate") if kind == "TLS" else None

    def serve(self, handler, **arguments):
        if self.kind == "Unix socket":
            return websockets_server.unix_serve(handler, self.socket_path, **arguments)
        tls = self.certificate.server_context() if self.kind == "TLS" else None
        return websockets_server.serve(handler, "127.0.0.1", 0, ssl=tls, **arguments)

    def connect(self, server, **arguments):
        if self.kind == "Unix socket":
            return websockets_client.unix_connect(self.socket_path, **arguments)
        port = server.sockets[0].getsockname()[1]
        if self.kind == "TLS":
            return websockets_client.connect(f"wss://127.0.0.1:{port}/", ssl=self.certificate.client_context(), proxy=None, **arguments)
        return websockets_client.connect(f"ws://127.0.0.1:{port}/", proxy=None, **arguments)

    @contextlib.asynccontextmanager
    async def connected(self, handler, **arguments):
        """Serve handler and give a connection to it; arguments go to both sides."""
        async with self.serve(handler, **arguments) as server, self.connect(server, **arguments) as connection:
            yield connection


@pytest.fixture(params=["TCP", "TLS", "Unix socket"])
def way(request, tmp_path):
    return Way(request.param, tmp_path, request)


@pytest.fixture
def tcp(request, tmp_path):
    return Way("TCP", tmp_path, request)


# Messages


async def test_messages_come_back_in_order_byte_for_byte(way):
    async with way.connected(echo) as connection:
        sent = ["", "text ä€😀", b"", b"\0\xff"]
        sent += [random.Random(size).randbytes(size) for size in (125, 126, 127, 65535, 65536, 65537)]
        sent += [f"number {number}" for number in range(2000)]
        sending = asyncio.gather(*[connection.send(message) for message in sent])
        assert [await connection.recv() for _ in sent] == sent
        await sending


async def test_message_of_many_megabytes_comes_back_byte_for_byte(way):
    piece = random.Random(1).randbytes(1 << 20)
    async with way.connected(echo, max_size=None, compression=None) as connection:
        for message in piece * 10, piece.hex():
            await connection.send(message)
            assert await connection.recv() == message


async def test_compressed_message_comes_back_byte_for_byte(tcp):
    async with tcp.connected(echo, max_size=None, compression="deflate") as connection:
        for message in random.Random(1).randbytes(1 << 20), b"x" * (8 << 20):
            await connection.send(message)
            assert await connection.recv() == message


async def test_fragments_of_a_message_arrive_as_one_message_or_one_by_one(way):
    fragments = [random.Random(number).randbytes(number * 100) for number in range(1, 100)]

    async def handler(connection):
        await connection.send(await connection.recv())
        received = [fragment async for fragment in connection.recv_streaming() if fragment]
        await connection.send(received)

    async with way.connected(handler, max_size=None) as connection:
        await connection.send(fragments)
        assert await connection.recv() == b"".join(fragments)
        await connection.send(fragments)
        # The last frame of a fragmented message is empty.
        assert [fragment async for fragment in connection.recv_streaming() if fragment] == fragments


async def test_message_above_the_limit_closes_the_connection_with_its_code(tcp):
    async with tcp.connected(echo, max_size=1000) as connection:
        await connection.send(b"x" * 1001)
        with pytest.raises(websockets.ConnectionClosedError):
            await connection.recv()
        assert connection.close_code == 1009


async def test_sending_waits_while_the_peer_takes_nothing(way):
    is_reading = asyncio.Event()
    message, count = b"x" * (1 << 20), 40
    received = []

    async def handler(connection):
        await is_reading.wait()
        async for message in connection:
            received.append(len(message))

    async with way.connected(handler, max_size=None, compression=None) as connection:
        sent = 0

        async def send():
            nonlocal sent
            while sent < count:
                await connection.send(message)
                sent += 1

        sending = asyncio.create_task(send())
        # The queue of the peer, the buffers of both transports and those of the kernel fill, then nothing moves.
        await until_still(lambda: sent)
        assert sent < count
        is_reading.set()
        await sending
        await connection.close()
    assert received == [len(message)] * count


# Ping and pong


async def test_every_ping_gets_its_pong(way):
    async with way.connected(echo) as connection:
        pongs = [await connection.ping(f"ping {number}") for number in range(100)]
        latencies = await asyncio.gather(*pongs)
        assert all(latency >= 0 for latency in latencies)


async def test_keepalive_pings_while_nothing_else_is_sent(way):
    async with way.connected(echo, ping_interval=0.005, ping_timeout=None) as connection:
        while connection.latency == 0:
            await asyncio.sleep(0.001)
        await connection.send("still open")
        assert await connection.recv() == "still open"


async def test_peer_that_answers_no_ping_is_given_up():
    async def silent(reader, writer):
        # Shake hands by the book, then ignore everything.
        request = await reader.readuntil(b"\r\n\r\n")
        key = re.search(rb"(?i)\r\nsec-websocket-key: (\S+)", request).group(1)
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
        writer.write(b"Sec-WebSocket-Accept: %s\r\n\r\n" % accept)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        arguments = {"proxy": None, "ping_interval": 0.02, "ping_timeout": 0.02, "close_timeout": 0.02}
        async with websockets_client.connect(url, **arguments) as connection:
            with pytest.raises(websockets.ConnectionClosedError):
                await connection.recv()
            assert connection.protocol.close_sent.code == 1011


# Closing


async def test_both_sides_see_the_code_and_the_reason_of_the_close_handshake(way):
    seen_by_server = asyncio.get_running_loop().create_future()

    async def handler(connection):
        with pytest.raises(websockets.ConnectionClosedError) as caught:
            await connection.recv()
        seen_by_server.set_result((caught.value.rcvd.code, caught.value.rcvd.reason, caught.value.rcvd_then_sent))

    async with way.connected(handler) as connection:
        await connection.close(4321, "enough")
        assert (connection.close_code, connection.close_reason) == (4321, "enough")
    assert await seen_by_server == (4321, "enough", True)


async def test_handler_that_returns_closes_the_connection_as_normal(way):
    async def handler(connection):
        for number in range(3):
            await connection.send(str(number))

    async with way.connected(handler) as connection:
        assert [message async for message in connection] == ["0", "1", "2"]
        assert connection.close_code == 1000


async def test_server_that_closes_tells_every_client_that_it_goes_away(way):
    async with way.serve(echo) as server:
        connections = [await way.connect(server) for _ in range(20)]
        assert len(server.connections) == 20
        server.close()
        for connection in connections:
            with pytest.raises(websockets.ConnectionClosedOK):
                await connection.recv()
            assert connection.close_code == 1001
        await server.wait_closed()


async def test_peer_that_resets_the_connection_ends_receiving_without_a_handshake(tcp):
    server_side = asyncio.get_running_loop().create_future()

    async def handler(connection):
        with pytest.raises(websockets.ConnectionClosedError) as caught:
            await connection.recv()
        server_side.set_result((caught.value.rcvd, connection.close_code))

    async with tcp.serve(handler) as server:
        connection = await tcp.connect(server)
        # SO_LINGER of zero seconds makes closing a reset.
        connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.transport.abort()
        assert await server_side == (None, 1006)
        await connection.wait_closed()


# Cancellation and concurrency


async def test_cancelled_receiving_loses_no_message(way):
    async with way.connected(echo) as connection:
        received = []
        for number in range(100):
            receiving = asyncio.create_task(connection.recv())
            await asyncio.sleep(0)
            await connection.send(str(number))
            await cancel(receiving)
            received.append(await connection.recv())
        assert received == [str(number) for number in range(100)]


async def test_connecting_to_a_server_that_says_nothing_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"ws://127.0.0.1:{listening.getsockname()[1]}/"
        with pytest.raises(TimeoutError):
            await websockets_client.connect(url, proxy=None, open_timeout=0.05)


async def test_refused_handshake_is_reported_with_its_status(way):
    def refuse(connection, request):
        return connection.respond(403, "not you\n")

    async with way.serve(echo, process_request=refuse) as server:
        with pytest.raises(websockets.InvalidStatus) as caught:
            await way.connect(server)
        assert (caught.value.response.status_code, caught.value.response.body) == (403, b"not you\n")


async def test_many_connections_at_once_get_their_own_messages(way):
    async def talk(server, number):
        source = random.Random(number)
        async with way.connect(server) as connection:
            for _ in range(10):
                message = source.randbytes(source.randrange(5000))
                await connection.send(message)
                assert await connection.recv() == message
        return connection.close_code

    # Handshakes of many at once take long under TLS on a slow machine.
    async with way.serve(echo, open_timeout=None, backlog=200) as server:
        assert await asyncio.gather(*[talk(server, number) for number in range(60)]) == [1000] * 60


async def test_broadcast_reaches_every_connection_in_order(tcp):
    async with tcp.serve(echo) as server:
        connections = [await tcp.connect(server) for _ in range(50)]
        messages = [f"news {number}" for number in range(100)]
        for message in messages:
            websockets_server.broadcast(server.connections, message)
        for connection in connections:
            assert [await connection.recv() for _ in messages] == messages
        await asyncio.gather(*[connection.close() for connection in connections])
