"""A terminal for both ways, and other descriptors that two transports or callbacks use at once."""

import os
import pty
import socket
import tty

import pytest

from actors.failures import fail
from actors.kernel import settle, until
from actors.protocols import RecordingProtocol


@pytest.fixture
def terminal(no_leaks):
    """The controlling end as a descriptor that does not block, and a function that opens the terminal."""
    controller, inner = pty.openpty()
    tty.setraw(inner)
    os.set_blocking(controller, False)

    def open_terminal(mode):
        return open(os.dup(inner), mode, 0)

    yield controller, open_terminal
    os.close(controller)
    os.close(inner)


@pytest.fixture(params=["one file", "one file each"])
def both_ways(request, loop, terminal):
    """A function that connects both ways to a terminal; returns (controller, reader's protocol, writer's protocol)."""

    async def connect():
        controller, open_terminal = terminal
        files = [open_terminal("rb"), open_terminal("wb")] if request.param == "one file each" else [open_terminal("r+b")] * 2
        reader, writer = RecordingProtocol(), RecordingProtocol()
        await loop.connect_read_pipe(lambda: reader, files[0])
        await loop.connect_write_pipe(lambda: writer, files[1])
        return controller, reader, writer, files[0] is files[1]

    return connect


async def test_terminal_for_both_ways(both_ways):
    controller, reader, writer, _ = await both_ways()
    os.write(controller, b"in")
    assert await reader.until_received(2) == b"in"
    data = os.urandom(100_000)
    writer.transport.write(data)
    assert writer.calls[-1] == "pause_writing"
    received = bytearray()

    def receive():
        try:
            received.extend(os.read(controller, 65536))
        except BlockingIOError:
            pass
        return len(received) == len(data)

    # In the middle of it, something arrives.
    os.write(controller, b"more")
    await reader.until_received(6)
    await until(receive)
    assert (received, reader.received) == (data, b"inmore")
    await until(lambda: writer.calls[-1] == "resume_writing")
    writer.transport.abort()
    await writer.until_lost()
    await reader.close()


@pytest.mark.parametrize("first", ["reader", "writer"])
async def test_one_way_that_closes(both_ways, reported, first):
    controller, reader, writer, is_one_file = await both_ways()
    protocols = {"reader": reader, "writer": writer}
    await protocols.pop(first).close()
    left = protocols.popitem()[1]
    file = left.transport.get_extra_info("pipe")
    assert (file.closed, left.lost) == (is_one_file, [])
    if not is_one_file and first == "writer":
        os.write(controller, b"in")
        assert await left.until_received(2) == b"in"
    await left.close()
    assert (file.closed, reported) == (True, [])


# asyncio's transport stops the watching of the number, whatever it is by then.
@pytest.mark.fastloop_only
@pytest.mark.parametrize("first", ["reader", "writer"])
async def test_second_way_leaves_alone_what_has_reused_the_number(loop, terminal, first):
    _, open_terminal = terminal
    file = open_terminal("r+b")
    fd = file.fileno()
    reader, writer = RecordingProtocol(), RecordingProtocol()
    await loop.connect_read_pipe(lambda: reader, file)
    await loop.connect_write_pipe(lambda: writer, file)
    second = {"reader": writer, "writer": reader}[first]
    await {"reader": reader, "writer": writer}[first].close()
    near, far = socket.socketpair()
    if near.fileno() != fd:
        os.dup2(near.fileno(), fd)
        near.close()
        near = socket.socket(fileno=fd)
    with far:
        other = RecordingProtocol()
        await loop.create_connection(lambda: other, sock=near)
        await second.close()
        far.send(b"still there")
        assert await other.until_received(11) == b"still there"
        await other.close()


@pytest.mark.parametrize("order", ["read first", "write first"])
async def test_socket_for_both_ways_hears_only_one_of_them(loop, no_leaks, order):
    # As in asyncio: the reader of the transport that comes last replaces the other one's.
    near, far = socket.socketpair()
    reader, writer = RecordingProtocol(), RecordingProtocol()
    if order == "read first":
        await loop.connect_read_pipe(lambda: reader, near)
    await loop.connect_write_pipe(lambda: writer, near)
    if order == "write first":
        await loop.connect_read_pipe(lambda: reader, near)
    with far:
        writer.transport.write(b"out")
        await settle()
        assert far.recv(10) == b"out"
        far.send(b"in")
        await settle()
        assert (bytes(reader.received), writer.lost) == ((b"", [None]) if order == "read first" else (b"in", []))
    for protocol in (reader, writer):
        if not protocol.lost:
            await protocol.close()


async def test_reader_that_the_program_adds_replaces_the_transports(loop, no_leaks):
    reading, writing = os.pipe()
    protocol = RecordingProtocol()
    transport, _ = await loop.connect_read_pipe(lambda: protocol, open(reading, "rb", 0))
    seen = []
    loop.add_reader(reading, lambda: seen.append(os.read(reading, 10)))
    os.write(writing, b"data")
    await until(lambda: seen)
    transport.close()
    # The transport takes it along, because the descriptor is about to be closed.
    assert loop.remove_reader(reading) is False
    await protocol.until_lost()
    os.close(writing)
    assert (seen, protocol.received) == ([b"data"], b"")


@pytest.mark.fastloop_only
@pytest.mark.parametrize("end", ["read", "write"])
async def test_file_whose_factory_raises_is_closed_once(loop, end, no_leaks):
    ends = os.pipe()
    fd = ends[end == "write"]
    closings = []

    class File:
        def fileno(self):
            return fd

        def close(self):
            closings.append(os.close(fd))

    with pytest.raises(ZeroDivisionError):
        await getattr(loop, f"connect_{end}_pipe")(fail, File())
    assert closings == [None]
    os.close(ends[end != "write"])
