"""The bytes objects that arrive: transports reuse their memory, but an object in use never changes.

The sizes are around every border at which memory is treated differently (net/receive_buffer.h), and each message has other content.
"""

import asyncio
import random

import pytest

from actors.protocols import RecordingProtocol, echo

# Around the smallest and the largest size that is used again, and around the borders between the size classes.
SMALL_SIZES = range(500, 8300, 7)
LARGE_SIZES = [8191, 8192, 8193, 15_360, 15_361, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 100_000, 131_071, 131_072, 131_073]


def message(number, size):
    return random.Random(number).randbytes(size)


async def receive_each(protocol, peer, sizes):
    """Send messages of these sizes, each once the one before has arrived."""
    total = 0
    for number, size in enumerate(sizes):
        total += size
        await peer.send(message(number, size))
        # Not until_received(), which copies all that was received.
        await protocol.until(lambda total=total: len(protocol.received) >= total or protocol.lost)
    return b"".join(message(number, size) for number, size in enumerate(sizes))


@pytest.mark.parametrize("sizes", [SMALL_SIZES, LARGE_SIZES, [1024] * 200, [100_000] * 20], ids=["small", "large", "same", "same_large"])
@pytest.mark.parametrize("kept", [lambda number: False, lambda number: True, lambda number: number % 3 == 0], ids=["none", "all", "some"])
async def test_kept_objects_never_change(connect, sizes, kept):
    pieces = []
    counted = []

    def receive(protocol, data):
        # The hash is stored in the object, as for a key of a dictionary.
        counted.append((len(data), hash(data), data[-1]))
        if kept(len(counted)):
            pieces.append((data, bytearray(data), hash(data)))

    protocol, _, peer = await connect(data_received=receive)
    assert await receive_each(protocol, peer, sizes) == protocol.received
    for data, copy, value in pieces:
        assert data == copy
        assert hash(data) == value == hash(bytes(copy))
    assert sum(size for size, _, _ in counted) == sum(sizes)


@pytest.mark.parametrize("size", [600, 5000, 100_000])
async def test_views_and_slices_keep_what_they_show(connect, size):
    views = []

    def receive(protocol, data):
        views.append((memoryview(data)[1:], bytearray(data[1:])))

    protocol, _, peer = await connect(data_received=receive)
    await receive_each(protocol, peer, [size] * 20)
    assert all(view == copy for view, copy in views)


@pytest.mark.parametrize("size", [1024, 100_000])
async def test_what_waits_to_be_sent_does_not_change(connections, size):
    """The peer does not read the echo yet: the objects wait in the transport while others arrive."""

    protocol, _, peer = await connections.accepted(data_received=echo)
    expected = await receive_each(protocol, peer, [size] * (6_000_000 // size))
    assert await peer.receive(len(expected)) == expected


async def test_objects_of_two_connections_are_not_mixed_up(connections):
    pieces = []
    protocols = [RecordingProtocol(data_received=lambda protocol, data: pieces.append((data, bytearray(data)))) for _ in range(2)]
    peers = [(await connections.accepted(protocol))[2] for protocol in protocols]
    for number in range(100):
        await asyncio.gather(*(peer.send(message(2 * number + place, 1500)) for place, peer in enumerate(peers)))
        for protocol in protocols:
            await protocol.until_received(1500 * (number + 1))
    for place, protocol in enumerate(protocols):
        assert protocol.received == b"".join(message(2 * number + place, 1500) for number in range(100))
    assert all(data == copy for data, copy in pieces)


@pytest.mark.parametrize("sizes", [SMALL_SIZES, LARGE_SIZES], ids=["small", "large"])
async def test_what_sock_recv_returned_never_changes(loop, pair, make_peer, sizes):
    received = []
    sock, other = pair
    peer = make_peer(other)
    for number, size in enumerate(sizes):
        sending = asyncio.ensure_future(peer.send(message(number, size)))
        left = size
        while left:
            data = await loop.sock_recv(sock, left)
            left -= len(data)
            received.append((data, bytearray(data), hash(data)) if number % 2 else (b"", b"", hash(b"")))
        await sending
    assert all(data == copy and hash(bytes(copy)) == value for data, copy, value in received)


@pytest.mark.parametrize("size", [1024, 100_000])
async def test_exception_that_holds_the_data_holds_it_unchanged(connections, reported, size):
    """A traceback keeps the frame of data_received(), and with it data."""
    for number in range(5):
        protocol, _, peer = await connections.accepted(data_received=lambda protocol, data: 1 / 0)
        await peer.send(message(number, size))
        await protocol.until_lost()
    for number, context in enumerate(reported):
        traceback = context["exception"].__traceback__
        while "data" not in traceback.tb_frame.f_locals:
            traceback = traceback.tb_next
        data = traceback.tb_frame.f_locals["data"]
        assert message(number, size).startswith(data) and data
