"""Contexts that call back: key logs, messages, names, keys that are shared. They may raise, and may use other connections.

A peer that calls OpenSSL without Python's object behind it crashes with each of these.
"""

import asyncio
import contextlib
import os
import socket
import ssl
import subprocess
import sys
import textwrap

import pytest

from actors.authority import with_version
from actors.failures import SomeError, fail
from actors.files import pattern
from actors.kernel import settle
from actors.protocols import RecordingBufferedProtocol, RecordingProtocol, echo

SIZE = 300_000


async def check_both_ways(protocol, peer):
    data = pattern(SIZE)
    _, received = await asyncio.gather(peer.send(data), peer.receive(SIZE))
    assert received == data == protocol.received
    await peer.unwrap()
    assert await protocol.until_lost() is None


# Key logs


async def test_keys_are_logged(connect, tls, version, tmp_path):
    with_version(tls.contexts[1], version)
    logs = [tmp_path / "server", tmp_path / "client"]
    for context, log in zip(tls.contexts, logs):
        context.keylog_filename = log
    protocol, _, peer = await connect(data_received=echo)
    await check_both_ways(protocol, peer)
    for context in tls.contexts:
        # That closes the file.
        context.keylog_filename = None
    lines = [[line for line in log.read_text().splitlines() if not line.startswith("#")] for log in logs]
    assert sorted(lines[0]) == sorted(lines[1])
    assert any(line.startswith("CLIENT_RANDOM" if version == "TLSv1.2" else "CLIENT_TRAFFIC_SECRET_0") for line in lines[0])


async def test_key_log_may_be_changed_while_connections_are_open(connect, tls, tmp_path):
    protocol, _, peer = await connect(data_received=echo)
    for context in tls.contexts:
        context.keylog_filename = tmp_path / "log"
    await peer.check_echo()
    for context in tls.contexts:
        context.keylog_filename = None
    protocol.received.clear()
    await check_both_ways(protocol, peer)


def test_keys_are_logged_to_the_file_of_the_environment(implementation, certificate, tmp_path):
    """create_default_context() reads SSLKEYLOGFILE; the process must live."""
    program = """
        import asyncio, ssl, sys

        if sys.argv[1] == "asyncio":
            new_event_loop = asyncio.SelectorEventLoop
        else:
            from fastloop import new_event_loop

        async def echo(reader, writer):
            writer.write(await reader.readexactly(100_000))
            await writer.drain()
            writer.close()

        async def main():
            server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            server_context.load_cert_chain(*sys.argv[2:])
            assert server_context.keylog_filename
            server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=server_context)
            client_context = ssl.create_default_context(cafile=sys.argv[2])
            options = {"ssl": client_context, "server_hostname": "localhost"}
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), **options)
            writer.write(bytes(100_000))
            assert await reader.read() == bytes(100_000)
            writer.close()
            await writer.wait_closed()
            server.close()

        loop = new_event_loop()
        loop.run_until_complete(main())
        loop.close()
    """
    log = tmp_path / "log"
    arguments = [implementation.name, str(certificate.certificate_path), str(certificate.key_path)]
    environment = {**os.environ, "SSLKEYLOGFILE": str(log)}
    subprocess.run([sys.executable, "-c", textwrap.dedent(program), *arguments], check=True, timeout=60, env=environment)
    assert "CLIENT_TRAFFIC_SECRET_0" in log.read_text()


# Messages


async def test_messages_are_seen(connect, tls, version):
    with_version(tls.contexts[1], version)
    seen = []
    for context in tls.contexts:
        context._msg_callback = lambda connection, direction, *args: seen.append((connection, direction))
    protocol, transport, peer = await connect(data_received=echo)
    ssl_object = transport.get_extra_info("ssl_object")
    assert {direction for connection, direction in seen if connection is ssl_object} == {"read", "write"}
    count = len(seen)
    await check_both_ways(protocol, peer)
    # The records of the data are messages, too.
    assert len(seen) > count + SIZE // 16384
    seen.clear()


@pytest.mark.parametrize("protocol_class", [RecordingProtocol, RecordingBufferedProtocol])
async def test_message_callback_that_raises_while_data_is_read_ends_the_connection(tls, reported, protocol_class):
    error = SomeError("message")
    should_fail = []

    def callback(connection, direction, *args):
        if should_fail and direction == "read" and connection.server_side:
            raise error

    tls.contexts[0]._msg_callback = callback
    protocol, transport, peer = await tls.accepted(protocol_class())
    should_fail.append(True)
    await peer.send(b"data")
    assert await protocol.until_lost() is error
    assert protocol.calls == ["connection_made", "connection_lost"]
    assert [context["exception"] for context in reported] == [error]


