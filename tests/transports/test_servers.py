"""Servers: what they listen to, how they begin, and how they treat protocols and peers that misbehave.

How they end is tested in test_closing_servers.py, what happens when descriptors run out in test_accepting.py, the files of
Unix servers in test_unix_transport.py.
"""

import asyncio
import errno
import gc
import socket
import sys

import pytest

from actors.failures import fail
from actors.files import pattern
from actors.kernel import settle, until
from actors.peers import reset
from actors.protocols import RecordingProtocol, RecordingProtocols, until_all_are_lost

since_3_13 = pytest.mark.skipif(sys.version_info < (3, 13), reason="new in Python 3.13")


# Serving


async def test_server_serves_clients_one_after_another_and_together(serve, connect_to, connect_and_check, accepted):
    server = await serve()
    for _ in range(5):
        peer = await connect_and_check(server)
        peer.close()
    peers = [connect_to(server) for _ in range(50)]
    for peer in peers:
        await peer.check_echo()
        peer.close()
    assert len(accepted) == 55
    await until_all_are_lost(accepted)


async def test_server_is_an_asyncio_server_that_knows_its_loop(loop, serve):
    server = await serve()
    assert isinstance(server, asyncio.AbstractServer)
    assert server.get_loop() is loop
    assert "sockets=" in repr(server)


async def test_sockets_are_there_while_the_server_is_open(serve):
    server = await serve()
    (sock,) = server.sockets
    assert type(server.sockets) is tuple
    assert type(sock) is asyncio.trsock.TransportSocket
    assert sock.getsockname()[0] == "127.0.0.1"
    server.close()
    assert server.sockets == ()
    assert sock.fileno() == -1


async def test_server_of_a_socket_serves_on_that_socket(serve, connect_to):
    protocol = RecordingProtocol()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = await serve(lambda: protocol, sock=listener)
    assert server.sockets[0].fileno() == listener.fileno()
    assert listener.gettimeout() == 0
    peer = connect_to(server)
    await peer.send(b"data")
    await protocol.until_received(4)
    peer.close()
    await protocol.until_lost()
    server.close()
    assert listener.fileno() == -1


# Python does not check the protocol's number where a socket object is made for a descriptor.
async def test_sockets_of_connections_have_the_protocol_number_of_the_listening_one(loop, connect_to, listener):
    protocol = RecordingProtocol()
    sock = socket.socket(listener.family, listener.type, 100_000, fileno=listener.detach())
    server = await loop.create_server(lambda: protocol, sock=sock)
    connect_to(server)
    await protocol.until_connected()
    assert protocol.transport.get_extra_info("socket").proto == 100_000
    protocol.transport.close()
    await protocol.until_lost()
    server.close()


async def test_server_made_without_serving_begins_when_told(serve, connect_to, connect_and_check, accepted):
    server = await serve(start_serving=False)
    address = server.sockets[0].getsockname()
    assert server.is_serving() is False
    with pytest.raises(ConnectionRefusedError):
        connect_to(address)
    await server.start_serving()
    await server.start_serving()
    assert server.is_serving() is True
    peer = await connect_and_check(server)
    peer.close()
    await until_all_are_lost(accepted)
    server.close()
    assert server.is_serving() is False


async def test_server_closed_before_it_ever_served(serve):
    server = await serve(start_serving=False)
    server.close()
    assert server.sockets == ()
    await server.wait_closed()


@pytest.mark.parametrize("host", [None, ""])
async def test_no_host_means_every_interface(serve, connect_to, host):
    protocol = RecordingProtocol()
    server = await serve(lambda: protocol, host, family=socket.AF_INET)
    assert [sock.getsockname()[0] for sock in server.sockets] == ["0.0.0.0"]
    connect_to(("127.0.0.1", server.sockets[0].getsockname()[1])).close()
    await protocol.until_lost()


