"""What dies in another thread than the one that runs its loop: by the collector, or with its last reference."""

import asyncio
import contextlib
import gc
import socket
import sys
import threading
import time

import pytest

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


class Silent(asyncio.Protocol):
    def connection_made(self, transport):
        # A transport that does not read is held by nobody but its user.
        transport.pause_reading()


@pytest.fixture
def loop_in_thread(quiet_loop, in_threads):
    loop = quiet_loop()
    in_threads(loop.run_forever, ())
    yield loop
    loop.call_soon_threadsafe(loop.stop)


@pytest.fixture
def needs_pausing(implementation):
    if implementation.name == "asyncio" and sys.version_info < (3, 11, 4):
        pytest.skip("before Python 3.11.4 asyncio begins to read although connection_made() has called pause_reading()")


def end_of_file_after_collections(other):
    """Whether the transport on the other side has died. For a moment its loop's thread may have held it, too."""
    other.settimeout(0.1)
    give_up_at = time.monotonic() + 30
    while time.monotonic() < give_up_at:
        with contextlib.suppress(TimeoutError):
            return other.recv(1) == b""
        gc.collect()
    return False


def call(loop, coroutine):
    return asyncio.run_coroutine_threadsafe(coroutine, loop).result(30)


def test_transports_that_die_in_another_thread_leave_the_loop_intact(needs_pausing, loop_in_thread):
    loop = loop_in_thread

    async def connect_many():
        pairs = []
        for _ in range(20):
            ours, theirs = socket.socketpair()
            pairs.append((theirs, (await loop.create_connection(Silent, sock=ours))[0]))
        return pairs

    for _ in range(10):
        pairs = call(loop, connect_many())
        others = [pair[0] for pair in pairs]
        # The last references go here, while the loop makes the next connections.
        coming = asyncio.run_coroutine_threadsafe(connect_many(), loop)
        del pairs
        gc.collect()
        for other, transport in coming.result(30):
            loop.call_soon_threadsafe(transport.close)
            others.append(other)
        del transport
        for other in others:
            assert end_of_file_after_collections(other)
            other.close()


def test_server_hears_of_connections_that_die_in_another_thread(needs_pausing, loop_in_thread):
    loop = loop_in_thread
    accepted = []

    class Accepted(Silent):
        def connection_made(self, transport):
            super().connection_made(transport)
            accepted.append(transport)

    async def serve():
        return await loop.create_server(Accepted, "127.0.0.1", 0)

    async def close(server):
        server.close()
        await server.wait_closed()

    server = call(loop, serve())
    clients = [socket.create_connection(server.sockets[0].getsockname()) for _ in range(10)]
    deadline = time.monotonic() + 30
    while len(accepted) < 10 and time.monotonic() < deadline:
        time.sleep(0.001)
    accepted.clear()
    gc.collect()
    for client in clients:
        client.settimeout(30)
        assert client.recv(1) == b""
        client.close()
    call(loop, close(server))


@pytest.mark.skipif(not hasattr(asyncio.StreamWriter, "__del__"), reason="this Python's StreamWriter does not close when it dies")
def test_stream_writers_that_are_collected_in_another_thread_close_their_connections(loop_in_thread):
    loop = loop_in_thread

    async def open_streams():
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        writer.write(b"sent")
        writer.itself, writer.other = writer, theirs
        return theirs

    for _ in range(50):
        theirs = call(loop, open_streams())
        theirs.settimeout(30)
        assert theirs.recv(100) == b"sent"
        gc.collect()
        # With the GIL, what the destructor schedules does not wake the loop.
        call(loop, asyncio.sleep(0))
        assert theirs.recv(100) == b""
        theirs.close()


def test_collections_in_another_thread_disturb_no_handles_futures_and_tasks(loop_in_thread, seconds):
    loop = loop_in_thread
    has_ended = threading.Event()
    made = []

    async def make_cycles():
        while not has_ended.is_set():
            future = loop.create_future()
            future.add_done_callback(lambda _, future=future: future)
            future.itself = future
            handle = loop.call_soon(int)
            timer = loop.call_later(1000, lambda handle=handle: handle)
            timer.cancel()
            task = loop.create_task(asyncio.sleep(0))
            task.itself = task
            await task
            made.append(len(made))

    making = asyncio.run_coroutine_threadsafe(make_cycles(), loop)
    end = time.monotonic() + seconds
    # Without the GIL a collection stops the loop, which may get nothing done in between for a while.
    while time.monotonic() < end or not made:
        gc.collect()
    has_ended.set()
    making.result(30)


@pytest.mark.fastloop_only
def test_what_a_destructor_schedules_from_another_thread_is_not_lost(loop_in_thread):
    loop = loop_in_thread
    seen = []

    class Scheduling:
        def __del__(self):
            loop.call_soon(seen.append, 1)

    async def spin(times):
        for _ in range(times):
            await asyncio.sleep(0)

    spinning = asyncio.run_coroutine_threadsafe(spin(10_000), loop)
    for _ in range(1000):
        Scheduling()
    spinning.result(30)
    call(loop, spin(1))
    assert len(seen) == 1000
