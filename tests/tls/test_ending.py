"""How TLS connections end: close_notify in both directions, a lost connection, the order of the callbacks, and what is left."""

import asyncio
import contextlib
import socket
import ssl

import pytest

from actors.authority import with_version
from actors.failures import SomeError, raising
from actors.files import pattern
from actors.kernel import settle, until
from actors.peers import reset
from actors.protocols import RecordingProtocol, echo

# Closing


async def test_close_sends_close_notify_and_waits_for_the_answer(connect, version, tls):
    with_version(tls.contexts[1], version)
    protocol, transport, peer = await connect()
    transport.write(b"last words")
    transport.close()
    assert transport.is_closing()
    assert await peer.receive_all() == b"last words"
    await settle()
    assert protocol.lost == []
    await peer.send_close_notify()
    assert await protocol.until_lost() is None
    assert protocol.calls[-1] == "connection_lost" and len(protocol.lost) == 1
    # Then the connection ends as well.
    assert await peer.raw_receive_some() == b""


async def test_close_of_the_other_end_is_an_end_of_file_and_answered(connect, version, tls):
    with_version(tls.contexts[1], version)
    protocol, transport, peer = await connect()
    await peer.send(b"last words")
    await peer.unwrap()
    assert await protocol.until_lost() is None
    assert protocol.received == b"last words"
    assert protocol.calls == ["connection_made", "data_received", "eof_received", "connection_lost"]
    assert transport.is_closing()


async def test_keeping_open_after_the_end_of_file_has_no_effect(connect):
    protocol, transport, peer = await connect(eof_received=lambda _: True)
    await peer.send_close_notify()
    assert await protocol.until_lost() is None
    assert protocol.calls == ["connection_made", "eof_received", "connection_lost"]


async def test_both_ends_close_at_once(connect):
    protocol, transport, peer = await connect()
    closing = peer.close_notify()
    transport.close()
    await peer.raw_send(closing)
    assert await protocol.until_lost() is None
    assert await peer.receive_all() == b""


@pytest.mark.parametrize("first", ["close", "abort"])
@pytest.mark.parametrize("second", ["close", "abort"])
async def test_closing_twice_is_allowed(connect, first, second):
    protocol, transport, peer = await connect()
    getattr(transport, first)()
    getattr(transport, second)()
    if "abort" not in (first, second):
        await peer.unwrap()
    assert await protocol.until_lost() is None
    for again in ("close", "abort"):
        getattr(transport, again)()
    await settle()
    assert len(protocol.lost) == 1


async def test_abort_ends_the_connection_at_once(connect):
    protocol, transport, peer = await connect()
    transport.write(b"perhaps")
    transport.abort()
    assert transport.is_closing()
    assert protocol.lost == []
    assert await protocol.until_lost() is None
    with contextlib.suppress(ConnectionResetError):
        while await peer.raw_receive_some():
            pass
    assert protocol.calls == ["connection_made", "connection_lost"]


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_connection_can_be_ended_when_it_is_made(tls, end):
    protocol = RecordingProtocol(connection_made=lambda _, transport: getattr(transport, end)())
    server = await tls.server(lambda: protocol)
    peer = tls.client_peer(socket.create_connection(server.sockets[0].getsockname()))
    with contextlib.suppress(ConnectionResetError, ssl.SSLError):
        await peer.handshake()
        await peer.unwrap()
    assert await protocol.until_lost() is None
    assert [name for name in protocol.calls if name != "eof_received"] == ["connection_made", "connection_lost"]


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_client_whose_connection_ends_when_it_is_made_gets_its_transport(tls, loop, end):
    protocol = RecordingProtocol(connection_made=lambda _, transport: getattr(transport, end)())
    server = await tls.server(RecordingProtocol)
    address, options = server.sockets[0].getsockname(), {"ssl": tls.contexts[1], "server_hostname": "localhost"}
    transport, made = await loop.create_connection(lambda: protocol, *address, **options)
    assert made is protocol and transport is protocol.transport
    await protocol.until_lost()
    assert transport.is_closing()
    assert [name for name in protocol.calls if name != "eof_received"] == ["connection_made", "connection_lost"]


async def test_connection_can_be_closed_when_the_end_of_file_is_received(connect):
    protocol, transport, peer = await connect(eof_received=lambda protocol: protocol.transport.close())
    await peer.unwrap()
    assert await protocol.until_lost() is None
    assert protocol.calls == ["connection_made", "eof_received", "connection_lost"]


async def test_answer_is_written_when_the_end_of_file_is_received(connect):
    """asyncio sends it: the other end may read after it has said that it will write no more."""
    protocol, transport, peer = await connect(eof_received=lambda protocol: protocol.transport.write(b"answer"))
    await peer.send_close_notify()
    assert await protocol.until_lost() is None
    received = bytearray()
    with contextlib.suppress(ssl.SSLError, ConnectionResetError):
        received += await peer.receive_all()
    assert received in (b"", b"answer")


async def test_closing_while_reading_is_paused_ends_the_connection(connect):
    protocol, transport, peer = await connect()
    transport.pause_reading()
    await settle()
    transport.close()
    await peer.unwrap()
    assert await protocol.until_lost() is None


