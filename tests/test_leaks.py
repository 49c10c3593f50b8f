"""Repeated work leaves nothing behind: no objects, references, descriptors, threads, loops.

tests/core/test_memory.py counts the allocator's blocks. Here whole programs are repeated, and the objects that the collector tracks
are counted and, on a debug build of Python, every reference.
"""

import asyncio
import contextlib
import functools
import gc
import io
import os
import pathlib
import socket
import ssl
import sys
import sysconfig
import tempfile
import threading
import time
import weakref

import pytest

import fastloop
from actors.authority import Authority
from actors.cases import Cases
from actors.kernel import settle

TUTORIAL = pathlib.Path(__file__).resolve().parents[1] / "examples" / "tutorial"
# What is counted does not depend on how long a script waits.
SHORTER_DELAYS = {"01_call_soon_call_later": ("0.5", "0.001"), "07_ten_tasks": ("0.02", "0.0005")}


# What is counted


def wait_for_threads_to_end(threads_before):
    """Give threads that have done their work, such as asyncio's waiters for child processes, the time to end."""
    give_up_at = time.monotonic() + 5
    while threading.active_count() > threads_before and time.monotonic() < give_up_at:
        time.sleep(0.001)


def counts():
    gc.collect()
    found = {"tracked objects": len(gc.get_objects()), "descriptors": len(os.listdir("/dev/fd")), "threads": threading.active_count()}
    # Only debug builds of Python count references: those to strings and integers too, which the collector does not track.
    if hasattr(sys, "gettotalrefcount"):
        found["references"] = sys.gettotalrefcount()
    return found


def growth_over(action, runs):
    before = counts()
    for _ in range(runs):
        action()
    wait_for_threads_to_end(before["threads"])
    after = counts()
    return {name: after[name] - before[name] for name in before if after[name] > before[name]}


def assert_nothing_is_left(action, runs=10):
    """Fail if each run of action() leaves an object, a descriptor, a thread or a reference behind.

    Caches and free lists fill in the first batches of runs and then stop; a leak shows in every batch.
    """
    growths = []
    while len(growths) < 6:
        growth = growth_over(action, runs)
        if max(growth.values(), default=0) < runs:
            return
        # As text, which adds the least to the count of the next batch.
        growths.append(str(growth))
    pytest.fail(f"left by each {runs} runs: {growths}")


def test_leak_is_found():
    kept = []
    with pytest.raises(pytest.fail.Exception, match="tracked objects"):
        assert_nothing_is_left(lambda: kept.append([]))


# Examples


@pytest.mark.skipif(
    sys.version_info < (3, 14) and bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    reason="CPython 3.13 without the GIL keeps functions and classes forever, once a process has started a thread",
)
@pytest.mark.parametrize("name", sorted(path.stem for path in TUTORIAL.glob("*.py")))
def test_example_leaves_nothing_behind(name, no_leaks):
    path = TUTORIAL / f"{name}.py"
    source = path.read_text()
    if name in SHORTER_DELAYS:
        long, short = SHORTER_DELAYS[name]
        assert long in source
        source = source.replace(long, short)
    # Once: compiling a script leaves a few references behind.
    program = compile(source, path, "exec")

    def run():
        with contextlib.redirect_stdout(io.StringIO()):
            exec(program, {"__name__": "__main__"})
        asyncio.set_event_loop(None)

    assert_nothing_is_left(run)


# The core's objects: 10,000 of each kind in a batch


OBJECTS_IN_A_RUN = 1000
scenario = Cases()


@scenario
async def callbacks():
    loop = asyncio.get_running_loop()
    for number in range(OBJECTS_IN_A_RUN):
        handle = loop.call_soon(print, number)
        handle.cancel()
        loop.call_soon(int)
    await asyncio.sleep(0)


@scenario
async def cancelled_timers():
    loop = asyncio.get_running_loop()
    timers = [loop.call_later(1000 + number, print, number) for number in range(OBJECTS_IN_A_RUN)]
    for timer in timers:
        timer.cancel()
    await asyncio.sleep(0)


