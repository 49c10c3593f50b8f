"""What a stream transport does with what is written to it: on accepted TCP connections and on Unix sockets.

Bytes arrive once, in order, as they were when write() was called. The end comes after them. What is written too late is dropped
silently. test_flow_control.py is about slow readers.
"""

import array
import asyncio
import gc
import socket
import weakref

import pytest

from actors.files import pattern

PIECES = [
    b"bytes",
    bytearray(b"bytearray"),
    memoryview(b"memoryview"),
    memoryview(bytearray(b"writable memoryview")),
    memoryview(b"a slice of a memoryview")[2:7],
    memoryview(array.array("I", range(20))),
    memoryview(bytes(range(24))).cast("H", shape=[3, 4]),
]


@pytest.mark.parametrize("data", PIECES, ids=lambda data: f"{type(data).__name__}-{len(data)}")
async def test_bytes_like_object_arrives(connect, data):
    _, transport, peer = await connect()
    transport.write(data)
    expected = bytes(data)
    assert await peer.receive(len(expected)) == expected


@pytest.mark.parametrize("data", ["text", None, 5, [b"list"], object(), array.array("B", b"array")], ids=lambda data: type(data).__name__)
async def test_writing_anything_else_raises_type_error_and_changes_nothing(connect, data):
    _, transport, peer = await connect()
    with pytest.raises(TypeError):
        transport.write(data)
    assert transport.is_closing() is False
    transport.write(b"still works")
    assert await peer.receive(11) == b"still works"


class LyingBytes(bytes):
    def __bytes__(self):
        return b"x"


class LyingBytearray(bytearray):
    def __bytes__(self):
        return b"x"


@pytest.mark.parametrize("kind", [LyingBytes, LyingBytearray])
@pytest.mark.parametrize("method", ["write", "writelines"])
@pytest.mark.parametrize("size", [10, 3_000_000])
async def test_subclass_arrives_as_the_bytes_that_it_holds(connect, kind, method, size):
    _, transport, peer = await connect()
    data = pattern(size)
    if method == "write":
        transport.write(kind(data))
    else:
        transport.writelines([kind(data[:5]), kind(data[5:])])
    assert 0 <= transport.get_write_buffer_size() <= size
    assert await peer.receive(size) == data


async def test_bytes_of_a_subclass_are_not_asked_for(connect):
    class AbortingBytes(bytes):
        def __bytes__(self):
            transport.abort()
            return b"late"

    transport = None
    _, transport, peer = await connect()
    for _ in range(20):
        transport.write(b"a habit ")
        transport.write(b"of two writes")
        await asyncio.sleep(0)
    await peer.receive(20 * 21)
    transport.write(AbortingBytes(b"data"))
    assert await peer.receive(4) == b"data"
    assert not transport.is_closing()


async def test_lines_may_be_any_buffers(connect):
    _, transport, peer = await connect()
    transport.writelines([array.array("B", b"array"), b" and ", bytearray(b"bytearray")])
    assert await peer.receive(19) == b"array and bytearray"


async def test_view_with_gaps_arrives_without_its_gaps_or_is_refused(connect, reported):
    protocol, transport, peer = await connect()
    with_gaps = memoryview(b"a-b-c-d-")[::2]
    try:
        transport.write(with_gaps)
    except (BufferError, TypeError, ValueError):
        transport.write(b"abcd")
    await asyncio.sleep(0)
    # asyncio ends the connection, and reports why.
    if transport.is_closing():
        assert type(await protocol.until_lost()) is BufferError
        assert len(reported) == 1
    else:
        assert await peer.receive(4) == b"abcd"


@pytest.mark.parametrize("size", [1, 1000, 65536, 65537, 300_000, 5_000_000])
async def test_large_and_small_pieces_arrive_whole(connect, size):
    _, transport, peer = await connect()
    data = pattern(size)
    transport.write(data)
    assert await peer.receive(size) == data


async def test_pieces_arrive_in_the_order_of_the_calls(narrow_connect):
    _, transport, peer = await narrow_connect()
    data = pattern(1_000_000)
    position = 0
    for number in range(10_000):
        step = number * 37 % 400 + 1
        piece = data[position : position + step]
        position += step
        if number % 3 == 0:
            transport.writelines([piece[:7], bytearray(piece[7:90]), memoryview(piece)[90:], b""])
            # asyncio of Python 3.12 and 3.13 gets stuck on an empty piece at the end.
            transport.write(b"")
        else:
            transport.write(piece)
        if number % 500 == 0:
            await asyncio.sleep(0)
        if position >= len(data):
            break
    assert await peer.receive(len(data)) == data


