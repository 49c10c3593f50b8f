"""Writing faster than the peer reads: limits, pause_writing() and resume_writing(), and what waits in between.

A loop may hold what is written until the callback ends, so these tests look at the buffer after a turn, and count pauses
only where far more is written than the kernel takes.
"""

import asyncio
import os

import pytest

from actors.failures import raising
from actors.files import pattern
from actors.kernel import settle
from actors.protocols import RecordingProtocol

# More than the kernel keeps for a connection whose buffer is narrow.
MUCH = 1_000_000


def pauses_of(protocol):
    return [name for name in protocol.calls if name in ("pause_writing", "resume_writing")]


# Limits


async def test_default_limits(connect):
    _, transport, _ = await connect()
    assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
    assert transport.get_write_buffer_size() == 0


@pytest.mark.parametrize(
    "options, limits",
    [
        ({"high": 1000}, (250, 1000)),
        ({"low": 1000}, (1000, 4000)),
        ({"high": 1000, "low": 1000}, (1000, 1000)),
        ({"high": 0}, (0, 0)),
        ({"low": 0}, (0, 0)),
        ({"high": 5, "low": 0}, (0, 5)),
        ({}, (16 * 1024, 64 * 1024)),
    ],
)
async def test_limit_that_is_not_given_follows_from_the_other(connections, options, limits):
    _, transport, _ = await connections.tcp()
    transport.set_write_buffer_limits(high=7, low=3)
    transport.set_write_buffer_limits(**options)
    assert transport.get_write_buffer_limits() == limits


async def test_limits_are_given_high_before_low(connections):
    _, transport, _ = await connections.tcp()
    transport.set_write_buffer_limits(200, 100)
    assert transport.get_write_buffer_limits() == (100, 200)


@pytest.mark.parametrize("options", [{"high": 1, "low": 2}, {"high": -1}, {"low": -1}, {"high": 5, "low": -5}])
async def test_limits_that_make_no_sense_are_refused_and_change_nothing(connections, options):
    _, transport, _ = await connections.tcp()
    with pytest.raises(ValueError, match="must be >= 0"):
        transport.set_write_buffer_limits(**options)
    assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_limits_can_be_asked_after_the_end(connect, end):
    protocol, transport, _ = await connect()
    getattr(transport, end)()
    await protocol.until_lost()
    assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)
    assert transport.get_write_buffer_size() == 0


# Pausing