@pytest.mark.usefixtures("needs_localhost")
async def test_server_of_several_hosts_listens_to_each_once(serve, connect_to):
    protocols = RecordingProtocols()
    server = await serve(protocols, ["127.0.0.1", "127.0.0.1", "localhost"], family=socket.AF_INET)
    # asyncio takes answers of getaddrinfo() that differ for different hosts, and musl's names the host that was asked for.
    has_name = any(name for *_, name, _ in socket.getaddrinfo("localhost", 0, socket.AF_INET, socket.SOCK_STREAM))
    assert [sock.getsockname()[0] for sock in server.sockets] == ["127.0.0.1"] * (2 if has_name else 1)
    server.close()
    server = await serve(protocols, ("127.0.0.1", "0.0.0.0"))
    assert {sock.getsockname()[0] for sock in server.sockets} == {"127.0.0.1", "0.0.0.0"}
    for sock in server.sockets:
        connect_to(("127.0.0.1", sock.getsockname()[1])).close()
    await protocols.until_made(2)
    await until_all_are_lost(protocols)


async def test_address_in_use_is_refused_with_its_name(serve, loop):
    server = await serve()
    address = server.sockets[0].getsockname()
    with pytest.raises(OSError, match="error while attempting to bind on address") as caught:
        await loop.create_server(RecordingProtocol, *address)
    assert caught.value.errno == errno.EADDRINUSE
    assert str(address[1]) in str(caught.value)


async def test_port_is_reused_at_once_after_connections(serve, loop, connect_and_check, accepted):
    server = await serve()
    address = server.sockets[0].getsockname()
    await connect_and_check(server)
    # The side that closes first keeps the port in TIME_WAIT.
    accepted[0].transport.close()
    await until_all_are_lost(accepted)
    server.close()
    server = await loop.create_server(RecordingProtocol, *address)
    server.close()


@pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="needs SO_REUSEPORT")
async def test_servers_can_share_a_port(serve, loop):
    first = await serve(reuse_port=True)
    second = await loop.create_server(RecordingProtocol, *first.sockets[0].getsockname(), reuse_port=True)
    first.close()
    second.close()


@since_3_13
@pytest.mark.parametrize("keep_alive", [None, False, True])
async def test_keep_alive_is_set_when_asked_for(serve, keep_alive):
    server = await serve(keep_alive=keep_alive)
    is_set = server.sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
    assert is_set is bool(keep_alive)


@pytest.mark.parametrize("backlog", [1, 5, 1000])
async def test_backlog_bounds_who_waits_and_not_who_is_served(serve, connect_to, accepted, backlog):
    server = await serve(backlog=backlog)
    peers = []
    for _ in range(20):
        peers.append(connect_to(server))
        await peers[-1].check_echo()
    for peer in peers:
        peer.close()
    await until_all_are_lost(accepted)


async def test_arguments_that_contradict_each_other_are_refused(loop):
    stream, datagram = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
    with stream, datagram:
        with pytest.raises(ValueError, match="can not be specified at the same time"):
            await loop.create_server(RecordingProtocol, "127.0.0.1", 0, sock=stream)
        with pytest.raises(ValueError, match="Neither host/port nor sock"):
            await loop.create_server(RecordingProtocol)
        with pytest.raises(ValueError, match="A Stream Socket was expected"):
            await loop.create_server(RecordingProtocol, sock=datagram)
        with pytest.raises(TypeError):
            await loop.create_server(RecordingProtocol, "127.0.0.1", 0, ssl=True)
        for name in "ssl_handshake_timeout", "ssl_shutdown_timeout":
            with pytest.raises(ValueError, match=f"{name} is only meaningful with ssl"):
                await loop.create_server(RecordingProtocol, "127.0.0.1", 0, **{name: 1})
        assert stream.fileno() != -1


# Protocols and peers that misbehave


