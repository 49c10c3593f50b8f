"""What both ends agree on in the handshake: version, name, application protocol, session; and handshakes that take too long."""

import asyncio
import contextlib
import socket
import ssl
import sys
import time

import pytest

from actors.authority import with_version
from actors.connections import tcp_pair
from actors.failures import fail
from actors.kernel import settle, until
from actors.protocols import RecordingProtocol, RecordingProtocols, echo


@pytest.fixture
def unraisable(monkeypatch):
    """What the ssl module cannot raise from a callback."""
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda raised: seen.append(raised.exc_type))
    return seen


async def until_refused(peer):
    """The handshake of the peer fails, by an alert or by the end of the connection."""
    with pytest.raises((ssl.SSLError, ConnectionResetError)) as raised:
        await peer.handshake()
    return raised.value


# Versions


async def test_version_is_the_one_that_both_ends_allow(connect_in_every_way, tls, version):
    with_version(tls.contexts[1], version)
    protocol, transport, peer = await connect_in_every_way(data_received=echo)
    assert transport.get_extra_info("ssl_object").version() == version
    await peer.check_echo()


@pytest.mark.parametrize("near", ["accepted", "connected"])
async def test_ends_without_a_common_version_refuse_each_other(tls, near, reported):
    with_version(tls.contexts[0], "TLSv1.2")
    with_version(tls.contexts[1], "TLSv1.3")
    with pytest.raises(ssl.SSLError):
        await getattr(tls, near)()
    await settle()
    assert reported == []


# Application protocols


async def test_application_protocol_is_agreed_on(connect, tls):
    tls.contexts[0].set_alpn_protocols(["h2", "http/1.1"])
    tls.contexts[1].set_alpn_protocols(["other", "http/1.1"])
    seen = []
    await connect(connection_made=lambda _, transport: seen.append(transport.get_extra_info("ssl_object").selected_alpn_protocol()))
    assert seen == ["http/1.1"]


async def test_ends_without_a_common_application_protocol_have_none(connect, tls):
    tls.contexts[0].set_alpn_protocols(["h2"])
    tls.contexts[1].set_alpn_protocols(["other"])
    _, transport, _ = await connect()
    assert transport.get_extra_info("ssl_object").selected_alpn_protocol() is None


# Names


@pytest.mark.parametrize(
    ("server_hostname", "names"),
    [
        ("localhost", "DNS:localhost"),
        (b"localhost", "DNS:localhost"),
        ("127.0.0.1", "IP:127.0.0.1"),
        ("::1", "IP:::1"),
        ("a.example.org", "DNS:*.example.org"),
        ("xn--bcher-kva.example", "DNS:xn--bcher-kva.example"),
        ("bücher.example", "DNS:xn--bcher-kva.example"),
    ],
)
async def test_name_of_the_server_is_verified(tls, authority, server_hostname, names):
    tls.contexts = authority.issue(names).server_context(), authority.client_context()
    seen = []
    tls.contexts[0].sni_callback = lambda ssl_object, name, context: seen.append(name)
    client, server = await tls.both(server_hostname=server_hostname)
    assert (
        client.transport.get_extra_info("ssl_object").server_hostname
        == tls.contexts[1].wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=server_hostname).server_hostname
    )
    is_address = names.startswith("IP")
    assert seen == [None if is_address else client.transport.get_extra_info("ssl_object").server_hostname]


async def test_name_is_that_of_the_host_unless_another_one_is_given(tls, needs_localhost):
    server = await tls.server(RecordingProtocol)
    transport, protocol = await tls.connect_by_host("localhost", server)
    assert transport.get_extra_info("ssl_object").server_hostname == "localhost"


async def test_address_is_verified_unless_a_name_is_given(tls, authority):
    tls.contexts = authority.issue("DNS:localhost").server_context(), authority.client_context()
    server = await tls.server(RecordingProtocol)
    with pytest.raises(ssl.SSLCertVerificationError) as raised:
        await tls.connect_by_host("127.0.0.1", server)
    assert raised.value.verify_code == 64


async def test_empty_name_is_not_verified(tls, authority):
    tls.contexts = authority.issue("DNS:elsewhere").server_context(), authority.client_context()
    tls.contexts[1].check_hostname = False
    client, _ = await tls.both(server_hostname="")
    assert client.transport.get_extra_info("ssl_object").server_hostname is None