@scenario
async def timers_that_fire():
    loop = asyncio.get_running_loop()
    for number in range(OBJECTS_IN_A_RUN):
        loop.call_later(number / 1e6, int)
    await asyncio.sleep(OBJECTS_IN_A_RUN / 1e6)


@scenario
async def futures():
    loop = asyncio.get_running_loop()
    for number in range(OBJECTS_IN_A_RUN):
        future = loop.create_future()
        future.add_done_callback(lambda future: future)
        if number % 3 == 0:
            loop.call_soon(future.set_result, (number,))
        elif number % 3 == 1:
            future.set_exception(ValueError(number))
            future.exception()
        else:
            future.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)


@scenario
async def tasks():
    async def wait_in_turn(number):
        await asyncio.sleep(0)
        if number % 3 == 1:
            raise ValueError(number)
        if number % 3 == 2:
            await asyncio.get_running_loop().create_future()

    made = [asyncio.create_task(wait_in_turn(number)) for number in range(OBJECTS_IN_A_RUN)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for task in made:
        task.cancel()
    await asyncio.gather(*made, return_exceptions=True)


class UntilTwenty(asyncio.DatagramProtocol):
    # Not made in the scenario: free-threaded Python 3.13 never frees a class.
    def __init__(self, done):
        self.received, self.done = 0, done

    def datagram_received(self, data, address):
        self.received += 1
        if self.received == 20:
            self.done.set_result(address)


@scenario
async def datagrams():
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    server, _ = await loop.create_datagram_endpoint(lambda: UntilTwenty(done), local_addr=("127.0.0.1", 0))
    address = server.get_extra_info("sockname")
    # More senders than one, so that their addresses go into the table.
    clients = [await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=address) for _ in range(4)]
    for number in range(20):
        clients[number % 4][0].sendto(bytes(number + 1))
    await done
    for transport, _ in [(server, None), *clients]:
        transport.close()
    await asyncio.sleep(0)


@scenario
async def calls_from_another_thread():
    loop = asyncio.get_running_loop()
    all_called = loop.create_future()

    def call():
        for number in range(OBJECTS_IN_A_RUN):
            loop.call_soon_threadsafe(id, number)
        loop.call_soon_threadsafe(all_called.set_result, None)

    thread = threading.Thread(target=call)
    thread.start()
    await all_called
    thread.join()


