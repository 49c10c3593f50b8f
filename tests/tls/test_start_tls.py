"""Connections that begin in clear, or in TLS, and change to TLS: bytes that have arrived already, and changes that fail."""

import asyncio
import socket
import ssl

import pytest

from actors.files import pattern
from actors.kernel import settle
from actors.protocols import RecordingBufferedProtocol, RecordingProtocol, echo

NAME = "localhost"
PROTOCOLS = [RecordingProtocol, RecordingBufferedProtocol]


@pytest.fixture
def in_clear(tls, loop):
    """A coroutine function that connects a transport to a Peer in clear; both can be upgraded."""

    async def connect(protocol):
        near, far = socket.socketpair()
        transport, _ = await loop.create_connection(lambda: protocol, sock=near)
        tls.near(protocol)
        return transport, far

    return connect


async def upgrade(loop, tls, transport, protocol, server_side, **options):
    options = {"server_side": True, **options} if server_side else {"server_hostname": NAME, **options}
    protocol.transport = await loop.start_tls(transport, protocol, tls.contexts[not server_side], **options)
    return tls.near(protocol)


async def send_plain_then_shake_hands(tls, far, server_side, plain=b""):
    peer = tls.client_peer(far) if server_side else tls.server_peer(far)
    if plain:
        await peer.raw_send(plain)
    return await peer.handshake()


@pytest.mark.parametrize("server_side", [True, False])
@pytest.mark.parametrize("after_class", PROTOCOLS)
@pytest.mark.parametrize("before_class", PROTOCOLS)
async def test_connection_in_use_is_upgraded(tls, loop, in_clear, before_class, after_class, server_side):
    before, after = before_class(), after_class()
    transport, far = await in_clear(before)
    peer = tls.raw_peer(far.dup())
    await peer.send(b"in clear")
    assert await before.until_received(8) == b"in clear"
    transport.write(b"answer")
    assert await peer.receive(6) == b"answer"
    upgrading = asyncio.create_task(upgrade(loop, tls, transport, after, server_side))
    peer = await send_plain_then_shake_hands(tls, far, server_side)
    await upgrading
    assert after.transport is not transport
    assert after.transport.get_extra_info("ssl_object").version()
    data = pattern(300_000)
    await peer.send(data)
    assert await after.until_received(300_000) == data
    after.transport.write(data)
    assert await peer.receive(300_000) == data
    await peer.unwrap()
    assert await after.until_lost() is None
    # The other protocol hears no more, and nobody hears that the connection was made.
    assert "connection_lost" not in before.calls and "connection_made" not in after.calls


@pytest.mark.parametrize("server_side", [True, False])
async def test_same_protocol_can_be_used_afterwards(tls, loop, in_clear, server_side):
    protocol = RecordingProtocol(data_received=echo)
    transport, far = await in_clear(protocol)
    upgrading = asyncio.create_task(upgrade(loop, tls, transport, protocol, server_side))
    peer = await send_plain_then_shake_hands(tls, far, server_side)
    await upgrading
    await peer.check_echo()
    assert protocol.calls == ["connection_made", "data_received"]


async def test_reading_is_paused_until_the_handshake_begins(tls, loop, in_clear):
    """What arrives before start_tls() is for the old protocol, what arrives while it is paused is for TLS."""
    before, after = RecordingProtocol(), RecordingProtocol()
    transport, far = await in_clear(before)
    transport.pause_reading()
    peer = tls.client_peer(far)
    shaking = asyncio.create_task(peer.handshake())
    await settle()
    await upgrade(loop, tls, transport, after, True)
    await shaking
    await peer.send(b"secret")
    assert await after.until_received(6) == b"secret"
    assert before.received == b""


async def test_first_data_arrives_with_the_end_of_the_handshake(tls, loop, in_clear):
    after = RecordingProtocol()
    transport, far = await in_clear(RecordingProtocol())
    upgrading = asyncio.create_task(upgrade(loop, tls, transport, after, True))
    peer = tls.client_peer(far)
    while True:
        try:
            peer.ssl_object.do_handshake()
            break
        except ssl.SSLWantReadError:
            await peer.flush()
            await peer.feed()
    await peer.raw_send(peer.outgoing.read() + peer.encrypt(b"one ") + peer.encrypt(b"two"))
    assert await after.until_received(7) == b"one two"
    await upgrading


@pytest.mark.fastloop_only
async def test_what_waits_in_clear_is_sent_before_the_handshake(tls, loop, in_clear):
    """asyncio's TLS fails when the transport below resumes the protocol that it has paused before."""
    data = pattern(2_000_000)
    after = RecordingProtocol()
    transport, far = await in_clear(RecordingProtocol())
    transport.write(data)
    upgrading = asyncio.create_task(upgrade(loop, tls, transport, after, False))
    peer = tls.server_peer(far)
    received = bytearray()
    while len(received) < len(data):
        received += await peer.raw_receive_some(len(data) - len(received))
    assert received == data
    await peer.handshake()
    await upgrading
    after.transport.write(b"secret")
    assert await peer.receive(6) == b"secret"


async def test_flow_control_works_after_an_upgrade(tls, loop, in_clear):
    """The transport below was told to pause before."""
    before, after = RecordingProtocol(), RecordingProtocol()
    transport, far = await in_clear(before)
    data = pattern(2_000_000)
    transport.set_write_buffer_limits(high=10)
    transport.write(data)
    assert before.calls[-1] == "pause_writing"
    peer = tls.raw_peer(far.dup())
    assert await peer.receive(len(data)) == data
    await before.until_called("resume_writing")
    upgrading = asyncio.create_task(upgrade(loop, tls, transport, after, False))
    peer = await send_plain_then_shake_hands(tls, far, False)
    await upgrading
    for _ in range(3):
        after.transport.write(data)
    assert await peer.receive(3 * len(data)) == data * 3


