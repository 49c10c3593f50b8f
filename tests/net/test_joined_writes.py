"""How much of what one callback writes waits for its end: more and more while the kernel takes everything, less when it does not.

The connections are TCP's with the kernel's own limits, whose buffers on Linux hold a megabyte and more. Nothing is awaited between the
writes of one callback, so a buffer that is empty after a write tells that everything was sent.
"""

import sys

import pytest

CHUNK = bytes(range(256)) * 256

pytestmark = [
    pytest.mark.fastloop_only,
    pytest.mark.skipif(sys.platform != "linux", reason="how much the kernel takes at once is known of Linux only"),
]


@pytest.fixture(params=["tcp", "accepted"])
def connection(request, connections):
    return getattr(connections, request.param)


def write_until_sent(transport):
    """Write as one callback would, until everything is sent or the kernel takes no more; returns the number of chunks."""
    count = 0
    while True:
        count += 1
        transport.write(CHUNK)
        waiting = transport.get_write_buffer_size()
        if waiting == 0 or waiting % len(CHUNK) != 0:
            return count
        assert count < 1000


def write_until_paused(transport, protocol):
    """The same until pause_writing(); returns the number of bytes."""
    pauses = protocol.calls.count("pause_writing")
    size = 0
    while protocol.calls.count("pause_writing") == pauses:
        transport.write(CHUNK)
        size += len(CHUNK)
        assert size < 1_000_000_000
    return size


async def send_and_receive(transport, peer, times):
    counts = []
    for _ in range(times):
        counts.append(write_until_sent(transport))
        size = counts[-1] * len(CHUNK)
        assert await peer.receive(size) == CHUNK * counts[-1]
    return counts


def test_more_and_more_is_joined_while_the_kernel_takes_everything(run, connection, make_protocol):
    async def main():
        transport, peer = await connection(make_protocol())
        # Above 64, 128, 256 and 512 KiB, and no further.
        assert await send_and_receive(transport, peer, 6) == [2, 3, 5, 9, 9, 9]

    run(main())


def test_less_is_joined_when_the_kernel_has_not_taken_everything(run, connection, settle, make_protocol):
    async def main():
        protocol = make_protocol()
        transport, peer = await connection(protocol)
        assert await send_and_receive(transport, peer, 4) == [2, 3, 5, 9]
        for _ in range(3):
            size = write_until_paused(transport, protocol)
            assert await peer.receive(size) == CHUNK * (size // len(CHUNK))
            await settle()
            assert await send_and_receive(transport, peer, 2) == [5, 9]

    run(main())


def test_large_chunk_with_nothing_before_it_leaves_at_once(run, connection, make_protocol):
    async def main():
        transport, peer = await connection(make_protocol())
        await send_and_receive(transport, peer, 4)
        for _ in range(3):
            transport.write(CHUNK + b"one more")
            assert transport.get_write_buffer_size() == 0
        assert await peer.receive(3 * (len(CHUNK) + 8)) == (CHUNK + b"one more") * 3

    run(main())


def test_large_chunks_one_at_a_time_do_not_make_others_wait(run, connection, make_protocol):
    async def main():
        transport, peer = await connection(make_protocol())
        for _ in range(5):
            transport.write(CHUNK * 2)
            assert transport.get_write_buffer_size() == 0
            await peer.receive(2 * len(CHUNK))
        assert await send_and_receive(transport, peer, 1) == [2]

    run(main())


@pytest.mark.parametrize("high", [0, 1000, 65535])
def test_lower_limit_of_the_program_holds_however_fast_the_peer_is(run, connection, make_protocol, high):
    async def main():
        transport, peer = await connection(make_protocol())
        await send_and_receive(transport, peer, 4)
        transport.set_write_buffer_limits(high=high)
        for _ in range(8):
            transport.write(bytes(high // 2))
            transport.write(bytes(high - high // 2))
            assert transport.get_write_buffer_size() == high
            transport.write(b"1")
            assert transport.get_write_buffer_size() == 0
        assert await peer.receive(8 * (high + 1)) == (bytes(high) + b"1") * 8

    run(main())


def test_what_left_under_a_lower_limit_does_not_raise_the_usual_one(run, connection, make_protocol):
    async def main():
        transport, peer = await connection(make_protocol())
        transport.set_write_buffer_limits(high=1000)
        for _ in range(8):
            transport.writelines([bytes(600), bytes(600)])
            assert transport.get_write_buffer_size() == 0
        transport.set_write_buffer_limits()
        await peer.receive(8 * 1200)
        assert await send_and_receive(transport, peer, 2) == [2, 3]

    run(main())


def test_program_is_paused_as_soon_as_the_kernel_has_refused(run, connection, make_protocol):
    async def main():
        protocol = make_protocol()
        transport, peer = await connection(protocol)
        await send_and_receive(transport, peer, 4)
        size = write_until_paused(transport, protocol)
        # What it was given to send, and nothing on top of it.
        assert 64 * 1024 < transport.get_write_buffer_size() <= 9 * len(CHUNK)
        assert await peer.receive(size) == CHUNK * (size // len(CHUNK))

    run(main())
