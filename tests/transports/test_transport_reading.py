"""What a stream transport calls on its protocol: on accepted TCP connections and on Unix sockets.

First connection_made(), then the data in order, then the end, then connection_lost() once. Nothing while reading is paused.
After set_protocol() the new protocol gets everything.
"""

import asyncio
import socket
import sys

import pytest

from actors.failures import fail, raising
from actors.files import pattern
from actors.kernel import settle
from actors.protocols import RecordingBufferedProtocol, RecordingProtocol

# Each kind of protocol, and what tells it of data.
KINDS = {RecordingProtocol: "data_received", RecordingBufferedProtocol: "buffer_updated"}


@pytest.mark.parametrize("kind", KINDS)
async def test_callbacks_come_in_their_order(connect, kind):
    protocol, transport, peer = await connect(kind())
    assert protocol.calls == ["connection_made"]
    assert protocol.transport is transport
    await peer.send(b"data")
    await protocol.until_received(4)
    peer.close()
    assert await protocol.until_lost() is None
    assert protocol.calls == ["connection_made", KINDS[kind], "eof_received", "connection_lost"]


async def test_data_and_end_that_arrive_together_are_told_apart(connect):
    protocol, transport, peer = await connect(connection_made=lambda protocol, transport: transport.pause_reading())
    await peer.send(b"the last words")
    peer.close()
    transport.resume_reading()
    await protocol.until_lost()
    assert protocol.received == b"the last words"
    assert protocol.calls == ["connection_made", "data_received", "eof_received", "connection_lost"]


async def test_much_data_arrives_whole(connect):
    protocol, _, peer = await connect()
    data = pattern(5_000_000)
    await peer.send(data)
    assert await protocol.until_received(len(data)) == data


async def test_messages_of_many_sizes_arrive_in_order(connect):
    protocol, _, peer = await connect()
    data = pattern(400_000)
    position = 0
    while position < len(data):
        step = position * 7919 % 3000 + 1
        await peer.send(data[position : position + step])
        position += step
        if step % 2:
            await asyncio.sleep(0)
    assert await protocol.until_received(len(data)) == data


async def test_data_received_earlier_is_not_changed_by_what_arrives_later(connections):
    kept = []
    protocol, _, peer = await connections.tcp(data_received=lambda protocol, data: kept.append(data))
    for number in range(100):
        await peer.send(b"%03d" % number * 50)
        await protocol.until_received(150 * (number + 1))
    assert b"".join(kept) == b"".join(b"%03d" % number * 50 for number in range(100))


# Pausing


async def test_nothing_is_received_while_reading_is_paused(connect):
    protocol, transport, peer = await connect()
    transport.pause_reading()
    await peer.send(b"early")
    await settle()
    assert protocol.received == b""
    transport.resume_reading()
    assert await protocol.until_received(5) == b"early"


async def test_reading_paused_by_connection_made_does_not_begin(connect, implementation):
    if implementation.name == "asyncio" and sys.version_info < (3, 11, 4):
        pytest.skip("asyncio's transports heed pause_reading() in connection_made() from Python 3.11.4 on (gh-103607)")
    protocol, transport, peer = await connect(connection_made=lambda protocol, transport: transport.pause_reading())
    await peer.send(b"early")
    await settle()
    assert protocol.received == b""
    transport.resume_reading()
    assert await protocol.until_received(5) == b"early"


async def test_reading_paused_by_data_received_stops_there(connect):
    protocol, transport, peer = await connect(data_received=lambda protocol, data: protocol.transport.pause_reading())
    for number in range(5):
        await peer.send(b"%d" % number)
        await protocol.until_received(2 * number + 1)
        await peer.send(b"%d" % number)
        await settle()
        assert len(protocol.received) == 2 * number + 1
        transport.resume_reading()
        await protocol.until_received(2 * number + 2)
        transport.resume_reading()
    assert protocol.received == b"0011223344"