# TLS in TLS


@pytest.mark.parametrize("after_class", PROTOCOLS)
async def test_tls_in_tls(tls, loop, after_class):
    inner_client, inner_server = after_class(), after_class()
    client, server = await tls.both()
    await asyncio.gather(
        upgrade(loop, tls, client.transport, inner_client, False), upgrade(loop, tls, server.transport, inner_server, True)
    )
    data = pattern(1_000_000)
    inner_client.transport.write(data)
    inner_server.transport.write(data[::-1])
    assert await inner_server.until_received(len(data)) == data
    assert await inner_client.until_received(len(data)) == data[::-1]
    outer, inner = (protocol.transport.get_extra_info("ssl_object") for protocol in (client, inner_client))
    assert outer is not inner
    inner_client.transport.close()
    assert await inner_client.until_lost() is None
    assert await inner_server.until_lost() is None
    assert (client.calls, server.calls) == (["connection_made"], ["connection_made"])


async def test_tls_in_tls_in_tls_ends_with_the_outermost(tls, loop):
    client, server = await tls.both()
    for _ in range(2):
        next_client, next_server = RecordingProtocol(), RecordingProtocol()
        await asyncio.gather(
            upgrade(loop, tls, client.transport, next_client, False), upgrade(loop, tls, server.transport, next_server, True)
        )
        client, server = next_client, next_server
    client.transport.write(b"deep")
    assert await server.until_received(4) == b"deep"
    server.transport.abort()
    await server.until_lost()
    await client.until_lost()
    assert len(client.lost) == len(server.lost) == 1


# Over a transport that is not the loop's


class PassingTransport(asyncio.Transport):
    """A transport that hands everything to another one; not known to the loop."""

    _start_tls_compatible = True

    def __init__(self, below):
        super().__init__()
        self._below = below

    def __getattr__(self, name):
        return getattr(self._below, name)

    def _force_close(self, error):
        self._below.abort()


for _name in (
    "get_extra_info is_closing close abort set_protocol get_protocol is_reading pause_reading resume_reading write "
    "set_write_buffer_limits get_write_buffer_size get_write_buffer_limits"
).split():
    setattr(PassingTransport, _name, lambda self, *args, _name=_name, **options: getattr(self._below, _name)(*args, **options))


async def test_tls_works_over_a_transport_of_somebody_else(tls, loop, in_clear):
    after = RecordingProtocol()
    transport, far = await in_clear(RecordingProtocol())
    upgrading = asyncio.create_task(upgrade(loop, tls, PassingTransport(transport), after, False))
    peer = await send_plain_then_shake_hands(tls, far, False)
    await upgrading
    data = pattern(500_000)
    await peer.send(data)
    assert await after.until_received(len(data)) == data
    after.transport.write(data)
    assert await peer.receive(len(data)) == data
    await peer.unwrap()
    await after.until_lost()


# What is refused


async def test_transport_that_cannot_be_upgraded_is_refused(tls, loop):
    class Other(asyncio.Transport):
        pass

    for transport in (Other(), object(), None):
        with pytest.raises(TypeError, match="is not supported by start_tls"):
            await loop.start_tls(transport, RecordingProtocol(), tls.contexts[1])


@pytest.mark.parametrize("context", [None, True, 5, "context"])
async def test_upgrade_needs_a_context(tls, loop, in_clear, context):
    transport, far = await in_clear(RecordingProtocol())
    tls.raw_peer(far)
    with pytest.raises(TypeError, match="sslcontext is expected to be an instance of ssl.SSLContext"):
        await loop.start_tls(transport, RecordingProtocol(), context)
    assert not transport.is_closing()


@pytest.mark.parametrize("server_side", [True, False])
@pytest.mark.parametrize("said", [b"this is no TLS, and never was", b""], ids=["nonsense", "end"])
async def test_upgrade_with_a_peer_that_speaks_no_tls_fails(tls, loop, in_clear, server_side, said, reported):
    after = RecordingProtocol()
    transport, far = await in_clear(RecordingProtocol())
    upgrading = asyncio.create_task(upgrade(loop, tls, transport, after, server_side))
    await settle()
    peer = tls.raw_peer(far)
    await peer.send(said) if said else peer.send_end()
    with pytest.raises(ssl.SSLError if said else ConnectionResetError):
        await upgrading
    await settle()
    assert transport.is_closing()
    assert (after.calls, reported) == (["connection_lost"], [])


async def test_upgrade_has_a_time_limit(tls, loop, in_clear):
    transport, far = await in_clear(RecordingProtocol())
    tls.raw_peer(far)
    with pytest.raises(ConnectionAbortedError, match="SSL handshake is taking longer than 0.01 seconds"):
        await upgrade(loop, tls, transport, RecordingProtocol(), True, ssl_handshake_timeout=0.01)
    assert transport.is_closing()


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.parametrize("server_side", [True, False])
async def test_cancelled_upgrade_closes_the_connection(tls, loop, in_clear, server_side, turns, reported):
    transport, far = await in_clear(RecordingProtocol())
    sock = transport.get_extra_info("socket")
    upgrading = asyncio.create_task(upgrade(loop, tls, transport, RecordingProtocol(), server_side))
    for _ in range(turns + 1):
        await asyncio.sleep(0)
    upgrading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upgrading
    await settle()
    assert transport.is_closing() and sock.fileno() == -1
    assert reported == []
    far.close()
