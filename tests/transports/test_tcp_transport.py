"""What TCP alone has: addresses, delays, resets; and what a transport says about itself.

Writing and reading, which TCP and Unix sockets share, are tested in test_transport_writing.py and test_transport_reading.py.
"""

import asyncio
import contextvars
import socket
import sys

import pytest

from actors.files import pattern
from actors.kernel import settle
from actors.peers import reset
from actors.protocols import RecordingProtocol

KINDS = ["tcp", "accepted"]


@pytest.fixture(params=KINDS)
def connect_tcp(connections, request):
    """A function that makes TCP connections; the test runs for made and for accepted ones."""
    return getattr(connections, request.param)


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


# What it says about itself


async def test_transport_is_an_asyncio_transport(connect):
    _, transport, _ = await connect()
    assert isinstance(transport, asyncio.Transport)
    assert isinstance(transport, asyncio.ReadTransport)
    assert isinstance(transport, asyncio.WriteTransport)
    assert transport.is_closing() is False


async def test_socket_is_a_transport_socket(connect):
    _, transport, peer = await connect()
    sock = transport.get_extra_info("socket")
    assert type(sock) is asyncio.trsock.TransportSocket
    assert sock.type == socket.SOCK_STREAM
    assert sock.family == peer.sock.family
    assert sock.fileno() >= 0
    assert sock.gettimeout() == 0
    assert sock.getsockname() == transport.get_extra_info("sockname") == peer.sock.getpeername()
    assert transport.get_extra_info("socket") is sock


async def test_options_can_be_set_through_the_socket(connect_tcp):
    _, transport, _ = await connect_tcp()
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0


async def test_addresses_are_known_to_connection_made(connect_tcp):
    seen = []
    _, _, peer = await connect_tcp(connection_made=lambda protocol, transport: seen.append(transport.get_extra_info("peername")))
    assert seen == [peer.sock.getsockname()]


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_addresses_are_known_before_and_after_the_end(connect_tcp, end):
    protocol, transport, peer = await connect_tcp()
    addresses = {"sockname": peer.sock.getpeername(), "peername": peer.sock.getsockname()}
    assert {name: transport.get_extra_info(name) for name in addresses} == addresses
    getattr(transport, end)()
    await protocol.until_lost()
    assert {name: transport.get_extra_info(name) for name in addresses} == addresses
    assert transport.get_extra_info("socket").fileno() == -1


ENDS = {
    "close": lambda transport, peer: transport.close(),
    "abort": lambda transport, peer: transport.abort(),
    "the peer leaves": lambda transport, peer: peer.close(),
    "reset": lambda transport, peer: peer.reset(),
}
VARIABLE = contextvars.ContextVar("transport")


class Keeper(asyncio.Protocol):
    """Keeps its transport in one of several ways, and nothing else does: where() returns it after the end."""

    def __init__(self, way):
        self.way = way
        self.lost = asyncio.Event()

    def connection_made(self, transport):
        if self.way == "attribute":
            self.transport = transport
            self.where = lambda: self.transport
        elif self.way == "closure":
            self.where = lambda: transport
        elif self.way == "context":
            VARIABLE.set(transport)
            context = contextvars.copy_context()
            self.where = lambda: context[VARIABLE]
        elif self.way == "bound method":
            close = transport.close
            self.where = lambda: close.__self__

    def connection_lost(self, error):
        self.lost.set()


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("way", ["attribute", "closure", "context", "bound method"])
async def test_addresses_are_known_after_the_end_to_whoever_kept_the_transport(serve, connect_to, end, way):
    keeper = Keeper(way)
    server = await serve(lambda: keeper)
    peer = connect_to(server)
    addresses = {"sockname": peer.sock.getpeername(), "peername": peer.sock.getsockname()}
    await settle()
    ENDS[end](keeper.where(), peer)
    await keeper.lost.wait()
    await settle()
    transport = keeper.where()
    assert {name: transport.get_extra_info(name) for name in addresses} == addresses


async def test_unknown_information_is_the_default(connect):
    protocol, transport, _ = await connect()
    default = object()
    assert transport.get_extra_info("no such name") is None
    assert transport.get_extra_info("no such name", default) is default
    assert transport.get_extra_info("cipher") is None
    await protocol.close()
    assert transport.get_extra_info("no such name", default=default) is default