async def test_end_is_not_told_while_reading_is_paused(connect):
    protocol, transport, peer = await connect()
    transport.pause_reading()
    peer.send_end()
    await settle()
    assert protocol.calls == ["connection_made"]
    transport.resume_reading()
    assert await protocol.until_lost() is None


async def test_pausing_and_resuming_in_turn_loses_nothing(connect):
    protocol, transport, peer = await connect()
    data = pattern(500_000)

    async def switch():
        while len(protocol.received) < len(data):
            transport.pause_reading()
            await asyncio.sleep(0)
            transport.resume_reading()
            before = len(protocol.received)
            await protocol.until(lambda before=before: len(protocol.received) > before)

    await asyncio.gather(peer.send(data), switch())
    assert protocol.received == data


async def test_is_reading_and_repeated_calls(connect):
    _, transport, _ = await connect()
    assert transport.is_reading() is True
    transport.resume_reading()
    assert transport.is_reading() is True
    transport.pause_reading()
    transport.pause_reading()
    assert transport.is_reading() is False
    transport.resume_reading()
    assert transport.is_reading() is True
    transport.close()
    assert transport.is_reading() is False


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_pausing_and_resuming_a_closed_transport_does_nothing(connect, end):
    protocol, transport, peer = await connect()
    await peer.send(b"not read any more")
    getattr(transport, end)()
    transport.pause_reading()
    transport.resume_reading()
    await protocol.until_lost()
    transport.pause_reading()
    transport.resume_reading()
    await settle()
    assert transport.is_reading() is False
    assert protocol.calls == ["connection_made", "connection_lost"]


# The end


async def test_end_closes_the_transport_unless_the_protocol_objects(connect):
    protocol, transport, peer = await connect()
    peer.send_end()
    assert await protocol.until_lost() is None
    assert transport.is_closing() is True
    assert await peer.receive_all() == b""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [10, 3_000_000])
async def test_transport_can_write_after_the_end_if_the_protocol_wants(connect, kind, size):
    protocol, transport, peer = await connect(kind(eof_received=lambda protocol: True))
    peer.send_end()
    await protocol.until_called("eof_received")
    await settle()
    assert protocol.calls == ["connection_made", "eof_received"]
    assert transport.is_closing() is False
    data = pattern(size)
    transport.write(data)
    transport.close()
    assert await peer.receive_all() == data
    assert await protocol.until_lost() is None
    assert protocol.calls.count("eof_received") == 1


async def test_what_is_not_sent_when_the_peer_ends_its_side_still_arrives(narrow_connect):
    protocol, transport, peer = await narrow_connect()
    data = pattern(500_000)
    transport.write(data)
    peer.send_end()
    assert await peer.receive_all() == data
    assert await protocol.until_lost() is None


# Other protocols


@pytest.mark.parametrize("first_kind", KINDS)
@pytest.mark.parametrize("second_kind", KINDS)
async def test_protocol_set_by_one_that_receives_gets_the_rest(connect, first_kind, second_kind):
    second = second_kind()
    first = first_kind(**{KINDS[first_kind]: lambda protocol, data: protocol.transport.set_protocol(second)})
    _, transport, peer = await connect(first)
    assert transport.get_protocol() is first
    await peer.send(b"to the first")
    await first.until_received(12)
    assert transport.get_protocol() is second
    await peer.send(b"to the second")
    await second.until_received(13)
    peer.close()
    assert await second.until_lost() is None
    assert (first.received, first.calls) == (b"to the first", ["connection_made", KINDS[first_kind]])
    assert (second.received, second.calls) == (b"to the second", [KINDS[second_kind], "eof_received", "connection_lost"])


async def test_protocol_set_while_reading_is_paused_gets_what_waits(connect):
    first, second = RecordingProtocol(), RecordingProtocol()
    _, transport, peer = await connect(first)
    transport.pause_reading()
    await peer.send(b"waits")
    await settle()
    transport.set_protocol(second)
    transport.resume_reading()
    assert await second.until_received(5) == b"waits"
    assert first.received == b""


