"""Faults over TLS that users of other loops have reported, a test each.

The numbers are those of the issues; asyncio has some of the faults as well.
"""

import array
import asyncio
import contextlib
import gc
import socket
import ssl

import pytest

from actors.files import pattern
from actors.kernel import settle, until
from actors.protocols import RecordingBufferedProtocol, RecordingProtocol

NAME = "localhost"


@contextlib.asynccontextmanager
async def served(streams, handler, **options):
    """Serve with streams; gives the address."""
    tasks = []

    async def handle(reader, writer):
        tasks.append(asyncio.current_task())
        await handler(reader, writer)

    server = await streams.start_server(handle, "127.0.0.1", 0, **options)
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()
        await asyncio.gather(*tasks)
        await settle()


@pytest.fixture
def streams(implementation):
    if implementation.name == "asyncio":
        return asyncio
    import fastloop

    return fastloop


async def close(writer):
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError):
        await writer.wait_closed()


# uvloop #707, CPython gh-142352


@pytest.mark.fastloop_only
async def test_client_that_shakes_hands_at_once_after_its_command_is_served(tls, streams):
    """The first bytes of TLS are in the reader's buffer when start_tls() is called."""
    answers = []

    async def handle(reader, writer):
        assert await reader.readline() == b"STARTTLS\n"
        # The rest has arrived with the line.
        await settle()
        await writer.start_tls(tls.contexts[0])
        answers.append(await reader.readexactly(6))
        writer.write(b"answer")
        await close(writer)

    async with served(streams, handle) as address:
        peer = tls.client_peer(socket.create_connection(address))
        with contextlib.suppress(ssl.SSLWantReadError):
            peer.ssl_object.do_handshake()
        await peer.raw_send(b"STARTTLS\n" + peer.outgoing.read())
        await peer.handshake()
        await peer.send(b"secret")
        assert await peer.receive_all() == b"answer"
        await peer.send_close_notify()
    assert answers == [b"secret"]


# uvloop #564, CPython gh-109051


@pytest.mark.fastloop_only
async def test_upgrade_of_a_stream_whose_writing_is_paused(tls, streams):
    data = pattern(4_000_000)

    async def handle(reader, writer):
        assert await reader.readexactly(len(data)) == data
        await writer.start_tls(tls.contexts[0])
        writer.write(await reader.readexactly(5))
        await close(writer)

    async with served(streams, handle) as address:
        reader, writer = await streams.open_connection(*address)
        writer.write(data)
        await writer.start_tls(tls.contexts[1], server_hostname=NAME)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        await close(writer)


# picows #40


@pytest.mark.parametrize("is_reset", [False, True])
async def test_protocol_that_writes_in_flow_control_callbacks(tls, is_reset, reported):
    """asyncio's queue of what waits was empty when it came back from such a call."""
    written = [0]

    def write(protocol):
        if written[0] < 8_000_000:
            for size in (1, 400_000, 600_000):
                written[0] += size
                protocol.transport.write(bytes(size))

    protocol, transport, peer = await tls.accepted(pause_writing=write, resume_writing=write)
    write(protocol)
    write(protocol)
    received = 0
    while received < written[0] and not (is_reset and received > 1_000_000):
        received += len(await peer.receive_some())
    if is_reset:
        peer.reset()
        await protocol.until_lost()
    assert reported == []


# uvloop #471, aiohttp #6762


@pytest.mark.fastloop_only
async def test_closed_connection_does_not_keep_downloading(tls, streams):
    """The server writes until it cannot; the client reads a little, and closes."""
    written = [0]

    async def handle(reader, writer):
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while written[0] < 1_000_000_000:
                writer.write(bytes(65_536))
                await writer.drain()
                written[0] += 65_536
        await close(writer)

    async with served(streams, handle, ssl=tls.contexts[0]) as address:
        reader, writer = await streams.open_connection(*address, ssl=tls.contexts[1], server_hostname=NAME, ssl_shutdown_timeout=1)
        await reader.readexactly(1000)
        await close(writer)
    assert written[0] < 100_000_000


# uvloop #257


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\x00\x05half", b"\x80" * 1000])
@pytest.mark.parametrize("end", ["fin", "close", "reset"])
async def test_clients_that_leave_in_the_handshake_are_no_news(tls, loop, said, end, reported, logged_errors):
    protocol = RecordingProtocol()
    server = await tls.server(lambda: protocol)
    peer = tls.raw_peer(socket.create_connection(server.sockets[0].getsockname()))
    await peer.send(said)
    {"fin": peer.send_end, "close": peer.close, "reset": peer.reset}[end]()
    if end == "fin":
        await peer.receive_all()
    await settle()
    server.close()
    await server.wait_closed()
    assert (protocol.calls, reported, logged_errors) == ([], [], [])


# uvloop #548, #565, CPython gh-109534


