"""The states of a TLS session: exactly one test for each edge of the table in fastloop/tls/session_states.h.

A session's state shows in what it does: whether get_extra_info() knows a cipher, whether data arrives, and what the far end reads.
"""

import asyncio
import ssl

import pytest
from fastloop.tls.tls_session import session_states

from actors.kernel import settle
from actors.protocols import RecordingProtocol

pytestmark = pytest.mark.fastloop_only

TESTED = set()


def edge(before, after):
    TESTED.add((before, after))
    return lambda test: test


def test_the_table_has_no_edge_without_a_test():
    assert {(before, after) for before, after, _ in session_states()} == TESTED


@edge("handshaking", "open")
async def test_data_flows_and_the_cipher_is_known_when_the_handshake_is_done(connect):
    known = []
    protocol, transport, peer = await connect(connection_made=lambda _, transport: known.append(transport.get_extra_info("cipher")))
    assert known == [transport.get_extra_info("cipher")] == [peer.ssl_object.cipher()]
    await peer.send(b"data")
    assert await protocol.until_received(4) == b"data"


@edge("handshaking", "closed")
async def test_handshake_with_a_peer_that_speaks_no_tls_fails(tls, loop):
    async def answer(reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    protocol = RecordingProtocol()
    with pytest.raises(ssl.SSLError):
        await tls.connect(server.sockets[0].getsockname(), protocol)
    server.close()
    await settle()
    assert protocol.calls == []


@edge("open", "shutting down")
async def test_close_says_so_to_the_peer_and_delivers_nothing_more(connect):
    protocol, transport, peer = await connect()
    transport.close()
    assert await peer.receive_all() == b""
    await peer.send(b"too late")
    await settle()
    assert (protocol.received, protocol.lost) == (b"", [])
    transport.abort()
    await protocol.until_lost()


@edge("open", "closed")
async def test_bad_record_ends_the_connection(connect):
    protocol, _, peer = await connect()
    record = bytearray(peer.encrypt(b"data"))
    record[-1] ^= 1
    await peer.raw_send(record)
    assert isinstance(await protocol.until_lost(), ssl.SSLError)
    assert protocol.received == b""


@edge("shutting down", "closed")
async def test_connection_is_lost_when_the_peer_has_closed_too(connect):
    protocol, transport, peer = await connect()
    transport.close()
    await settle()
    assert protocol.lost == []
    await peer.unwrap()
    assert await protocol.until_lost() is None
