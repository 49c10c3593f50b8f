"""The states of a stream transport: one test for each edge of the table in fastloop/net/lifecycle.h, and none besides.

A transport's state shows in what it does: is_closing(), whether data arrives, whether writes are sent, and connection_lost().
"""

import asyncio
import socket
import struct

import pytest
from fastloop.transports.transport import lifecycle

pytestmark = pytest.mark.fastloop_only

MORE_THAN_THE_KERNEL_TAKES = 16 * 1024 * 1024
LINGER_NOT = struct.pack("ii", 1, 0)

TESTED = set()


def edge(before, after):
    TESTED.add((before, after))
    return lambda test: test


class Recorder(asyncio.Protocol):
    """Notes what happens; at_connection(transport) and at_end() are what the protocol does."""

    def __init__(self, at_connection=lambda transport: None, at_end=lambda: None):
        self.at_connection = at_connection
        self.at_end = at_end
        self.received = b""
        self.lost = []
        self.events = []
        self.changed = asyncio.Event()

    def connection_made(self, transport):
        self.transport = transport
        self.events.append("made")
        self.at_connection(transport)

    def data_received(self, data):
        self.received += data
        self.changed.set()

    def eof_received(self):
        self.events.append("end")
        self.changed.set()
        return self.at_end()

    def connection_lost(self, error):
        self.events.append("lost")
        self.lost.append(error)
        self.changed.set()

    async def until(self, condition):
        while not condition():
            self.changed.clear()
            await self.changed.wait()


@pytest.fixture
def connected(run, loop):
    """connected(test, **recorder options): run test(protocol, peer) with a transport on one end of a socket pair."""

    def run_connected(test, **options):
        async def main():
            own, peer = socket.socketpair()
            own.setblocking(False)
            peer.setblocking(False)
            with peer:
                _, protocol = await loop.connect_accepted_socket(lambda: Recorder(**options), own)
                await test(protocol, peer)
                protocol.transport.abort()
                await protocol.until(lambda: protocol.lost)
                assert len(protocol.lost) == 1

        run(main())

    return run_connected


async def read_all(loop, peer):
    received = 0
    while data := await loop.sock_recv(peer, 1 << 20):
        received += len(data)
    return received


def test_the_table_has_no_edge_without_a_test():
    assert {(before, after) for before, after, _ in lifecycle()} == TESTED


@edge("opening", "open")
def test_data_arrives_once_connection_made_has_returned(connected):
    async def test(protocol, peer):
        peer.send(b"data")
        await protocol.until(lambda: protocol.received)
        assert (protocol.events, protocol.transport.is_closing()) == (["made"], False)

    connected(test)


@edge("opening", "closing")
def test_close_in_connection_made_sends_everything_first(connected, loop):
    def write_and_close(transport):
        transport.write(bytes(MORE_THAN_THE_KERNEL_TAKES))
        transport.close()

    async def test(protocol, peer):
        assert protocol.transport.is_closing() and protocol.lost == []
        assert await read_all(loop, peer) == MORE_THAN_THE_KERNEL_TAKES
        await protocol.until(lambda: protocol.lost)
        assert protocol.lost == [None]

    connected(test, at_connection=write_and_close)


@edge("opening", "losing")
def test_close_in_connection_made_is_followed_by_connection_lost(connected, loop):
    async def test(protocol, peer):
        await protocol.until(lambda: protocol.lost)
        assert (protocol.events, protocol.lost) == (["made", "lost"], [None])
        assert await read_all(loop, peer) == 0

    connected(test, at_connection=lambda transport: transport.close())


@edge("open", "read ended")
def test_end_of_file_leaves_the_writing_half_open_if_the_protocol_asks_for_it(connected, loop):
    async def test(protocol, peer):
        peer.shutdown(socket.SHUT_WR)
        await protocol.until(lambda: "end" in protocol.events)
        protocol.transport.write(b"still here")
        assert await loop.sock_recv(peer, 100) == b"still here"
        assert not protocol.transport.is_closing()

    connected(test, at_end=lambda: True)


@edge("open", "closing")
def test_close_of_an_open_transport_sends_what_waits(connected, loop):
    async def test(protocol, peer):
        protocol.transport.write(bytes(MORE_THAN_THE_KERNEL_TAKES))
        protocol.transport.close()
        assert await read_all(loop, peer) == MORE_THAN_THE_KERNEL_TAKES
        await protocol.until(lambda: protocol.lost)
        assert protocol.lost == [None]

    connected(test)


@edge("open", "losing")
def test_end_of_file_with_nothing_to_send_ends_the_connection(connected):
    async def test(protocol, peer):
        peer.shutdown(socket.SHUT_WR)
        await protocol.until(lambda: protocol.lost)
        assert (protocol.events, protocol.lost) == (["made", "end", "lost"], [None])

    connected(test)


@edge("read ended", "closing")
def test_close_after_the_end_of_file_sends_what_waits(connected, loop):
    async def test(protocol, peer):
        peer.shutdown(socket.SHUT_WR)
        await protocol.until(lambda: "end" in protocol.events)
        protocol.transport.write(bytes(MORE_THAN_THE_KERNEL_TAKES))
        protocol.transport.close()
        assert protocol.transport.is_closing() and protocol.lost == []
        assert await read_all(loop, peer) == MORE_THAN_THE_KERNEL_TAKES
        await protocol.until(lambda: protocol.lost)

    connected(test, at_end=lambda: True)


@edge("read ended", "losing")
def test_close_after_the_end_of_file_with_nothing_to_send_ends_the_connection(connected):
    async def test(protocol, peer):
        peer.shutdown(socket.SHUT_WR)
        await protocol.until(lambda: "end" in protocol.events)
        protocol.transport.close()
        await protocol.until(lambda: protocol.lost)
        assert protocol.lost == [None]

    connected(test, at_end=lambda: True)


@edge("closing", "losing")
def test_peer_that_goes_while_the_rest_is_sent_ends_the_connection_with_its_error(connected):
    async def test(protocol, peer):
        protocol.transport.write(bytes(MORE_THAN_THE_KERNEL_TAKES))
        protocol.transport.close()
        assert protocol.lost == []
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        peer.close()
        await protocol.until(lambda: protocol.lost)
        assert isinstance(protocol.lost[0], ConnectionError)

    connected(test)


@edge("losing", "closed")
def test_descriptor_is_closed_when_connection_lost_has_returned(connected, loop):
    async def test(protocol, peer):
        protocol.transport.abort()
        assert protocol.transport.get_extra_info("socket").fileno() >= 0
        await protocol.until(lambda: protocol.lost)
        await asyncio.sleep(0)
        assert protocol.transport.get_extra_info("socket").fileno() == -1
        assert protocol.transport.get_protocol() is None
        assert await read_all(loop, peer) == 0

    connected(test)