@pytest.mark.parametrize(
    "server_hostname", [".example.org", "a" * 300, "a..b", "\0", 5, object()], ids=["dot", "long", "dots", "nul", "number", "object"]
)
async def test_bad_name_is_refused_as_in_the_ssl_module(loop, tls, server_hostname, unclosed_sockets_allowed):
    def expected():
        return tls.contexts[1].wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=server_hostname)

    with pytest.raises(Exception) as raised:
        expected()
    server = await tls.server(RecordingProtocol)
    with pytest.raises(type(raised.value)) as refused:
        await loop.create_connection(
            RecordingProtocol, *server.sockets[0].getsockname(), ssl=tls.contexts[1], server_hostname=server_hostname
        )
    assert str(refused.value) == str(raised.value)


async def test_arguments_that_contradict_each_other_are_refused(loop, tls, pair):
    address = ("127.0.0.1", 1)
    with pytest.raises(ValueError, match="server_hostname is only meaningful with ssl"):
        await loop.create_connection(RecordingProtocol, *address, server_hostname="localhost")
    with pytest.raises(ValueError, match="You must set server_hostname when using ssl without a host"):
        await loop.create_connection(RecordingProtocol, sock=pair[0], ssl=tls.contexts[1])
    for name in "ssl_handshake_timeout", "ssl_shutdown_timeout":
        with pytest.raises(ValueError, match=f"{name} is only meaningful with ssl"):
            await loop.create_connection(RecordingProtocol, *address, **{name: 1})
        with pytest.raises(ValueError, match=f"{name} is only meaningful with ssl"):
            await loop.create_server(RecordingProtocol, *address, **{name: 1})
        with pytest.raises(ValueError, match=f"{name} is only meaningful with ssl"):
            await loop.connect_accepted_socket(RecordingProtocol, pair[0], **{name: 1})


async def test_server_needs_a_context(loop):
    with pytest.raises(TypeError, match="ssl argument must be an SSLContext or None"):
        await loop.create_server(RecordingProtocol, "127.0.0.1", 0, ssl=True)


async def test_default_context_trusts_no_authority_of_ours(loop, tls):
    server = await tls.server(RecordingProtocol)
    with pytest.raises(ssl.SSLCertVerificationError):
        await loop.create_connection(RecordingProtocol, *server.sockets[0].getsockname(), ssl=True, server_hostname="localhost")


async def test_context_of_a_server_makes_no_client(loop, tls, reported, unclosed_sockets_allowed):
    server = await tls.server(RecordingProtocol)
    with pytest.raises(ssl.SSLError, match="Cannot create a client socket with a PROTOCOL_TLS_SERVER context"):
        await loop.create_connection(RecordingProtocol, *server.sockets[0].getsockname(), ssl=tls.contexts[0], server_hostname="localhost")


# SNI


async def test_sni_callback_gets_the_ssl_object_and_the_name(tls):
    seen = []
    tls.contexts[0].sni_callback = lambda *args: seen.append(args)
    _, transport, _ = await tls.accepted()
    assert seen == [(transport.get_extra_info("ssl_object"), "localhost", tls.contexts[0])]
    # The callback's arguments are in a cycle with the context.
    seen.clear()


async def test_sni_callback_may_switch_the_context(tls, authority, version):
    other = authority.issue("DNS:localhost", "other").server_context()

    def switch(ssl_object, name, context):
        ssl_object.context = other

    tls.contexts[0].sni_callback = switch
    with_version(tls.contexts[1], version)
    protocol, transport, peer = await tls.accepted(data_received=echo)
    assert (("commonName", "other"),) in peer.ssl_object.getpeercert()["subject"]
    assert transport.get_extra_info("ssl_object").context is other
    assert transport.get_extra_info("sslcontext") is tls.contexts[0]
    await peer.check_echo()
    await peer.send(bytes(100_000))
    assert await protocol.until_received(100_005) == b"hello" + bytes(100_000)


@pytest.mark.parametrize("answer", [ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME, ssl.ALERT_DESCRIPTION_ACCESS_DENIED])
async def test_sni_callback_may_refuse(tls, answer, reported):
    tls.contexts[0].sni_callback = lambda *args: answer
    protocol = RecordingProtocol()
    server = await tls.server(lambda: protocol)
    await until_refused(tls.client_peer(socket.create_connection(server.sockets[0].getsockname())))
    await settle()
    assert (protocol.calls, reported) == ([], [])


