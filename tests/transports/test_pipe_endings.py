"""The end of a pipe: by either side, in each callback, by a failure, and what is closed then."""

import asyncio
import errno
import os
import random
import socket

import pytest

from actors.failures import raising
from actors.kernel import settle, until
from actors.leftovers import unclosed_expected
from actors.pipes import KINDS, KINDS_THAT_HEAR, Pipe
from actors.protocols import RecordingProtocol

MUCH = 1_000_000


@pytest.fixture(params=KINDS)
def pipe(request, no_leaks):
    made = Pipe(request.param)
    yield made
    made.close()


@pytest.fixture(params=KINDS_THAT_HEAR)
def hearing_pipe(request, no_leaks):
    made = Pipe(request.param)
    yield made
    made.close()


async def connect(loop, pipe, end, **hooks):
    protocol = RecordingProtocol(**hooks)
    transport, _ = await getattr(loop, f"connect_{end}_pipe")(lambda: protocol, pipe.file(end))
    return protocol, transport


# The other side


async def test_end_of_file_comes_after_the_data(loop, hearing_pipe):
    protocol, transport = await connect(loop, hearing_pipe, "read")
    hearing_pipe.send(b"last words")
    hearing_pipe.cut("write")
    assert await protocol.until_lost() is None
    assert (protocol.calls[1:], protocol.received) == (["data_received", "eof_received", "connection_lost"], b"last words")
    assert transport.get_extra_info("pipe").closed


async def test_transport_is_closing_when_eof_received_is_called(loop, hearing_pipe):
    states = []
    # What it returns keeps no pipe open.
    protocol, _ = await connect(
        loop, hearing_pipe, "read", eof_received=lambda protocol: states.append(protocol.transport.is_closing()) or True
    )
    hearing_pipe.cut("write")
    await protocol.until_lost()
    assert states == [True]


async def test_terminal_that_is_closed_ends_with_an_error_that_nobody_reports(loop, reported):
    pipe = Pipe("pty")
    protocol, _ = await connect(loop, pipe, "read")
    pipe.cut("write")
    assert (await protocol.until_lost()).errno == errno.EIO
    assert (protocol.calls, reported) == (["connection_made", "connection_lost"], [])


@pytest.mark.parametrize("size, lost", [(0, type(None)), (MUCH, BrokenPipeError)])
async def test_writer_hears_that_the_reader_is_gone(loop, hearing_pipe, reported, size, lost):
    protocol, transport = await connect(loop, hearing_pipe, "write")
    transport.write(bytes(size))
    hearing_pipe.cut("read")
    assert type(await protocol.until_lost()) is lost
    assert (protocol.calls[-1], reported) == ("connection_lost", [])
    assert transport.get_extra_info("pipe").closed


async def test_write_to_a_reader_that_is_gone_ends_the_connection(loop, hearing_pipe, reported, caplog):
    protocol, transport = await connect(loop, hearing_pipe, "write")
    hearing_pipe.cut("read")
    transport.write(b"data")
    for _ in range(5):
        transport.write(b"lost")
    assert (transport.is_closing(), transport._conn_lost) == (True, 6)
    assert type(await protocol.until_lost()) is BrokenPipeError
    assert [record.getMessage() for record in caplog.records] == ["pipe closed by peer or os.write(pipe, data) raised exception."]
    assert (protocol.calls, reported) == (["connection_made", "connection_lost"], [])


async def test_socket_that_sends_to_a_writer_ends_its_connection(loop):
    near, far = socket.socketpair()
    protocol = RecordingProtocol()
    await loop.connect_write_pipe(lambda: protocol, near)
    with far:
        far.send(b"nobody reads this")
        assert await protocol.until_lost() is None


@pytest.mark.parametrize("is_debug", [False, True])
async def test_end_is_logged_in_debug_mode(loop, hearing_pipe, caplog, is_debug):
    caplog.set_level("DEBUG", "asyncio")
    loop.set_debug(is_debug)
    protocol, transport = await connect(loop, hearing_pipe, "read")
    transport.pause_reading()
    transport.resume_reading()
    hearing_pipe.cut("write")
    await protocol.until_lost()
    # The numbers of descriptors differ.
    texts = [record.getMessage().partition("> ")[2] for record in caplog.records if record.getMessage().startswith("<_Unix")]
    assert texts == (["pauses reading", "resumes reading", "was closed by peer"] if is_debug else [])


# This side


@pytest.mark.parametrize("method", ["close", "write_eof"])
async def test_everything_that_was_written_is_sent_before_the_end(loop, pipe, method):
    protocol, transport = await connect(loop, pipe, "write")
    data = os.urandom(MUCH)
    transport.write(data)
    getattr(transport, method)()
    transport.write(b"dropped")
    received = bytearray()
    while not protocol.lost:
        received += pipe.receive()
        await asyncio.sleep(0)
    assert (received + pipe.receive(), protocol.lost) == (data, [None])
    assert protocol.calls == ["connection_made", "pause_writing", "resume_writing", "connection_lost"]