async def test_slow_reader_pauses_the_protocol_and_resumes_it_once_each(narrow_connect):
    protocol, transport, peer = await narrow_connect()
    data = pattern(MUCH)
    for number in range(1, 4):
        for start in range(0, MUCH, MUCH // 10):
            transport.write(data[start : start + MUCH // 10])
        await settle()
        assert pauses_of(protocol) == ["pause_writing", "resume_writing"] * (number - 1) + ["pause_writing"]
        assert transport.get_write_buffer_size() > 64 * 1024
        assert await peer.receive(MUCH) == data
        await protocol.until(lambda number=number: len(pauses_of(protocol)) == 2 * number)
        assert transport.get_write_buffer_size() <= 16 * 1024
    await settle()
    assert pauses_of(protocol) == ["pause_writing", "resume_writing"] * 3
    assert transport.get_write_buffer_size() == 0


async def test_buffer_grows_with_what_is_written_and_shrinks_to_nothing(connect_and_fill):
    _, transport, peer = await connect_and_fill()
    size = transport.get_write_buffer_size()
    assert 0 < size < MUCH
    transport.write(bytes(1000))
    transport.writelines([bytes(20), bytes(3)])
    # The kernel may take some of it in between.
    assert 0 < transport.get_write_buffer_size() <= size + 1023
    await peer.receive(MUCH + 1023)
    await settle()
    assert transport.get_write_buffer_size() == 0


async def test_limits_of_zero_pause_for_every_byte_that_waits_and_resume_when_none_does(narrow_connect):
    sizes = []
    protocol, transport, peer = await narrow_connect(
        resume_writing=lambda protocol: sizes.append(protocol.transport.get_write_buffer_size())
    )
    transport.set_write_buffer_limits(high=0)
    transport.write(bytes(MUCH))
    await settle()
    assert pauses_of(protocol) == ["pause_writing"]
    await peer.receive(MUCH)
    await protocol.until(lambda: sizes)
    assert sizes == [0]
    assert pauses_of(protocol) == ["pause_writing", "resume_writing"]


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
    await settle()
    transport.set_write_buffer_limits(high=1000)
    assert pauses_of(protocol) == ["pause_writing"]
    transport.set_write_buffer_limits(high=500)
    assert pauses_of(protocol) == ["pause_writing"]
    await peer.receive(MUCH)
    await protocol.until(lambda: len(pauses_of(protocol)) == 2)


async def test_pauses_and_resumptions_alternate_whatever_is_written(narrow_connect):
    protocol, transport, peer = await narrow_connect()
    transport.set_write_buffer_limits(high=3000, low=1000)
    data = pattern(400_000)

    async def write():
        for start in range(0, len(data), 5000):
            transport.write(data[start : start + 5000])
            await asyncio.sleep(0)

    _, received = await asyncio.gather(write(), peer.receive(len(data)))
    await protocol.until(lambda: transport.get_write_buffer_size() == 0)
    assert received == data
    pauses = pauses_of(protocol)
    assert pauses == ["pause_writing", "resume_writing"] * (len(pauses) // 2)


async def test_protocol_that_writes_when_it_is_resumed_keeps_the_order(narrow_connect):
    data = pattern(4 * MUCH)
    pieces = [data[start : start + MUCH] for start in range(0, len(data), MUCH)]
    protocol, transport, peer = await narrow_connect(resume_writing=lambda protocol: pieces and protocol.transport.write(pieces.pop(0)))
    transport.write(pieces.pop(0))
    assert await peer.receive(len(data)) == data


async def test_protocol_set_while_writing_is_paused_is_resumed(connect_and_fill):
    first, second = RecordingProtocol(), RecordingProtocol()
    _, transport, peer = await connect_and_fill(first)
    transport.set_protocol(second)
    await peer.receive(MUCH)
    await second.until(lambda: second.calls)
    assert (pauses_of(first), pauses_of(second)) == (["pause_writing"], ["resume_writing"])


@pytest.mark.parametrize("name", ["pause_writing", "resume_writing"])
async def test_exception_of_the_protocol_is_reported_and_the_data_arrives(narrow_connect, reported, name):
    error = ZeroDivisionError("the protocol's own")
    protocol, transport, peer = await narrow_connect(**{name: raising(error)})
    data = pattern(MUCH)
    transport.write(data)
    await settle()
    assert await peer.receive(MUCH) == data
    await settle()
    assert pauses_of(protocol) == ["pause_writing", "resume_writing"]
    (context,) = reported
    assert context["message"] == f"protocol.{name}() failed"
    assert (context["exception"], context["transport"], context["protocol"]) == (error, transport, protocol)
    assert transport.is_closing() is False


# The end


async def test_transport_closed_while_paused_sends_everything(narrow_connect):
    protocol, transport, peer = await narrow_connect()
    data = pattern(MUCH)
    transport.write(data)
    await settle()
    transport.close()
    assert await peer.receive_all() == data
    assert await protocol.until_lost() is None
    assert transport.get_write_buffer_size() == 0


async def test_transport_aborted_while_paused_is_not_resumed(connect_and_fill):
    protocol, transport, _ = await connect_and_fill()
    transport.abort()
    assert transport.get_write_buffer_size() == 0
    assert await protocol.until_lost() is None
    assert pauses_of(protocol) == ["pause_writing"]


async def test_peer_that_leaves_while_writing_is_paused_is_one_loss(connect_and_fill):
    protocol, transport, peer = await connect_and_fill()
    peer.close()
    assert isinstance(await protocol.until_lost(), ConnectionError)
    await settle()
    assert len(protocol.lost) == 1
    assert transport.get_write_buffer_size() == 0


async def test_drain_of_a_stream_waits_for_the_reader(loop, make_peer):
    accepted = loop.create_future()
    server = await asyncio.start_server(lambda reader, writer: accepted.set_result((reader, writer)), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), limit=1000)
    _, server_writer = await accepted
    server_writer.write(bytes(20_000_000))
    draining = asyncio.ensure_future(server_writer.drain())
    await settle()
    assert not draining.done()
    assert await reader.readexactly(20_000_000) == bytes(20_000_000)
    await draining
    for each in writer, server_writer:
        each.close()
        await each.wait_closed()
    server.close()


# Many pieces


@pytest.mark.parametrize("is_blocked", [False, True], ids=["", "after a backlog"])
@pytest.mark.parametrize("count", [1, 2, 1023, 1024, 1025, 5000])
async def test_writelines_takes_more_pieces_than_the_kernel(narrow_connect, count, is_blocked):
    assert os.sysconf("SC_IOV_MAX") < 5000
    _, transport, peer = await narrow_connect()
    backlog = bytes(500_000) if is_blocked else b""
    transport.write(backlog)
    await settle()
    data = pattern(count * 50)
    transport.writelines([data[start : start + 50] for start in range(0, len(data), 50)])
    transport.write(b"the end")
    assert await peer.receive(len(backlog) + len(data) + 7) == backlog + data + b"the end"
    await settle()
    assert transport.get_write_buffer_size() == 0


async def test_many_small_writes_to_a_reader_that_does_not_read_arrive_in_order(narrow_connect):
    _, transport, peer = await narrow_connect()
    data = pattern(600_000)
    for start in range(0, len(data), 30):
        transport.write(data[start : start + 30])
    await settle()
    assert await peer.receive(len(data)) == data
    await settle()
    assert transport.get_write_buffer_size() == 0