async def test_shutdown_has_a_time_limit(tls, reported):
    protocol, transport, peer = await tls.accepted(server_options={"ssl_shutdown_timeout": 0.01})
    transport.close()
    error = await protocol.until_lost()
    assert type(error) is TimeoutError and str(error) == "SSL shutdown timed out"
    assert reported == []


async def test_shutdown_of_a_client_has_a_time_limit(tls, reported):
    client, server = await tls.both(ssl_shutdown_timeout=0.01, server=RecordingProtocol())
    server.transport.pause_reading()
    client.transport.write(bytes(20_000_000))
    client.transport.close()
    assert type(await client.until_lost()) is TimeoutError
    assert reported == []


async def test_nothing_is_received_after_close(connect):
    protocol, transport, peer = await connect()
    await peer.send(b"before")
    await protocol.until_received(6)
    transport.close()
    await peer.send(b"after")
    await settle()
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        await peer.unwrap()
    error = await protocol.until_lost()
    assert error is None or error.reason == "APPLICATION_DATA_AFTER_CLOSE_NOTIFY"
    assert protocol.received == b"before"
    assert "eof_received" not in protocol.calls[:-2]


@pytest.mark.parametrize("is_paused", [False, True])
async def test_peer_that_keeps_sending_does_not_keep_a_closed_connection(tls, is_paused):
    """The connection is gone after a limited number of bytes or the time of the shutdown, and none of them is delivered."""
    protocol, transport, peer = await tls.accepted(server_options={"ssl_shutdown_timeout": 1})
    if is_paused:
        transport.pause_reading()
    transport.close()
    sent = 0
    with contextlib.suppress(ConnectionError):
        while not protocol.lost:
            await peer.send(bytes(16_384))
            sent += 16_384
            await asyncio.sleep(0)
    await protocol.until_lost()
    assert protocol.received == b""
    assert sent < 50_000_000


# Connections that are lost


def endings(protocol):
    return [name for name in protocol.calls if name in ("eof_received", "connection_lost")]


async def test_end_of_tcp_without_close_notify_is_an_end_of_file(connect, version, tls, reported):
    with_version(tls.contexts[1], version)
    protocol, transport, peer = await connect()
    await peer.send(b"cut")
    peer.send_end()
    error = await protocol.until_lost()
    assert protocol.received == b"cut"
    # asyncio does not tell truncation from an end.
    assert (error, endings(protocol), reported) == (None, ["eof_received", "connection_lost"], [])


async def test_end_of_tcp_in_a_record_loses_that_record_only(connect, reported):
    protocol, transport, peer = await connect()
    await peer.raw_send(peer.encrypt(b"whole") + peer.encrypt(b"half")[:-5])
    peer.send_end()
    error = await protocol.until_lost()
    assert protocol.received == b"whole"
    assert (error, endings(protocol), reported) == (None, ["eof_received", "connection_lost"], [])


async def test_reset_is_reported_to_the_protocol(connect, reported):
    protocol, transport, peer = await connect()
    await peer.send(b"x")
    await protocol.until_received(1)
    peer.reset()
    assert type(await protocol.until_lost()) is ConnectionResetError
    assert (endings(protocol), reported) == (["connection_lost"], [])


async def test_reset_after_close_is_reported_to_the_protocol(connect, reported):
    protocol, transport, peer = await connect()
    transport.close()
    await settle()
    peer.reset()
    assert type(await protocol.until_lost()) in (ConnectionResetError, type(None))
    assert (endings(protocol)[-1], reported) == ("connection_lost", [])


@pytest.mark.parametrize("end", ["fin", "reset"])
async def test_connection_that_is_lost_while_much_waits(connect, end, reported):
    protocol, transport, peer = await connect()
    transport.write(bytes(10_000_000))
    await settle()
    peer.reset() if end == "reset" else peer.close()
    await protocol.until_lost()
    assert transport.get_write_buffer_size() == 0
    assert (len(protocol.lost), reported) == (1, [])


async def test_connection_that_ends_in_the_handshake_is_refused(tls, loop, reported):
    left, right = socket.socketpair()
    peer = tls.raw_peer(right)
    connecting = asyncio.create_task(loop.create_connection(RecordingProtocol, sock=left, ssl=tls.contexts[1], server_hostname="localhost"))
    # What the client says first.
    assert await peer.receive_some()
    peer.close()
    with pytest.raises(ConnectionResetError):
        await connecting
    await settle()
    assert (left.fileno(), reported) == (-1, [])


async def test_alert_of_the_other_end_is_an_error(tls, reported):
    protocol, transport, peer = await tls.accepted()
    # Records in clear are no longer allowed: handshake failure.
    await peer.raw_send(bytes.fromhex("15030300020228"))
    error = await protocol.until_lost()
    assert isinstance(error, ssl.SSLError)
    assert (endings(protocol), reported) == (["connection_lost"], [])


# Servers