@scenario
async def work_for_the_executor():
    loop = asyncio.get_running_loop()
    called = [loop.run_in_executor(None, int, text) for text in ["7", "not a number"] * (OBJECTS_IN_A_RUN // 2)]
    called[-1].cancel()
    await asyncio.gather(*called, return_exceptions=True)


async def pipe(loop, protocol=asyncio.Protocol):
    ends = os.pipe()
    source, _ = await loop.connect_read_pipe(protocol, open(ends[0], "rb", 0))
    output, _ = await loop.connect_write_pipe(protocol, open(ends[1], "wb", 0))
    return source, output


@scenario
async def pipes_that_end_in_each_way():
    loop = asyncio.get_running_loop()
    for number in range(100):
        source, output = await pipe(loop)
        output.write(bytes(1000) if number % 3 else bytes(100_000))
        if number % 5 == 0:
            source.pause_reading()
            source.resume_reading()
        (source.close if number % 2 else output.abort)()
        while source._pipe is not None or output._pipe is not None:
            await asyncio.sleep(0)
            if number % 7 == 0:
                source.close()
                output.abort()


@scenario
async def pipes_that_cannot_be_connected():
    loop = asyncio.get_running_loop()
    for _ in range(100):
        for end in ("read", "write"):
            with contextlib.suppress(ValueError), open(__file__, "rb", 0) as file:
                await getattr(loop, f"connect_{end}_pipe")(asyncio.Protocol, file)


@scenario
async def subprocesses():
    for number in range(4):
        process = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
        if number % 2:
            process.kill()
        await process.communicate(b"data")
        process._transport.close()


@functools.cache
def certificate():
    """Made once: what a run leaves behind must not be this."""
    folder = tempfile.TemporaryDirectory()
    return Authority(pathlib.Path(folder.name)).issue(), folder


@scenario
async def tls_connections():
    async def answer(reader, writer):
        with contextlib.closing(writer), contextlib.suppress(OSError):
            writer.write(b"data")
            await reader.read()

    issued, _ = certificate()
    contexts = issued.server_context(), issued.client_context()
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=contexts[0])
    address = server.sockets[0].getsockname()
    for end in "close", "abort", "refuse":
        options = {"ssl": ssl.create_default_context()} if end == "refuse" else {"ssl": contexts[1], "server_hostname": "localhost"}
        with contextlib.suppress(ssl.SSLCertVerificationError):
            reader, writer = await asyncio.open_connection(*address, **options)
            assert await reader.readexactly(4) == b"data"
            getattr(writer.transport, end)()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
    server.close()
    await server.wait_closed()
    await settle()


@scenario
async def streams():
    left, right = socket.socketpair()
    reader, writer = await fastloop.open_connection(sock=left)
    for number in range(OBJECTS_IN_A_RUN // 10):
        right.send(b"one\ntwo\nthree")
        assert await reader.readline() == b"one\n"
        assert await reader.readuntil((b"wo\n", b"\n")) == b"two\n"
        assert await reader.readexactly(5) == b"three"
        reading = asyncio.create_task([reader.read, reader.readline][number % 2]())
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        writer.write(b"answer")
        await writer.drain()
        right.recv(10)
    right.close()
    reader.cycle = [reader, reader.read(), writer.drain()]
    for coroutine in reader.cycle[1:]:
        coroutine.close()
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


@pytest.mark.fastloop_only
@pytest.mark.parametrize("name", scenario)
def test_many_objects_leave_nothing_behind(loop, name):
    # The executor starts its threads when they are needed, which depends on how busy they are.
    loop.run_until_complete(asyncio.gather(*[loop.run_in_executor(None, time.sleep, 0.005) for _ in range(64)]))
    coroutine_function = scenario[name]
    assert_nothing_is_left(lambda: loop.run_until_complete(coroutine_function()))


# Loops


@pytest.mark.fastloop_only
def test_two_hundred_loops_leave_nothing_behind(implementation, no_leaks):
    def make_use_and_close():
        loop = implementation.new_event_loop()
        loop.run_until_complete(asyncio.sleep(0))
        loop.call_soon(int)
        loop.call_later(1000, int)
        loop.close()

    assert_nothing_is_left(make_use_and_close, runs=200)


leave = Cases()
leave.calls(unused=lambda loop: None, after_a_run=lambda loop: loop.run_until_complete(asyncio.sleep(0.0001)))


@leave
def with_callbacks_and_timers(loop):
    loop.call_soon(loop.stop)
    loop.call_later(1000, loop.stop)
    loop.call_later(1000, loop.stop).cancel()


@leave
def with_futures(loop):
    loop.left = loop.create_future()
    loop.left.add_done_callback(lambda future: loop)


@leave
def with_a_task_that_is_done(loop):
    loop.left = loop.create_task(asyncio.sleep(0))
    loop.run_until_complete(loop.left)


@leave
def with_a_reader(loop):
    left, right = socket.socketpair()
    loop.add_reader(left, loop.stop)
    # They outlive the loop, and are closed when it is gone.
    for end in left, right:
        weakref.finalize(loop, end.close)


@leave
def with_an_exception_handler(loop):
    loop.set_exception_handler(lambda loop_, context: loop)
    loop.set_task_factory(lambda loop_, coroutine, **kwargs: asyncio.Task(coroutine, loop=loop, **kwargs))
    loop.run_until_complete(asyncio.sleep(0))


@pytest.mark.fastloop_only
@pytest.mark.parametrize("name", leave)
def test_loop_that_is_dropped_unclosed_warns_and_is_collected(implementation, no_leaks, name):
    loop = implementation.new_event_loop()
    leave[name](loop)
    weak_loop = weakref.ref(loop)
    with pytest.warns(ResourceWarning, match="unclosed event loop") as caught:
        del loop
        gc.collect()
    # The warning names its source, so it keeps the loop alive.
    del caught
    gc.collect()
    assert weak_loop() is None