@pytest.mark.skipif(not has_ipv6(), reason="needs IPv6")
async def test_addresses_of_ipv6_have_four_parts(loop, serve):
    accepted, made = RecordingProtocol(), RecordingProtocol()
    server = await serve(lambda: accepted, "::1")
    transport, _ = await loop.create_connection(lambda: made, *server.sockets[0].getsockname()[:2])
    await accepted.until_connected()
    assert accepted.transport.get_extra_info("peername") == transport.get_extra_info("sockname")
    assert accepted.transport.get_extra_info("sockname") == transport.get_extra_info("peername")
    assert len(transport.get_extra_info("peername")) == 4
    transport.close()
    server.close()
    await accepted.until_lost()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems drop the connection before it is accepted")
@pytest.mark.parametrize("leave", ["close", "reset"])
async def test_address_of_a_peer_that_left_before_it_was_accepted_is_known(serve, leave):
    seen = []

    def look(protocol, transport):
        seen.append((transport.get_extra_info("peername"), transport.get_extra_info("sockname")))

    protocol = RecordingProtocol(connection_made=look)
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    address = client.getsockname()
    if leave == "close":
        client.close()
    else:
        reset(client)
    await serve(lambda: protocol, sock=listener)
    await protocol.until_lost()
    assert seen == [(address, listener.getsockname())]
    assert protocol.transport.get_extra_info("peername") == address


# Delays


def nodelay_of(transport):
    return transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


async def test_small_writes_are_not_delayed(connect_tcp):
    _, transport, _ = await connect_tcp()
    assert nodelay_of(transport)


# asyncio leaves the delay on unless the socket was made with IPPROTO_TCP, which hardly any program does.
@pytest.mark.fastloop_only
async def test_small_writes_are_not_delayed_on_sockets_made_without_naming_the_protocol(loop, serve):
    accepted, made = RecordingProtocol(), RecordingProtocol()
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.connect(listener.getsockname())
    assert (listener.proto, client.proto) == (0, 0)
    server = await serve(lambda: accepted, sock=listener)
    transport, _ = await loop.create_connection(lambda: made, sock=client)
    await accepted.until_connected()
    delays_off = nodelay_of(accepted.transport), nodelay_of(transport)
    transport.close()
    server.close()
    await accepted.until_lost()
    assert delays_off == (True, True)


# Resets


@pytest.mark.parametrize("eof_keeps_open", [False, True])
async def test_reset_is_the_reason_of_the_loss(connect_tcp, eof_keeps_open):
    protocol, transport, peer = await connect_tcp(eof_received=lambda protocol: eof_keeps_open)
    peer.reset()
    assert type(await protocol.until_lost()) is ConnectionResetError
    await settle()
    assert protocol.calls == ["connection_made", "connection_lost"]
    assert transport.is_closing() is True


async def test_reset_while_much_waits_to_be_sent_is_told_once(connect_tcp):
    protocol, transport, peer = await connect_tcp()
    transport.write(bytes(20_000_000))
    await settle()
    peer.reset()
    assert isinstance(await protocol.until_lost(), ConnectionError)
    await settle()
    transport.write(b"dropped")
    assert transport.get_write_buffer_size() == 0
    assert len(protocol.lost) == 1


async def test_reset_after_close_is_told_once(connect_tcp):
    protocol, transport, peer = await connect_tcp()
    transport.write(bytes(20_000_000))
    transport.close()
    await settle()
    peer.reset()
    await protocol.until_lost()
    await settle()
    assert len(protocol.lost) == 1
    assert "eof_received" not in protocol.calls


async def test_reset_after_the_peers_end_is_noticed_by_a_write(connect_tcp):
    protocol, transport, peer = await connect_tcp(eof_received=lambda protocol: True)
    peer.send_end()
    await protocol.until_called("eof_received")
    peer.reset()
    while not protocol.lost:
        transport.write(b"is anybody there?")
        await settle()
    assert isinstance(protocol.lost[0], ConnectionError)
    assert len(protocol.lost) == 1


async def test_connection_that_is_reset_in_data_received_is_lost_once(connect_tcp):
    protocol, transport, peer = await connect_tcp()

    def reset_and_answer(protocol, data):
        peer.reset()
        transport.write(b"too late")

    protocol.hooks["data_received"] = reset_and_answer
    await peer.send(b"x")
    assert isinstance(await protocol.until_lost(), ConnectionError)
    await settle()
    assert len(protocol.lost) == 1


# Debug mode


async def test_everything_works_in_debug_mode(loop, connect_tcp):
    loop.set_debug(True)
    # Building a large answer may take longer than the tenth of a second after which debug mode complains.
    loop.slow_callback_duration = 60
    protocol, transport, peer = await connect_tcp()
    data = pattern(1_000_000)
    transport.pause_reading()
    transport.resume_reading()
    transport.write(data)
    transport.write_eof()
    assert await peer.receive_all() == data
    await peer.send(b"answer")
    peer.close()
    await protocol.until_lost()
    assert protocol.received == b"answer"