async def test_factory_that_raises_loses_that_connection_only(serve, connect_to, unclosed_sockets_allowed, reported):
    protocol = RecordingProtocol()
    factories = iter([fail, lambda: protocol])
    server = await serve(lambda: next(factories)())
    assert await connect_to(server).receive_all() == b""
    peer = connect_to(server)
    await peer.send(b"data")
    await protocol.until_received(4)
    peer.close()
    await protocol.until_lost()


# Older versions of asyncio leave the connection to the collector, without a report.
@pytest.mark.fastloop_only
async def test_factory_that_raises_leaves_no_socket_open_and_is_reported(serve, connect_to, reported):
    server = await serve(fail)
    assert await connect_to(server).receive_all() == b""
    assert [(context["message"], type(context["exception"])) for context in reported] == [
        ("Error on transport creation for incoming connection", ZeroDivisionError)
    ]


async def test_factory_that_raises_is_reported_in_debug_mode(loop, serve, connect_to, unclosed_sockets_allowed):
    reports = []
    # The exception itself would keep asyncio's socket alive.
    loop.set_exception_handler(lambda loop, context: reports.append((context["message"], type(context["exception"]))))
    loop.set_debug(True)
    server = await serve(fail)
    peer = connect_to(server)
    while not reports:
        await settle()
    gc.collect()
    assert await peer.receive_all() == b""
    assert reports == [("Error on transport creation for incoming connection", ZeroDivisionError)]


async def test_connection_made_that_raises_is_reported_and_serving_goes_on(serve, connect_to, reported):
    protocols = RecordingProtocols(connection_made=fail)
    server = await serve(protocols)
    peers = [connect_to(server) for _ in range(3)]
    await protocols.until_made(3)
    for protocol in protocols:
        await protocol.until_connected()
    assert [type(context["exception"]) for context in reported] == [ZeroDivisionError] * 3
    for peer in peers:
        peer.close()
    await until_all_are_lost(protocols)


async def test_clients_that_left_before_they_were_accepted_are_made_and_lost(serve, connect_to):
    listener = socket.create_server(("127.0.0.1", 0), backlog=50)
    for number in range(20):
        client = socket.create_connection(listener.getsockname())
        if number % 2:
            client.send(b"last words")
        if number % 3:
            reset(client)
        else:
            client.close()
    accepted = RecordingProtocols()
    server = await serve(accepted, sock=listener)
    living = connect_to(server)
    await living.send(b"here I am")
    await until(lambda: any(protocol.received == b"here I am" for protocol in accepted))
    living.close()
    await until_all_are_lost(accepted)
    for protocol in accepted:
        assert (protocol.calls[0], protocol.calls[-1]) == ("connection_made", "connection_lost")
        assert len(protocol.lost) == 1
    if sys.platform == "linux":
        assert len(accepted) == 21


# TLS


async def test_tls_works_over_the_servers_transports(serve, accepted, tls_contexts, connect_by_tls):
    server = await serve(ssl=tls_contexts[0])
    transport, made = await connect_by_tls(server)
    assert transport.get_extra_info("ssl_object").version().startswith("TLS")
    assert transport.get_extra_info("peername") == server.sockets[0].getsockname()
    data = pattern(500_000)
    transport.write(data)
    assert await made.until_received(len(data)) == data
    await made.close()
    await until_all_are_lost(accepted)


async def test_client_that_speaks_no_tls_harms_nobody_else(serve, tls_contexts, connect_to, connect_by_tls, reported):
    ssl = pytest.importorskip("ssl")
    protocols = RecordingProtocols()
    server = await serve(protocols, ssl=tls_contexts[0])
    stranger = connect_to(server)
    await stranger.send(b"GET / HTTP/1.0\r\n\r\n")
    await stranger.receive_all()
    transport, made = await connect_by_tls(server)
    transport.write(b"data")
    await protocols[1].until_received(4)
    await made.close()
    await protocols[1].until_lost()
    assert protocols[0].calls == []
    assert all(isinstance(context["exception"], ssl.SSLError) for context in reported)
