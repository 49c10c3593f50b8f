"""Streams over real connections: TCP, Unix and TLS, clients and servers, ordinary and sudden ends."""

import asyncio
import contextlib
import gc
import os
import socket
import weakref

import pytest

from actors.coroutines import cancel
from actors.failures import SomeError
from actors.kernel import settle, start, until
from actors.peers import reset

MUCH = 2_000_000


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest.fixture(params=["tcp", "unix", "tls"])
def kind(request):
    return request.param


@pytest.fixture
def serve(streams, kind, short_folder, tls_contexts):
    """Makes a server of the kind that closes at the end, and the function that connects to it."""

    @contextlib.asynccontextmanager
    async def serve(callback, **options):
        if kind == "unix":
            path = os.path.join(short_folder, "socket")
            server = await streams.start_unix_server(callback, path, **options)
            connect = lambda **options: streams.open_unix_connection(path, **options)  # noqa: E731
        else:
            ssl, client_ssl = tls_contexts if kind == "tls" else (None, None)
            server = await streams.start_server(callback, "127.0.0.1", 0, ssl=ssl, **options)
            address = server.sockets[0].getsockname()
            name = {"ssl": client_ssl, "server_hostname": "localhost"} if ssl else {}
            connect = lambda **options: streams.open_connection(*address, **name, **options)  # noqa: E731
        async with server:
            yield connect

    return serve


async def close(writer):
    writer.close()
    await writer.wait_closed()


async def test_everything_that_is_sent_comes_back(loop, serve, kind):
    async with serve(echo) as connect:
        reader, writer = await connect()
        sent = os.urandom(MUCH)
        writer.writelines([sent[:10], sent[10:]])
        draining = asyncio.ensure_future(writer.drain())
        assert await reader.readexactly(5) == sent[:5]
        assert await reader.readexactly(MUCH - 5) == sent[5:]
        await draining
        writer.write(b"one\ntwo\nthree")
        assert await reader.readline() == b"one\n"
        if writer.can_write_eof():
            writer.write_eof()
            assert [line async for line in reader] == [b"two\n", b"three"]
            assert reader.at_eof()
        assert writer.get_extra_info("socket") is not None
        await close(writer)
        assert writer.is_closing()