async def test_protocol_set_after_close_hears_of_the_loss(connect):
    first, second = RecordingProtocol(), RecordingProtocol()
    _, transport, _ = await connect(first)
    transport.close()
    transport.set_protocol(second)
    assert await second.until_lost() is None
    assert first.lost == []


async def test_streams_work_over_the_transports(loop):
    async def handle(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    for number in range(50):
        writer.write(b"line %d\n" % number)
        assert await reader.readline() == b"LINE %d\n" % number
    writer.writelines([b"a", b"b\n"])
    assert await reader.readexactly(3) == b"AB\n"
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


# Protocols that raise


CALLBACKS = [(kind, name) for kind, told in KINDS.items() for name in (told, "eof_received")]


@pytest.mark.parametrize("kind, name", [*CALLBACKS, (RecordingBufferedProtocol, "get_buffer")])
async def test_exception_of_the_protocol_is_reported_and_ends_the_connection(connect, reported, kind, name):
    error = ZeroDivisionError("the protocol's own")
    protocol, transport, peer = await connect(kind(**{name: raising(error)}))
    await peer.send(b"data")
    peer.send_end()
    assert await protocol.until_lost() is error
    assert len(protocol.lost) == 1
    (context,) = reported
    assert context["message"] == f"Fatal error: protocol.{name}() call failed."
    assert (context["exception"], context["transport"], context["protocol"]) == (error, transport, protocol)


async def test_exception_of_connection_made_is_reported_and_the_connection_lives(connect, reported):
    protocol, _, peer = await connect(connection_made=fail)
    assert [type(context["exception"]) for context in reported] == [ZeroDivisionError]
    await peer.send(b"data")
    assert await protocol.until_received(4) == b"data"


async def test_exception_of_connection_lost_is_reported_and_the_socket_is_closed(connect, reported):
    _, transport, peer = await connect(connection_lost=fail)
    transport.close()
    assert await peer.receive_all() == b""
    await settle()
    assert [type(context["exception"]) for context in reported] == [ZeroDivisionError]
    assert transport.get_extra_info("socket").fileno() == -1


async def test_end_of_file_calls_the_close_that_was_put_on_the_transport(connect):
    protocol, transport, peer = await connect()
    calls, close = [], transport.close

    def note_and_close():
        calls.append("close")
        close()

    transport.close = note_and_close
    peer.close()
    await protocol.until_lost()
    assert calls == ["close"]
    # It holds the transport.
    del transport.close


@pytest.mark.parametrize("error_type", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("leave", ["close", "reset"])
def test_interrupt_raised_by_connection_lost_leaves_the_loop_and_the_socket_is_closed(loop, connections, reported, error_type, leave):
    protocol, transport, peer = loop.run_until_complete(connections.accepted(connection_lost=raising(error_type)))
    getattr(peer, leave)()
    with pytest.raises(error_type):
        loop.run_forever()
    assert transport.get_extra_info("socket").fileno() == -1
    assert reported == []
    assert len(protocol.lost) == 1


@pytest.mark.parametrize("error_type", [KeyboardInterrupt, SystemExit])
def test_interrupt_raised_by_data_received_leaves_the_loop_and_the_connection_lives(loop, connections, error_type):
    def interrupt(protocol, data):
        if data == b"stop":
            raise error_type

    protocol, _, peer = loop.run_until_complete(connections.over(*socket.socketpair(), data_received=interrupt))
    peer.sock.send(b"stop")
    with pytest.raises(error_type):
        loop.run_forever()
    peer.sock.send(b"go on")
    assert loop.run_until_complete(protocol.until_received(9)) == b"stopgo on"
    protocol.transport.close()
    loop.run_until_complete(protocol.until_lost())
