"""Writing faster than the other end reads: limits, pause_writing() and resume_writing(), and what waits in between.

asyncio counts what waits above the transport below, and not what that has taken. So a first write fills the transport below here, and
the second one is counted by everybody.
"""

import asyncio

import pytest

from actors.files import pattern
from actors.kernel import settle, until_still

# More than the kernel keeps for a connection whose buffer is narrow.
MUCH = 1_000_000


def pauses_of(protocol):
    return [name for name in protocol.calls if name in ("pause_writing", "resume_writing")]


async def test_default_limits(connect):
    _, transport, _ = await connect()
    assert transport.get_write_buffer_limits() == (128 * 1024, 512 * 1024)
    assert transport.get_read_buffer_limits() == (64 * 1024, 256 * 1024)
    assert (transport.get_write_buffer_size(), transport.get_read_buffer_size()) == (0, 0)


@pytest.mark.parametrize("which", ["read", "write"])
@pytest.mark.parametrize(
    ("options", "limits"),
    [
        ({"high": 1000}, (250, 1000)),
        ({"low": 1000}, (1000, 4000)),
        ({"high": 1000, "low": 1000}, (1000, 1000)),
        ({"high": 5, "low": 0}, (0, 5)),
        ({"high": 1 << 40}, (1 << 38, 1 << 40)),
    ],
)
async def test_limit_that_is_not_given_follows_from_the_other(tls, which, options, limits):
    _, transport, _ = await tls.connected()
    getattr(transport, f"set_{which}_buffer_limits")(**options)
    assert getattr(transport, f"get_{which}_buffer_limits")() == limits


@pytest.mark.parametrize("which", ["read", "write"])
@pytest.mark.parametrize("options", [{"high": 1, "low": 2}, {"high": -1}, {"low": -1}, {"high": 5, "low": -5}])
async def test_limits_that_make_no_sense_are_refused_and_change_nothing(tls, which, options):
    _, transport, _ = await tls.connected()
    before = getattr(transport, f"get_{which}_buffer_limits")()
    with pytest.raises(ValueError, match="must be >= 0"):
        getattr(transport, f"set_{which}_buffer_limits")(**options)
    assert getattr(transport, f"get_{which}_buffer_limits")() == before


async def test_slow_reader_pauses_the_protocol_and_resumes_it_once_each(narrow_connect):
    protocol, transport, peer = await narrow_connect()
    data = pattern(MUCH)
    for number in range(1, 4):
        transport.write(data)
        transport.write(data)
        await settle()
        assert pauses_of(protocol) == ["pause_writing", "resume_writing"] * (number - 1) + ["pause_writing"]
        assert transport.get_write_buffer_size() > 512 * 1024
        assert await peer.receive(2 * MUCH) == data + data
        await protocol.until(lambda number=number: len(pauses_of(protocol)) == 2 * number)
        assert transport.get_write_buffer_size() <= 128 * 1024
    await settle()
    assert pauses_of(protocol) == ["pause_writing", "resume_writing"] * 3
    assert transport.get_write_buffer_size() == 0


@pytest.mark.fastloop_only
async def test_everything_that_is_unsent_is_counted(narrow_connect):
    protocol, transport, peer = await narrow_connect()
    transport.write(bytes(MUCH))
    await settle()
    assert pauses_of(protocol) == ["pause_writing"]
    # The kernel and the far end have the rest.
    assert MUCH - 500_000 < transport.get_write_buffer_size() < MUCH + 10_000
    assert await peer.receive(MUCH) == bytes(MUCH)
    await protocol.until(lambda: len(pauses_of(protocol)) == 2)
    await settle()
    assert transport.get_write_buffer_size() == 0


async def test_high_limit_above_what_waits_does_not_pause(narrow_connect):
    protocol, transport, peer = await narrow_connect()
    transport.set_write_buffer_limits(high=10 * MUCH)
    transport.write(bytes(MUCH))
    await settle()
    assert await peer.receive(MUCH) == bytes(MUCH)
    await settle()
    assert pauses_of(protocol) == []


async def test_limits_lowered_below_what_waits_pause_at_once(narrow_connect):
    protocol, transport, peer = await narrow_connect()
    transport.set_write_buffer_limits(high=10 * MUCH)
    transport.write(bytes(MUCH))
    transport.write(bytes(MUCH))
    await settle()
    transport.set_write_buffer_limits(high=1000)
    assert pauses_of(protocol) == ["pause_writing"]
    await peer.receive(2 * MUCH)
    await protocol.until(lambda: len(pauses_of(protocol)) == 2)


@pytest.mark.parametrize("high", [0, 1, 3000])
async def test_pauses_and_resumptions_alternate_whatever_the_limit(narrow_connect, high):
    protocol, transport, peer = await narrow_connect()
    transport.set_write_buffer_limits(high=high)
    data = pattern(MUCH)

    async def write():
        for start in range(0, MUCH, 10_000):
            transport.write(data[start : start + 10_000])
            if start % 170_000 == 0:
                await asyncio.sleep(0)

    _, received = await asyncio.gather(write(), peer.receive(MUCH))
    assert received == data
    await settle()
    pauses = pauses_of(protocol)
    assert pauses[:2] == ["pause_writing", "resume_writing"][: len(pauses)]
    assert all(one != other for one, other in zip(pauses, pauses[1:]))


async def test_writing_resumed_by_the_protocol_goes_on(narrow_connect):
    """What resume_writing() writes may pause it again."""
    left = [10]

    def write_again(protocol):
        left[0] -= 1
        if left[0]:
            protocol.transport.writelines([bytes(MUCH)])
            protocol.transport.write(bytes(MUCH))

    protocol, transport, peer = await narrow_connect(resume_writing=write_again)
    transport.write(bytes(MUCH))
    transport.write(bytes(MUCH))
    assert await peer.receive(20 * MUCH) == bytes(20 * MUCH)
    await protocol.until(lambda: not left[0])
    assert pauses_of(protocol) == ["pause_writing", "resume_writing"] * 10


async def test_close_sends_what_waits_for_a_slow_reader(narrow_connect):
    protocol, transport, peer = await narrow_connect()
    data = pattern(MUCH)
    transport.write(data)
    transport.close()
    await settle()
    assert protocol.lost == []
    assert await peer.receive_all() == data
    await peer.send_close_notify()
    assert await protocol.until_lost() is None


async def test_abort_drops_what_waits(narrow_connect):
    protocol, transport, peer = await narrow_connect()
    transport.write(bytes(MUCH))
    await settle()
    transport.abort()
    assert await protocol.until_lost() is None
    assert transport.get_write_buffer_size() == 0


async def test_reader_that_stops_reading_stops_the_writer(tls):
    client, server = await tls.both()
    server.transport.pause_reading()
    sent = 0
    while pauses_of(client)[-1:] != ["pause_writing"]:
        client.transport.write(bytes(100_000))
        sent += 100_000
        await settle()
        assert sent < 500 * MUCH
    await until_still(client.transport.get_write_buffer_size)
    assert pauses_of(client) == ["pause_writing"]
    assert server.received == b""
    server.transport.resume_reading()
    assert await server.until_received(sent) == bytes(sent)