@pytest.mark.parametrize("callback", [fail, lambda *args: "no number"], ids=["raises", "wrong answer"])
async def test_sni_callback_that_fails_refuses(tls, callback, reported, unraisable):
    tls.contexts[0].sni_callback = callback
    protocol = RecordingProtocol()
    server = await tls.server(lambda: protocol)
    await until_refused(tls.client_peer(socket.create_connection(server.sockets[0].getsockname())))
    await settle()
    assert (protocol.calls, reported) == ([], [])
    assert unraisable == [ZeroDivisionError if callback is fail else TypeError]


async def test_sni_callback_may_close_everything(tls, loop):
    """The connection it belongs to ends, and others go their way."""
    protocol = RecordingProtocol()
    server = await tls.server(lambda: protocol)
    tls.contexts[0].sni_callback = lambda *args: server.close()
    peer = tls.client_peer(socket.create_connection(server.sockets[0].getsockname()))
    await peer.handshake()
    await protocol.until_connected()
    tls.near(protocol)
    protocol.transport.write(b"open still")
    assert await peer.receive_some() == b"open still"


# Sessions


async def test_session_of_the_client_can_be_resumed(tls, loop, version):
    with_version(tls.contexts[1], version)
    session = None
    for is_resumed in (False, True):
        protocol, transport, peer = await tls.accepted(peer_options={"session": session})
        transport.write(b"x")
        # The ticket of TLS 1.3 arrives with the data.
        assert await peer.receive_some() == b"x"
        session = peer.ssl_object.session
        assert peer.ssl_object.session_reused is transport.get_extra_info("ssl_object").session_reused is is_resumed
        await peer.send_close_notify()
        await protocol.until_lost()
    assert tls.contexts[0].session_stats()["accept_good"] == 2


async def test_session_of_the_near_end_is_known(tls, version):
    with_version(tls.contexts[1], version)
    protocol, transport, peer = await tls.connected()
    await peer.send(b"x")
    assert await protocol.until_received(1) == b"x"
    session = transport.get_extra_info("ssl_object").session
    assert type(session) is ssl.SSLSession
    assert session.has_ticket


# Time limits


@pytest.mark.parametrize("timeout", [0, -1])
@pytest.mark.parametrize("name", ["ssl_handshake_timeout", "ssl_shutdown_timeout"])
async def test_time_limit_that_is_not_positive_is_refused(tls, loop, name, timeout, pair, unclosed_sockets_allowed):
    with pytest.raises(ValueError, match=f"{name} should be a positive number, got {timeout}"):
        await loop.create_connection(RecordingProtocol, sock=pair[0], ssl=tls.contexts[1], server_hostname="x", **{name: timeout})


async def test_handshake_of_the_client_has_a_time_limit(tls, loop, pair, reported):
    options = {"sock": pair[0], "ssl": tls.contexts[1], "server_hostname": "localhost", "ssl_handshake_timeout": 0.01}
    with pytest.raises(ConnectionAbortedError, match="SSL handshake is taking longer than 0.01 seconds: aborting the connection"):
        await loop.create_connection(RecordingProtocol, **options)
    await settle()
    assert pair[0].fileno() == -1
    assert reported == []


async def test_handshake_of_the_server_has_a_time_limit(tls, reported):
    protocol = RecordingProtocol()
    server = await tls.server(lambda: protocol, ssl_handshake_timeout=0.01)
    peer = tls.raw_peer(socket.create_connection(server.sockets[0].getsockname()))
    assert await peer.receive_all() == b""
    assert (protocol.calls, reported) == ([], [])


async def test_handshake_of_an_accepted_socket_has_a_time_limit(tls, loop, pair):
    with pytest.raises(ConnectionAbortedError, match="SSL handshake is taking longer"):
        await loop.connect_accepted_socket(RecordingProtocol, pair[0], ssl=tls.contexts[0], ssl_handshake_timeout=0.01)
    await settle()
    assert pair[0].fileno() == -1


async def test_time_limit_ends_with_the_handshake(tls, loop):
    protocol, transport, peer = await tls.accepted(server_options={"ssl_handshake_timeout": 0.05}, data_received=echo)
    await asyncio.sleep(0.1)
    await peer.check_echo()