async def test_aborted_writer_drops_what_is_left(loop, pipe):
    protocol, transport = await connect(loop, pipe, "write")
    transport.write(bytes(MUCH))
    transport.abort()
    assert transport.get_write_buffer_size() == 0
    assert await protocol.until_lost() is None
    assert protocol.calls == ["connection_made", "pause_writing", "connection_lost"]


# asyncio's writer watches the closed descriptor from then on.
@pytest.mark.fastloop_only
@pytest.mark.parametrize("end", ["read", "write"])
async def test_transport_closed_by_connection_made_is_not_watched(loop, pipe, end):
    fd = pipe.reading if end == "read" else pipe.writing
    protocol, transport = await connect(loop, pipe, end, connection_made=lambda protocol, transport: transport.close())
    await protocol.until_lost()
    assert transport._pipe is None
    assert loop.remove_reader(fd) is False


async def test_transport_closed_by_received_data_gets_no_more(loop, pipe):
    protocol, _ = await connect(loop, pipe, "read", data_received=lambda protocol, data: protocol.transport.close())
    pipe.send(b"one")
    await protocol.until_received(3)
    pipe.send(b"two")
    await protocol.until_lost()
    assert protocol.received == b"one"


# asyncio calls connection_lost() twice in each of these, which then fails.
ENDINGS_OF_A_WRITER = {
    "closed and aborted": lambda transport: (transport.close(), transport.abort()),
    "aborted twice": lambda transport: (transport.abort(), transport.abort()),
    "failed twice": lambda transport: (transport._fatal_error(OSError(1, "one")), transport._fatal_error(OSError(2, "two"))),
}


@pytest.mark.fastloop_only
@pytest.mark.parametrize("ending", ENDINGS_OF_A_WRITER)
async def test_connection_is_lost_once(loop, pipe, reported, ending):
    protocol, transport = await connect(loop, pipe, "write")
    ENDINGS_OF_A_WRITER[ending](transport)
    await protocol.until_lost()
    transport.abort()
    transport.close()
    await settle()
    assert (protocol.calls, reported) == (["connection_made", "connection_lost"], [])


@pytest.mark.fastloop_only
@pytest.mark.parametrize("ending", ["close", "abort"])
async def test_writer_ended_by_resume_writing_is_lost_once(loop, pipe, reported, ending):
    protocol, transport = await connect(loop, pipe, "write", resume_writing=lambda protocol: getattr(protocol.transport, ending)())
    transport.write(bytes(MUCH))
    while not protocol.lost:
        pipe.receive()
        await asyncio.sleep(0)
    await settle()
    assert (protocol.calls[1:], reported) == (["pause_writing", "resume_writing", "connection_lost"], [])


@pytest.mark.parametrize("end", ["read", "write"])
async def test_connection_lost_that_raises_is_reported_and_the_file_closed(loop, pipe, reported, end):
    protocol, transport = await connect(loop, pipe, end, connection_lost=raising(ValueError("lost")))
    await protocol.close()
    assert [str(context["exception"]) for context in reported] == ["lost"]
    assert transport.get_extra_info("pipe").closed


# Connecting that is cut short


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("end", ["read", "write"])
async def test_cancelled_connecting_closes_the_file_and_nothing_else(loop, pipe, end, turns):
    file = pipe.file(end)
    fd = file.fileno()
    task = asyncio.ensure_future(getattr(loop, f"connect_{end}_pipe")(RecordingProtocol, file))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    try:
        transport, protocol = await task
    except asyncio.CancelledError:
        if turns == 0:
            # It never began.
            file.close()
        await until(lambda: file.closed)
        reused = os.dup(2)
        await settle()
        assert (reused, os.fstat(reused) == os.fstat(2)) == (fd, True)
        os.close(reused)
    else:
        await protocol.close()
    assert file.closed


async def test_transport_that_nobody_holds_closes_its_file_with_a_warning(loop, pipe):
    _, transport = await connect(loop, pipe, "read")
    file = transport.get_extra_info("pipe")
    transport.pause_reading()
    with unclosed_expected():
        del transport, _
        await settle()
    assert file.closed


# Many


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.time_limit(120)
async def test_thousand_pipes_that_are_cut_at_random_moments(loop, seed):
    choose = random.Random(seed)

    async def one():
        pipe = Pipe(choose.choice(KINDS))
        reader, writer = RecordingProtocol(), RecordingProtocol()
        output, _ = await loop.connect_write_pipe(lambda: writer, pipe.file("write"))
        source, _ = await loop.connect_read_pipe(lambda: reader, pipe.file("read"))
        data = choose.randbytes(choose.choice((10, 1000, 300_000)))
        output.write(data)
        for _ in range(choose.randrange(10)):
            await asyncio.sleep(0)
        choose.choice((source.close, output.close, output.abort))()
        for _ in range(choose.randrange(3)):
            await asyncio.sleep(0)
        if choose.random() < 0.5:
            source.close()
            if not output.is_closing():
                output.abort()
        await reader.until_lost()
        if not output.is_closing():
            output.abort()
        await writer.until_lost()
        assert data.startswith(bytes(reader.received))
        assert (reader.calls.count("connection_lost"), writer.calls.count("connection_lost")) == (1, 1)

    for _ in range(5):
        await asyncio.gather(*(one() for _ in range(100)))