async def test_closed_server_leaves_its_connections(tls):
    protocol = RecordingProtocol(data_received=echo)
    server = await tls.server(lambda: protocol)
    peer = await tls.client_peer(socket.create_connection(server.sockets[0].getsockname())).handshake()
    await protocol.until_connected()
    tls.near(protocol)
    server.close()
    await peer.check_echo()
    transport = protocol.transport
    transport.abort()
    await protocol.until_lost()
    await server.wait_closed()


@pytest.mark.parametrize("way", ["close_clients", "abort_clients"])
async def test_clients_of_a_server_are_closed(tls, way):
    protocol = RecordingProtocol()
    server = await tls.server(lambda: protocol)
    if not hasattr(server, way):
        pytest.skip("since Python 3.13")
    peer = await tls.client_peer(socket.create_connection(server.sockets[0].getsockname())).handshake()
    await protocol.until_connected()
    server.close()
    getattr(server, way)()
    with contextlib.suppress(ConnectionResetError, ssl.SSLError):
        assert await peer.receive_all() == b""
        await peer.send_close_notify()
    await protocol.until_lost()
    await server.wait_closed()


async def test_server_waits_for_connections_that_shake_hands(tls, loop):
    protocol = RecordingProtocol()
    server = await tls.server(lambda: protocol)
    peer = tls.raw_peer(socket.create_connection(server.sockets[0].getsockname()))
    await settle()
    server.close()
    peer.close()
    await server.wait_closed()
    await settle()
    assert protocol.calls == []


# Protocols that fail


@pytest.mark.parametrize("error_class", [SomeError, OSError])
async def test_failure_of_connection_made_ends_the_connection_of_a_client(tls, reported, error_class):
    error = error_class("made")
    protocol = RecordingProtocol(connection_made=raising(error))
    server = await tls.server(RecordingProtocol)
    with pytest.raises(error_class) as raised:
        await tls.connect(server.sockets[0].getsockname(), protocol)
    assert raised.value is error
    await settle()
    assert protocol.calls == ["connection_made", "connection_lost"]
    assert protocol.lost == [error]
    assert [context["exception"] for context in reported] == ([] if error_class is OSError else [error])


async def test_failure_of_connection_made_ends_the_connection_of_a_server(tls, reported):
    error = SomeError("made")
    protocol = RecordingProtocol(connection_made=raising(error))
    server = await tls.server(lambda: protocol)
    peer = tls.client_peer(socket.create_connection(server.sockets[0].getsockname()))
    with contextlib.suppress(ConnectionResetError, ssl.SSLError):
        await peer.handshake()
        await peer.receive_all()
    assert await protocol.until_lost() is error
    assert [context["exception"] for context in reported] == [error]


@pytest.mark.parametrize("error_class", [SomeError, OSError])
async def test_failure_of_eof_received_is_reported(connect, reported, error_class):
    error = error_class("eof")
    protocol, transport, peer = await connect(eof_received=raising(error))
    await peer.send_close_notify()
    assert await protocol.until_lost() is error
    expected = [] if error_class is OSError else [("Error calling eof_received()", error)]
    assert [(context["message"], context["exception"]) for context in reported] == expected
    assert len(protocol.lost) == 1


async def test_failure_of_connection_lost_is_reported_once(connect, reported):
    error = SomeError("lost")
    protocol, transport, peer = await connect(connection_lost=raising(error))
    transport.abort()
    await protocol.until_lost()
    await settle()
    assert [context["exception"] for context in reported] == [error]


@pytest.mark.parametrize("name", ["pause_writing", "resume_writing"])
async def test_failure_of_flow_control_is_reported_and_changes_nothing(narrow_connect, reported, name):
    error = SomeError("flow")
    protocol, transport, peer = await narrow_connect(**{name: raising(error)})
    data = pattern(1_000_000)
    transport.write(data)
    transport.write(data)
    assert await peer.receive(2_000_000) == data + data
    await protocol.until_called("resume_writing")
    await until(lambda: reported)
    assert [(context["message"], context["exception"]) for context in reported] == [(f"protocol.{name}() failed", error)]
    assert not transport.is_closing()


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("name", ["data_received", "eof_received"])
def test_interruption_in_a_callback_leaves_the_loop(loop, run, tls, interruption, name, reported):
    protocol, transport, peer = run(tls.accepted(**{name: raising(interruption())}))

    async def send():
        await peer.raw_send(peer.encrypt(b"x") if name == "data_received" else peer.close_notify())
        await asyncio.sleep(3600)

    task = loop.create_task(send())
    with pytest.raises(interruption):
        loop.run_forever()
    task.cancel()
    transport.abort()
    run(protocol.until_lost())
    assert len(protocol.lost) == 1


@pytest.mark.parametrize("sent", ["plain", "end", "reset"])
async def test_debug_mode_reports_nothing_more(tls, loop, sent, reported):
    loop.set_debug(True)
    loop.slow_callback_duration = 60
    protocol, transport, peer = await tls.accepted()
    if sent == "plain":
        await peer.raw_send(b"GET / HTTP/1.0\r\n\r\n")
    elif sent == "end":
        peer.send_end()
    else:
        reset(peer.sock)
    await protocol.until_lost()
    assert (len(protocol.lost), reported) == (1, [])