# Ways to begin


@pytest.mark.parametrize("make_pair", [socket.socketpair, tcp_pair])
async def test_accepted_socket_is_served(tls, loop, make_pair):
    protocol = RecordingProtocol(data_received=echo)
    near, far = make_pair()
    peer = tls.client_peer(far)
    connecting = asyncio.create_task(loop.connect_accepted_socket(lambda: protocol, near, ssl=tls.contexts[0]))
    await peer.handshake()
    transport, made = await connecting
    assert made is protocol and transport is protocol.transport
    tls.near(protocol)
    await peer.check_echo()


async def test_unix_server_is_connected_to(tls, loop, short_folder):
    server_protocol, client_protocol = RecordingProtocol(data_received=echo), RecordingProtocol()
    path = f"{short_folder}/listening"
    server = await loop.create_unix_server(lambda: server_protocol, path, ssl=tls.contexts[0])
    _, client = await loop.create_unix_connection(lambda: client_protocol, path, ssl=tls.contexts[1], server_hostname="localhost")
    await server_protocol.until_connected()
    tls.near(client), tls.near(server_protocol)
    client.transport.write(b"over Unix")
    assert await client.until_received(9) == b"over Unix"
    server.close()


async def test_unix_connection_needs_a_name(tls, loop):
    with pytest.raises(ValueError, match="you have to pass server_hostname when using ssl"):
        await loop.create_unix_connection(RecordingProtocol, "/nowhere", ssl=tls.contexts[1])


async def test_connection_is_made_before_anything_is_received(tls):
    client, server = await tls.both(server=RecordingProtocol(connection_made=lambda _, transport: transport.write(b"first")))
    await client.until_received(5)
    assert client.calls == ["connection_made", "data_received"]


async def test_data_that_arrives_with_the_handshake_is_received_after_connection_made(tls, version):
    with_version(tls.contexts[1], version)
    protocol = RecordingProtocol()
    server = await tls.server(lambda: protocol)
    peer = tls.client_peer(socket.create_connection(server.sockets[0].getsockname()))
    while True:
        try:
            peer.ssl_object.do_handshake()
            break
        except ssl.SSLWantReadError:
            await peer.flush()
            await peer.feed()
    # The last flight of the handshake, data and the end, in one piece.
    await peer.raw_send(peer.outgoing.read() + peer.encrypt(b"early ") + peer.encrypt(b"data") + peer.close_notify())
    assert await protocol.until_lost() is None
    assert bytes(protocol.received) == b"early data"
    assert protocol.calls == ["connection_made", "data_received", "eof_received", "connection_lost"]


async def test_many_handshakes_at_once_all_succeed(tls):
    accepted = RecordingProtocols(data_received=echo)
    server = await tls.server(accepted)
    protocols = await asyncio.gather(*[tls.connect(server.sockets[0].getsockname(), RecordingProtocol()) for _ in range(50)])
    for number, protocol in enumerate(protocols):
        protocol.transport.write(b"%02d" % number)
    assert [await protocol.until_received(2) for protocol in protocols] == [b"%02d" % number for number in range(50)]
    for protocol in accepted:
        tls.near(protocol)


async def test_handshake_of_a_new_connection_waits_no_longer_than_those_before_it(tls, loop):
    server = await tls.server(RecordingProtocols())
    begun, context = [], ssl.create_default_context()
    with contextlib.ExitStack() as stack:

        def connect():
            return stack.enter_context(socket.create_connection(server.sockets[0].getsockname()))

        def begin(sock, name):
            client = context.wrap_bio(ssl.MemoryBIO(), outgoing := ssl.MemoryBIO(), server_hostname=name)
            with contextlib.suppress(ssl.SSLWantReadError):
                client.do_handshake()
            sock.sendall(outgoing.read())

        def one_step(ssl_object, name, context):
            # Longer than all handshakes of a turn may take.
            time.sleep(0.003)
            begun.append(name)
            if name == "first":
                begin(connect(), "new")
            if early:
                begin(early.pop(), f"early{len(early)}")

        tls.contexts[0].sni_callback = one_step
        early = [connect() for _ in range(20)]
        await settle()
        begin(early.pop(), "first")
        begin(early.pop(), "second")
        await until(lambda: len(begun) == 21)
    assert begun.index("new") < 10
    await settle()
