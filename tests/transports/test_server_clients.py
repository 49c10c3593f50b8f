"""Which connections a server has: those that close_clients() and abort_clients() end and wait_closed() waits for.

The server keeps none of them alive. A connection that dies, in whatever way, is not among them.
"""

import asyncio
import gc
import socket
import sys
import weakref

import pytest

from actors.kernel import settle, start, until
from actors.leftovers import unclosed_expected
from actors.protocols import RecordingProtocol, RecordingProtocols, until_all_are_lost

pytestmark = pytest.mark.skipif(sys.version_info < (3, 13), reason="servers know their clients since Python 3.13")


@pytest.fixture
def held():
    """The transports that Paused protocols got. Nothing else holds them."""
    return []


@pytest.fixture
def paused(held):
    """A protocol class whose transports do not read, so that the loop does not hold them."""

    class Paused(asyncio.Protocol):
        def connection_made(self, transport):
            transport.pause_reading()
            held.append(transport)

    return Paused


@pytest.fixture
def accept(connect_to, held):
    """A coroutine function that connects so many clients, and returns when the server has accepted them."""

    async def connect(server, count):
        peers = [connect_to(server) for _ in range(count)]
        await until(lambda: len(held) >= count)
        await settle()
        return peers

    return connect


async def test_server_holds_no_client_alive(serve, accept, paused, held):
    server = await serve(paused)
    peers = await accept(server, 3)
    transports = [weakref.ref(transport) for transport in held]
    with unclosed_expected():
        held.clear()
    assert [transport() for transport in transports] == [None] * 3
    for peer in peers:
        assert await peer.receive_all() == b""
    server.close_clients()
    server.close()
    await server.wait_closed()


async def test_wait_closed_returns_when_the_last_client_was_dropped(serve, accept, paused, held):
    server = await serve(paused)
    await accept(server, 3)
    server.close()
    waiting = asyncio.ensure_future(server.wait_closed())
    while held:
        await settle()
        assert not waiting.done()
        with unclosed_expected():
            held.pop(0)
    await waiting


async def test_closed_and_lost_clients_are_closed_no_more(serve, connect_and_check, accepted):
    server = await serve()
    peers = [await connect_and_check(server) for _ in range(9)]
    # From the front, the end and the middle.
    for number in (0, 8, 4, 3, 1):
        accepted[number].transport.abort()
    await until_all_are_lost(accepted[number] for number in (0, 8, 4, 3, 1))
    server.close()
    server.close_clients()
    await server.wait_closed()
    assert [protocol.lost for protocol in accepted] == [[None]] * 9
    for peer in peers:
        assert await peer.receive_all() == b""


async def test_clients_of_all_its_sockets_belong_to_the_server(loop, make_peer):
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    for listener in listeners:
        listener.setblocking(False)
    addresses = [listener.getsockname() for listener in listeners]
    protocols = RecordingProtocols()
    server = asyncio.base_events.Server(loop, listeners, protocols, None, 100, None)
    await server.start_serving()
    peers = [make_peer(socket.create_connection(address)) for address in (*addresses, *addresses)]
    await settle()
    assert len(protocols) == 4
    server.close()
    waiting = await start(server.wait_closed())
    server.abort_clients()
    await waiting
    assert [protocol.lost for protocol in protocols] == [[None]] * 4
    for peer in peers:
        assert await peer.receive_all() == b""


class Client:
    """A transport of somebody else's, as far as a server is concerned."""

    def __init__(self):
        self.calls = []

    def close(self):
        self.calls.append("close")

    def abort(self):
        self.calls.append("abort")


async def test_clients_of_other_kinds_count_too(serve, connect_and_check, accepted):
    server = await serve()
    await connect_and_check(server)
    client, forgotten = Client(), Client()
    server._attach(client)
    server._attach(forgotten)
    server.close_clients()
    del forgotten
    server.abort_clients()
    assert client.calls == ["close", "abort"]
    await until_all_are_lost(accepted)
    server.close()
    waiting = await start(server.wait_closed())
    server._detach(client)
    await waiting


async def test_closed_server_takes_no_more_clients(serve):
    server = await serve()
    server.close()
    with pytest.raises(AssertionError):
        server._attach(Client())


async def test_clients_may_end_the_others_while_they_die(serve, accept, paused, held):
    class Destroyer(paused):
        def connection_made(self, transport):
            super().connection_made(transport)
            self.transport = transport
            self.reference = weakref.ref(transport, lambda reference: server.close_clients())

        def __del__(self):
            server.abort_clients()

    server = await serve(Destroyer)
    peers = await accept(server, 5)
    with unclosed_expected():
        held.clear()
    for peer in peers:
        assert await peer.receive_all() == b""
    server.close()
    await server.wait_closed()


async def test_server_dropped_before_its_clients(loop, connect_to):
    protocols = [RecordingProtocol() for _ in range(3)]
    factories = iter(protocols)
    server = await loop.create_server(lambda: next(factories), "127.0.0.1", 0)
    weak_server = weakref.ref(server)
    peers = [connect_to(server) for _ in protocols]
    for protocol in protocols:
        await protocol.until_connected()
    server.close()
    del server
    for protocol, peer in zip(protocols, peers, strict=True):
        peer.close()
        await protocol.until_lost()
    await settle()
    gc.collect()
    assert weak_server() is None
