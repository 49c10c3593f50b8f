"""The states of a stream transport: exactly one test for each edge of the table in fastloop/transports/lifecycle.h.

A transport's state shows in what it does: is_closing(), whether data arrives, whether writes are sent, and connection_lost().
"""

import socket

import pytest
from fastloop.transports.transport import lifecycle

from actors.peers import Peer
from actors.protocols import RecordingProtocol

pytestmark = pytest.mark.fastloop_only

MORE_THAN_THE_KERNEL_TAKES = 16 * 1024 * 1024

TESTED = set()


def edge(before, after):
    TESTED.add((before, after))
    return lambda test: test


@pytest.fixture
def connect(loop, run):
    """A coroutine function that makes a transport on one end of a socket pair; at the end it has been lost once."""
    made = []

    async def make(**hooks):
        near, far = socket.socketpair()
        peer = Peer(loop, far)
        transport, protocol = await loop.connect_accepted_socket(lambda: RecordingProtocol(**hooks), near)
        made.append((protocol, peer))
        return protocol, transport, peer

    yield make
    for protocol, peer in made:
        protocol.transport.abort()
        run(protocol.until_lost())
        peer.close()
        assert len(protocol.lost) == 1


def test_the_table_has_no_edge_without_a_test():
    assert {(before, after) for before, after, _ in lifecycle()} == TESTED


@edge("opening", "open")
async def test_data_arrives_once_connection_made_has_returned(connect):
    protocol, transport, peer = await connect()
    await peer.send(b"data")
    await protocol.until_received(4)
    assert (protocol.calls, transport.is_closing()) == (["connection_made", "data_received"], False)


@edge("opening", "closing")
async def test_close_in_connection_made_sends_everything_first(connect):
    def write_and_close(protocol, transport):
        transport.write(bytes(MORE_THAN_THE_KERNEL_TAKES))
        transport.close()

    protocol, transport, peer = await connect(connection_made=write_and_close)
    assert transport.is_closing() and protocol.lost == []
    assert len(await peer.receive_all()) == MORE_THAN_THE_KERNEL_TAKES
    assert await protocol.until_lost() is None


@edge("opening", "losing")
async def test_close_in_connection_made_is_followed_by_connection_lost(connect):
    protocol, _, peer = await connect(connection_made=lambda protocol, transport: transport.close())
    assert await protocol.until_lost() is None
    assert protocol.calls == ["connection_made", "connection_lost"]
    assert await peer.receive_all() == b""


@edge("open", "read ended")
async def test_end_of_file_leaves_the_writing_half_open_if_the_protocol_asks_for_it(connect):
    protocol, transport, peer = await connect(eof_received=lambda protocol: True)
    peer.send_end()
    await protocol.until_called("eof_received")
    transport.write(b"still here")
    assert await peer.receive(10) == b"still here"
    assert not transport.is_closing()


@edge("open", "closing")
async def test_close_of_an_open_transport_sends_what_waits(connect):
    protocol, transport, peer = await connect()
    transport.write(bytes(MORE_THAN_THE_KERNEL_TAKES))
    transport.close()
    assert len(await peer.receive_all()) == MORE_THAN_THE_KERNEL_TAKES
    assert await protocol.until_lost() is None


@edge("open", "losing")
async def test_end_of_file_with_nothing_to_send_ends_the_connection(connect):
    protocol, _, peer = await connect()
    peer.send_end()
    assert await protocol.until_lost() is None
    assert protocol.calls == ["connection_made", "eof_received", "connection_lost"]


@edge("read ended", "closing")
async def test_close_after_the_end_of_file_sends_what_waits(connect):
    protocol, transport, peer = await connect(eof_received=lambda protocol: True)
    peer.send_end()
    await protocol.until_called("eof_received")
    transport.write(bytes(MORE_THAN_THE_KERNEL_TAKES))
    transport.close()
    assert transport.is_closing() and protocol.lost == []
    assert len(await peer.receive_all()) == MORE_THAN_THE_KERNEL_TAKES
    await protocol.until_lost()


@edge("read ended", "losing")
async def test_close_after_the_end_of_file_with_nothing_to_send_ends_the_connection(connect):
    protocol, transport, peer = await connect(eof_received=lambda protocol: True)
    peer.send_end()
    await protocol.until_called("eof_received")
    assert await protocol.close() is None


@edge("closing", "losing")
async def test_peer_that_goes_while_the_rest_is_sent_ends_the_connection_with_its_error(connect):
    protocol, transport, peer = await connect()
    transport.write(bytes(MORE_THAN_THE_KERNEL_TAKES))
    transport.close()
    assert protocol.lost == []
    peer.reset()
    assert isinstance(await protocol.until_lost(), ConnectionError)


@edge("losing", "closed")
async def test_descriptor_is_closed_when_connection_lost_has_returned(connect):
    protocol, transport, peer = await connect()
    transport.abort()
    assert transport.get_extra_info("socket").fileno() >= 0
    await protocol.until_lost()
    assert transport.get_extra_info("socket").fileno() == -1
    assert transport.get_protocol() is None
    assert await peer.receive_all() == b""