async def test_connections_that_are_lost_leave_no_objects(tls, reported):
    def ssl_objects():
        gc.collect()
        return sum(type(thing) is ssl.SSLObject for thing in gc.get_objects())

    before = ssl_objects()
    server = await tls.server(RecordingProtocol)
    address = server.sockets[0].getsockname()
    for number in range(60):
        protocol = RecordingProtocol()
        if number % 3 == 0:
            await tls.connect(address, protocol)
            protocol.transport.write(bytes(100_000))
            await settle()
            protocol.transport.abort()
            await protocol.until_lost()
        elif number % 3 == 1:
            with pytest.raises(ssl.SSLCertVerificationError):
                await tls.connect(address, protocol, server_hostname="elsewhere")
        else:
            with socket.create_connection(address) as sock:
                sock.send(b"\x16\x03\x01")
    await settle()
    tls.forget()
    del protocol
    await until(lambda: ssl_objects() <= before)
    assert ssl_objects() <= before
    assert reported == []


# uvloop #506, #685


@pytest.mark.parametrize("how", ["fin", "close_notify", "reset"])
async def test_methods_of_a_transport_whose_peer_has_left_do_nothing(connect, how):
    protocol, transport, peer = await connect()
    if how == "close_notify":
        await peer.unwrap()
    else:
        peer.send_end() if how == "fin" else peer.reset()
    await protocol.until_lost()
    for _ in range(10):
        transport.write(b"late")
        transport.writelines([b"late"])
    transport.pause_reading()
    transport.resume_reading()
    transport.set_write_buffer_limits(high=10)
    assert transport.is_closing()
    assert transport.get_write_buffer_size() == 0
    transport.close()
    transport.abort()
    await settle()
    assert len(protocol.lost) == 1


@pytest.mark.fastloop_only
async def test_methods_of_a_transport_that_was_closed_twice_do_nothing(connect):
    """asyncio's transport forgets its protocol in the second close()."""
    protocol, transport, peer = await connect()
    transport.close()
    transport.close()
    transport.write(b"late")
    transport.pause_reading()
    transport.resume_reading()
    assert transport.get_write_buffer_size() == 0
    assert transport.get_extra_info("ssl_object") is not None
    assert transport.get_protocol() is protocol
    await peer.unwrap()
    await protocol.until_lost()


# uvloop #560


async def test_address_of_a_peer_that_has_left_is_known(tls):
    protocol = RecordingProtocol()
    server = await tls.server(lambda: protocol)
    peer = tls.client_peer(socket.create_connection(server.sockets[0].getsockname()))
    address = peer.sock.getsockname()
    await peer.handshake()
    await protocol.until_connected()
    peer.reset()
    assert protocol.transport.get_extra_info("peername") == address
    await protocol.until_lost()


# asyncssh, and proxies: TLS in TLS, back to back


async def test_proxy_that_pauses_its_ends_passes_everything_on(tls, loop):
    """A client speaks TLS to a proxy, which passes it on by TLS; each end of the proxy pauses the other one."""
    data = pattern(3_000_000)
    target = RecordingProtocol(data_received=lambda protocol, data: protocol.transport.write(data))
    target_server = await tls.server(lambda: target)

    def pass_on(to):
        return {
            "data_received": lambda protocol, data: to().transport.write(data),
            "pause_writing": lambda protocol: to().transport.pause_reading(),
            "resume_writing": lambda protocol: to().transport.resume_reading(),
        }

    front, back = RecordingProtocol(**pass_on(lambda: back)), RecordingProtocol(**pass_on(lambda: front))
    await tls.connect(target_server.sockets[0].getsockname(), back)
    client, _ = await tls.both(server=front)
    for start in range(0, len(data), 100_000):
        client.transport.write(data[start : start + 100_000])
    assert await client.until_received(len(data)) == data
    tls.near(target)


# CPython gh-156275


@pytest.mark.fastloop_only
@pytest.mark.parametrize(
    "make",
    [lambda: memoryview(bytearray(1000)), lambda: bytearray(1000), lambda: array.array("B", bytes(1000)), lambda: bytearray(7)],
    ids=["view", "bytearray", "array", "small bytearray"],
)
async def test_buffer_of_any_kind_gets_what_was_sent(tls, make):
    payload = bytes(range(1, 251)) * 400
    buffer = make()
    received = bytearray()
    client = RecordingBufferedProtocol(get_buffer=lambda protocol, hint: buffer)
    client.hooks["buffer_updated"] = lambda protocol, size: received.extend(bytes(memoryview(buffer)[:size]))

    def write_all(protocol, transport):
        for start in range(0, len(payload), 50):
            transport.write(payload[start : start + 50])
        transport.close()

    await tls.both(client, RecordingProtocol(connection_made=write_all))
    await client.until_lost()
    assert received == payload