@pytest.mark.parametrize("limit", [1, 1000, 100_000])
async def test_slow_reader_pauses_the_sender(loop, serve, kind, limit):
    received = loop.create_future()

    async def read_slowly(reader, writer):
        await settle()
        size = 0
        while data := await reader.read(1000):
            # One read more than the limit; TLS has several ready at once.
            assert len(reader._buffer) <= 2 * limit + 262144 * (3 if kind == "tls" else 1)
            size += len(data)
        received.set_result(size)
        writer.close()

    async with serve(read_slowly, limit=limit) as connect:
        reader, writer = await connect(limit=limit)
        for _ in range(20):
            writer.write(bytes(MUCH // 20))
            await writer.drain()
        await close(writer)
        assert await received == MUCH


@pytest.mark.parametrize("is_async", [False, True])
async def test_exception_of_the_callback_is_reported_and_closes_the_connection(loop, serve, streams, reported, is_async):
    if streams is asyncio:
        pytest.skip("differs between versions of asyncio")

    async def fail_later(reader, writer):
        await reader.readline()
        raise SomeError

    def fail_now(reader, writer):
        raise SomeError

    async with serve(fail_later if is_async else fail_now) as connect:
        reader, writer = await connect()
        if is_async:
            writer.write(b"go\n")
        assert await reader.read() == b""
        await close(writer)
    (context,) = reported
    assert context["message"] == "Unhandled exception in client_connected_cb"
    assert isinstance(context["exception"], SomeError)
    assert context["transport"].is_closing()


async def test_cancelled_callback_closes_the_connection(loop, serve, streams, reported):
    if streams is asyncio:
        pytest.skip("differs between versions of asyncio")
    tasks = []

    async def wait(reader, writer):
        tasks.append(asyncio.current_task())
        await reader.read(1)

    async with serve(wait) as connect:
        reader, writer = await connect()
        await until(lambda: tasks)
        tasks[0].cancel()
        assert await reader.read() == b""
        await close(writer)
    assert reported == []


async def test_plain_callback_may_keep_the_streams(loop, serve):
    kept = []
    async with serve(lambda *streams: kept.append(streams)) as connect:
        reader, writer = await connect()
        await until(lambda: kept)
        (own_reader, own_writer), writer.attribute = kept[0], 1
        own_writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        await close(own_writer)
        assert await reader.read() == b""
        await close(writer)
        assert await own_reader.read() == b""


async def test_reset_of_the_peer_reaches_the_reader_and_the_writer(loop, streams, listener):
    connecting = asyncio.ensure_future(streams.open_connection(*listener.getsockname()))
    reader, writer = await connecting
    peer, _ = listener.accept()
    reading = await start(reader.read())
    reset(peer)
    with pytest.raises(ConnectionResetError):
        await reading
    with pytest.raises(ConnectionResetError):
        await writer.drain()
    assert isinstance(reader.exception(), ConnectionResetError)
    writer.close()
    with pytest.raises(ConnectionResetError):
        await writer.wait_closed()


async def test_drain_waits_until_the_peer_reads(loop, streams, pair, make_peer):
    reader, writer = await streams.open_connection(sock=pair[0])
    peer = make_peer(pair[1])
    writer.write(bytes(MUCH * 5))
    await cancel(await start(writer.drain()))
    draining = await start(writer.drain())
    await peer.receive(MUCH * 5)
    await draining
    await close(writer)


async def test_drain_after_close_raises_once_the_connection_is_lost(loop, streams, pair):
    _, writer = await streams.open_connection(sock=pair[0])
    writer.close()
    with pytest.raises(ConnectionResetError, match="Connection lost"):
        await writer.drain()
    await writer.wait_closed()


async def test_cancelled_reads_lose_nothing(loop, streams, pair, make_peer):
    reader, writer = await streams.open_connection(sock=pair[0])
    peer = make_peer(pair[1])
    for read in (lambda: reader.read(5), lambda: reader.readexactly(5), reader.readline, lambda: reader.readuntil(b"o")):
        reading = await start(read())
        peer.sock.send(b"hello")
        await cancel(reading)
        reader_task = await asyncio.wait_for(reader.readexactly(5), 10)
        assert reader_task == b"hello"
    await close(writer)


@pytest.mark.parametrize("place", ["after a read", "before a read"])
async def test_transport_may_be_closed_by_the_callback_of_another_task(loop, streams, pair, make_peer, place):
    reader, writer = await streams.open_connection(sock=pair[0])
    peer = make_peer(pair[1])
    await peer.send(b"hello")
    if place == "after a read":
        await reader.readexactly(1)
    loop.call_soon(writer.transport.abort)
    assert await reader.read() in (b"", b"ello", b"hello")
    await writer.wait_closed()


async def test_protocol_may_be_exchanged_while_data_comes(loop, streams, pair, make_peer):
    class Protocol(asyncio.Protocol):
        received = b""

        def data_received(self, data):
            self.received += data

    reader, writer = await streams.open_connection(sock=pair[0])
    own, other, peer = writer.transport.get_protocol(), Protocol(), make_peer(pair[1])
    await peer.send(b"one")
    assert await reader.readexactly(3) == b"one"
    writer.transport.set_protocol(other)
    await peer.send(b"two")
    await until(lambda: other.received == b"two")
    writer.transport.set_protocol(own)
    await peer.send(b"three")
    assert await reader.readexactly(5) == b"three"
    await close(writer)


async def test_subclass_of_the_protocol_gets_the_data(loop, streams, pair, make_peer):
    received = []

    class Protocol(streams.StreamReaderProtocol):
        def data_received(self, data):
            received.append(data)
            super().data_received(data.upper())

    reader = streams.StreamReader(loop=loop)
    transport, _ = await loop.create_connection(lambda: Protocol(reader, loop=loop), sock=pair[0])
    await make_peer(pair[1]).send(b"hello")
    assert await reader.readexactly(5) == b"HELLO"
    assert received == [b"hello"]
    transport.close()
    await until(lambda: reader.at_eof())


async def test_data_after_feed_eof_is_a_fatal_error(loop, streams, pair, make_peer, reported):
    reader, writer = await streams.open_connection(sock=pair[0])
    reader.feed_eof()
    await make_peer(pair[1]).send(b"hello")
    await until(lambda: reported)
    assert reported[0]["message"] == "Fatal error: protocol.data_received() call failed."
    assert isinstance(reported[0]["exception"], AssertionError)
    with pytest.raises(AssertionError):
        await writer.wait_closed()


async def test_connection_that_nobody_holds_is_collected(loop, streams, pair):
    reader, writer = await streams.open_connection(sock=pair[0])
    weak = [weakref.ref(reader), weakref.ref(writer.transport), weakref.ref(writer.transport.get_protocol())]
    await close(writer)
    del reader, writer
    gc.collect()
    assert [reference() for reference in weak] == [None] * 3


async def test_connection_is_upgraded_to_tls(loop, streams, tls_contexts):
    server_context, client_context = tls_contexts

    async def upgrade(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()
        await writer.start_tls(server_context)
        await echo(reader, writer)

    async with await streams.start_server(upgrade, "127.0.0.1", 0) as server:
        reader, writer = await streams.open_connection(*server.sockets[0].getsockname())
        writer.write(b"plain\n")
        assert await reader.readline() == b"plain\n"
        await writer.start_tls(client_context, server_hostname="localhost")
        assert writer.get_extra_info("sslcontext") is client_context
        writer.write(b"secret\n")
        assert await reader.readline() == b"secret\n"
        await close(writer)


async def test_idle_connection_holds_no_buffer(loop, streams, pair, make_peer):
    reader, writer = await streams.open_connection(sock=pair[0])
    peer = make_peer(pair[1])
    for size in (10, 100_000):
        await peer.send(bytes(size))
        assert await reader.readexactly(size) == bytes(size)
    assert repr(reader).startswith("<StreamReader transport=")
    assert len(reader._buffer) == 0
    await close(writer)


async def test_options_pass_through(loop, streams):
    async with await streams.start_server(echo, "127.0.0.1", 0, start_serving=False, reuse_address=True, family=socket.AF_INET) as server:
        assert not server.is_serving()
        with pytest.raises(TypeError, match="nonsense"):
            await streams.open_connection("127.0.0.1", 1, nonsense=True)
        await server.start_serving()
        reader, writer = await streams.open_connection(*server.sockets[0].getsockname(), local_addr=("127.0.0.1", 0))
        writer.write(b"a")
        assert await reader.readexactly(1) == b"a"
        await close(writer)