async def test_message_callback_that_raises_while_data_is_written_ends_the_connection(tls, reported):
    error = SomeError("message")
    should_fail = []

    def callback(connection, direction, *args):
        if should_fail and direction == "write" and connection.server_side:
            raise error

    tls.contexts[0]._msg_callback = callback
    protocol, transport, peer = await tls.accepted()
    should_fail.append(True)
    transport.write(b"data")
    assert await protocol.until_lost() is error
    assert protocol.calls == ["connection_made", "connection_lost"]
    assert [context["exception"] for context in reported] == [error]


async def test_message_callback_that_raises_in_the_handshake_ends_the_connection(tls, reported):
    tls.contexts[0]._msg_callback = fail
    protocol = RecordingProtocol()
    server = await tls.server(lambda: protocol)
    peer = tls.client_peer(socket.create_connection(server.sockets[0].getsockname()))
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        # The ssl module swallows what is raised while more is expected.
        await peer.handshake()
        await peer.receive_some()
    await settle()
    assert protocol.calls == []
    assert {type(context["exception"]) for context in reported} == {ZeroDivisionError}


async def test_message_callback_that_raises_in_the_handshake_of_a_client_reaches_the_caller(tls, loop, reported):
    tls.contexts[1]._msg_callback = fail
    protocol = RecordingProtocol()
    server = await tls.server(RecordingProtocol)
    with pytest.raises((ZeroDivisionError, ssl.SSLError, ConnectionError)):
        await tls.connect(server.sockets[0].getsockname(), protocol)
    await settle()
    assert protocol.calls == []


# Callbacks that use other connections


@pytest.mark.parametrize("kind", ["sni", "message"])
async def test_callback_may_write_to_other_connections(tls, loop, kind, issued):
    """In the middle of a handshake, and of data."""
    other, other_transport, other_peer = await tls.accepted(data_received=echo)
    called = []

    def callback(*args):
        called.append(True)
        other_transport.write(b"x" * 1000)
        other_transport.get_extra_info("ssl_object").cipher()

    server_context = issued.server_context()
    if kind == "sni":
        server_context.sni_callback = callback
    else:
        server_context._msg_callback = callback
    protocol, _, peer = await tls.accepted(context=server_context, data_received=echo)
    data = pattern(SIZE)
    _, received = await asyncio.gather(peer.send(data), peer.receive(SIZE))
    assert received == data
    count = len(called)
    assert await other_peer.receive(1000 * count) == b"x" * 1000 * count
    server_context._msg_callback = None
    if kind == "sni":
        server_context.sni_callback = None


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_message_callback_may_end_its_own_connection(tls, end, reported):
    should_end = []

    def callback(connection, direction, *args):
        if should_end and direction == "read" and connection.server_side:
            should_end.clear()
            getattr(transport, end)()

    tls.contexts[0]._msg_callback = callback
    protocol, transport, peer = await tls.accepted()
    should_end.append(True)
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        await peer.send(b"data")
        await peer.unwrap()
    await protocol.until_lost()
    assert len(protocol.lost) == 1


# Keys that are shared


@pytest.fixture
def shared_keys(tls):
    """Contexts that need no certificates."""
    if not hasattr(ssl.SSLContext, "set_psk_server_callback") or not ssl.HAS_PSK:
        pytest.skip("since Python 3.13, with an OpenSSL that has it")
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    for context in server, client:
        context.set_ciphers("PSK")
        with_version(context, "TLSv1.2")
    key = b"a key of both"
    server.set_psk_server_callback(lambda identity: key if identity == "client" else b"")
    client.set_psk_client_callback(lambda hint: ("client", key))
    tls.contexts = server, client
    return server, client


async def test_shared_keys_are_used(connect, shared_keys):
    protocol, transport, peer = await connect(data_received=echo)
    assert "PSK" in transport.get_extra_info("cipher")[0]
    await check_both_ways(protocol, peer)


@pytest.mark.parametrize("side", ["server", "client"])
async def test_key_callback_that_raises_ends_the_handshake(tls, shared_keys, side, reported, monkeypatch):
    monkeypatch.setattr(sys, "unraisablehook", lambda raised: None)
    if side == "server":
        shared_keys[0].set_psk_server_callback(fail)
    else:
        shared_keys[1].set_psk_client_callback(fail)
    server_protocol, client_protocol = RecordingProtocol(), RecordingProtocol()
    server = await tls.server(lambda: server_protocol)
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        await tls.connect(server.sockets[0].getsockname(), client_protocol)
    await settle()
    assert (server_protocol.calls, client_protocol.calls, reported) == ([], [], [])