@pytest.mark.parametrize(
    "pieces",
    [[b"a", b"b"], (b"a", bytearray(b"b")), [memoryview(b"ab")], [b"", b"a", b"", b"b"], (piece for piece in (b"a", b"b"))],
    ids=["list", "tuple", "views", "with empty ones", "generator"],
)
async def test_writelines_sends_every_piece(implementation, connections, pieces):
    _, transport, peer = await connections.tcp()
    # A generator serves one implementation only.
    transport.writelines(pieces if isinstance(pieces, list | tuple) else (piece for piece in (b"a", b"b")))
    assert await peer.receive(2) == b"ab"


# asyncio of Python 3.15 keeps the first pieces and gets stuck.
@pytest.mark.fastloop_only
@pytest.mark.parametrize("pieces", [[b"never sent", "text"], [b"never sent", 7], 5], ids=["text", "number", "no list"])
async def test_writelines_with_something_else_sends_nothing(connect, pieces):
    _, transport, peer = await connect()
    with pytest.raises(TypeError):
        transport.writelines(pieces)
    transport.write(b"the next")
    assert await peer.receive(8) == b"the next"


@pytest.mark.parametrize("empty", [b"", bytearray(), memoryview(b""), []], ids=lambda empty: type(empty).__name__)
async def test_writing_nothing_sends_nothing(connect, empty):
    protocol, transport, peer = await connect()
    write = transport.writelines if empty == [] else transport.write
    write(empty)
    assert transport.get_write_buffer_size() == 0
    transport.write(b"something")
    write(empty)
    assert await peer.receive(9) == b"something"
    assert await protocol.close() is None


# asyncio of Python 3.12 and 3.13 keeps the empty piece forever, and close() waits for it.
@pytest.mark.fastloop_only
@pytest.mark.time_limit(3)
async def test_empty_pieces_at_the_end_do_not_delay_the_close(connect):
    protocol, transport, peer = await connect()
    transport.writelines([b"data", b"", b""])
    transport.writelines([b"", b""])
    transport.close()
    assert await peer.receive_all() == b"data"
    assert await protocol.until_lost() is None


@pytest.mark.parametrize("size", [10, 3_000_000], ids=["sent at once", "kept"])
# From Python 3.12 on, asyncio keeps the very object, sends what it holds later, and forbids to resize it.
@pytest.mark.fastloop_only
async def test_bytearray_is_sent_as_it_was_when_it_was_written(connect, size):
    _, transport, peer = await connect()
    data = pattern(size)
    first, second = bytearray(data), bytearray(data)
    transport.write(first)
    transport.writelines([memoryview(second)])
    first[:] = bytes(size)
    second[:] = bytes(size)
    first.clear()
    assert await peer.receive(2 * size) == data + data


@pytest.mark.parametrize("end", ["close", "write_eof"])
async def test_what_connection_made_writes_is_sent_though_it_ends_the_connection(connect, end):
    def write_and_end(protocol, transport):
        transport.write(b"greeting, ")
        transport.write(b"farewell")
        getattr(transport, end)()

    _, _, peer = await connect(connection_made=write_and_end)
    assert await peer.receive_all() == b"greeting, farewell"


async def test_answer_written_by_data_received_is_sent_though_it_closes(connect):
    def answer(protocol, data):
        protocol.transport.write(b"you said " + data)
        protocol.transport.close()

    protocol, _, peer = await connect(data_received=answer)
    await peer.send(b"hello")
    assert await peer.receive_all() == b"you said hello"
    assert await protocol.until_lost() is None


def test_what_is_written_while_the_loop_does_not_run_is_sent(run, connect):
    _, transport, peer = run(connect())
    transport.write(b"between two runs")
    assert run(peer.receive(16)) == b"between two runs"


async def test_methods_can_be_replaced(connect):
    _, transport, peer = await connect()
    written, original = [], transport.write

    def write_and_remember(data):
        written.append(data)
        original(data)

    transport.write = write_and_remember
    transport.note = "any attribute"
    transport.write(b"seen")
    assert await peer.receive(4) == b"seen"
    assert (written, transport.note) == ([b"seen"], "any attribute")
    del transport.write
    transport.write(b"unseen")
    assert await peer.receive(6) == b"unseen"


async def test_closed_transport_is_collected_and_its_weak_reference_dies(connections):
    protocol, transport, _ = await connections.over(*socket.socketpair())
    weak_transport = weakref.ref(transport)
    assert weak_transport() is transport
    await protocol.close()
    del protocol, transport, _
    gc.collect()
    assert weak_transport() is None


async def test_repr_works_in_every_state(connect):
    protocol, transport, _ = await connect()
    assert "clos" not in repr(transport)
    transport.close()
    assert "closing" in repr(transport)
    await protocol.until_lost()
    assert "closed" in repr(transport)
