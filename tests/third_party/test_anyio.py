"""anyio on the loop, taken with backend_options={"loop_factory": ...}: task groups, cancel scopes, sockets, threads, processes, signals.

anyio cancels a task again and again until its scope ends, looks into asyncio's tasks for what they wait for, runs sockets
partly on transports and partly on its own readers and writers, and has its own worker threads. Whatever a test opens, it closes
before anyio.run() returns, which also closes the loop.
"""

import asyncio
import contextlib
import inspect
import os
import random
import signal
import socket
import sys
import threading

import pytest

anyio = pytest.importorskip("anyio", reason="anyio is not installed (pip install anyio)")
anyio_abc = pytest.importorskip("anyio.abc")
anyio_tls = pytest.importorskip("anyio.streams.tls")
anyio_from_thread = pytest.importorskip("anyio.from_thread")
anyio_to_thread = pytest.importorskip("anyio.to_thread")

# Every test is a coroutine function, and runs with anyio.
pytestmark = pytest.mark.usefixtures("run")

LARGE_BYTES = 5 << 20


@pytest.fixture
def run(implementation, no_leaks, error_collector):
    """A function that runs a coroutine with anyio on the loop under test, and fails if it leaves a task."""

    async def within_time_limit(coroutine):
        assert isinstance(asyncio.get_running_loop(), implementation.EventLoop)
        with anyio.fail_after(60):
            await coroutine
        assert asyncio.all_tasks() == {asyncio.current_task()}

    def run(coroutine):
        anyio.run(within_time_limit, coroutine, backend="asyncio", backend_options={"loop_factory": implementation.new_event_loop})
        # They are told to end, but nobody waits for them: anyio's workers, and asyncio's waiters for child processes before Python 3.12.
        for thread in threading.enumerate():
            if thread.name.startswith(("AnyIO worker thread", "asyncio-waitpid")):
                thread.join(10)

    yield run
    assert error_collector.messages == []


async def echo(stream):
    async with stream:
        with contextlib.suppress(anyio.EndOfStream):
            while True:
                await stream.send(await stream.receive())


async def receive_exactly(stream, size):
    pieces = []
    while size:
        pieces.append(await stream.receive(size))
        size -= len(pieces[-1])
    return b"".join(pieces)


async def assert_stream_echoes(stream, seed, size):
    """Send random bytes and, at the same time, receive them back."""
    sent = random.Random(seed).randbytes(size)
    received = None

    async def receive():
        nonlocal received
        received = await receive_exactly(stream, size)

    async with anyio.create_task_group() as group:
        group.start_soon(receive)
        await stream.send(sent)
    assert received == sent


# Task groups and cancel scopes


async def test_child_that_fails_cancels_the_others_and_is_raised_by_the_group():
    ended = []

    async def wait_forever(number):
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(number)

    async def fail():
        await anyio.sleep(0)
        raise LookupError("child")

    with pytest.raises(ExceptionGroup) as caught:
        async with anyio.create_task_group() as group:
            for number in range(100):
                group.start_soon(wait_forever, number)
            group.start_soon(fail)
    assert caught.group_contains(LookupError, match="child")
    assert sorted(ended) == list(range(100))


async def test_cancelled_scope_cancels_again_what_swallows_its_cancellation():
    cancellations = 0
    with anyio.CancelScope() as scope:
        scope.cancel()
        for _ in range(5):
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                cancellations += 1
    assert cancellations == 5
    await anyio.sleep(0)


async def test_shielded_scope_runs_to_its_end_inside_a_cancelled_one():
    is_finished = False
    with anyio.CancelScope() as outer:
        outer.cancel()
        with anyio.CancelScope(shield=True):
            for _ in range(10):
                await anyio.sleep(0)
            is_finished = True
        await anyio.sleep_forever()
    assert is_finished and outer.cancelled_caught


async def test_move_on_after_gives_up_and_fail_after_raises():
    with anyio.move_on_after(0.01) as scope:
        await anyio.sleep_forever()
    assert scope.cancelled_caught
    with pytest.raises(TimeoutError):
        with anyio.fail_after(0.01):
            await anyio.sleep_forever()


async def test_started_task_reports_its_value_and_goes_on():
    async def serve(*, task_status):
        with socket.create_server(("127.0.0.1", 0)) as listening:
            task_status.started(listening.getsockname()[1])
            await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        assert await group.start(serve) > 0
        group.cancel_scope.cancel()


async def test_memory_stream_hands_every_item_to_one_of_many_receivers():
    sending, receiving = anyio.create_memory_object_stream(10)
    received = []

    async def receive(stream):
        async with stream:
            async for item in stream:
                received.append(item)
                await anyio.sleep(0)

    async with anyio.create_task_group() as group, sending:
        for _ in range(20):
            group.start_soon(receive, receiving.clone())
        receiving.close()
        for number in range(2000):
            await sending.send(number)
    assert sorted(received) == list(range(2000))


@pytest.mark.skipif(sys.version_info < (3, 14), reason="call graphs are new in Python 3.14")
async def test_call_graph_shows_who_waits_for_the_tasks_of_a_group():
    if "awaited_by" not in inspect.getsource(sys.modules[type(anyio.create_task_group()).__module__]):
        pytest.skip("this anyio does not record which tasks wait")

    async def nested(depth):
        asyncio.current_task().set_name(f"depth {depth}")
        async with anyio.create_task_group() as group:
            if depth < 3:
                group.start_soon(nested, depth + 1)
            else:
                await anyio.sleep(0)
                graphs.append(asyncio.capture_call_graph())

    graphs = []
    await nested(1)
    names = []
    while graphs:
        (graph,) = graphs
        names.append(graph.future.get_name())
        graphs = graph.awaited_by
    assert names[:3] == ["depth 3", "depth 2", "depth 1"]


# Sockets


@pytest.mark.parametrize("way", ["TCP", "TLS", "Unix socket"])
async def test_stream_echoes_large_data_to_many_clients(request, tmp_path, way):
    if way == "Unix socket":
        listener = await anyio.create_unix_listener(tmp_path / "socket")
    else:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = None if way == "Unix socket" else listener.extra(anyio_abc.SocketAttribute.local_port)
    certificate = request.getfixturevalue("certificate") if way == "TLS" else None
    if way == "TLS":
        listener = anyio_tls.TLSListener(listener, certificate.server_context(), handshake_timeout=60)

    async def connect():
        if way == "Unix socket":
            return await anyio.connect_unix(tmp_path / "socket")
        if way == "TLS":
            return await anyio.connect_tcp("127.0.0.1", port, ssl_context=certificate.client_context())
        return await anyio.connect_tcp("127.0.0.1", port)

    async def talk(number):
        async with await connect() as stream:
            await assert_stream_echoes(stream, number, LARGE_BYTES if number == 0 else number * 1000)

    async with listener, anyio.create_task_group() as serving:
        serving.start_soon(listener.serve, echo)
        async with anyio.create_task_group() as clients:
            for number in range(30):
                clients.start_soon(talk, number)
        serving.cancel_scope.cancel()


async def test_end_of_sending_is_received_while_the_other_direction_stays_open():
    async def answer_at_the_end(stream):
        async with stream:
            received = [piece async for piece in stream]
            await stream.send(b"".join(received)[::-1])

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, answer_at_the_end)
        port = listener.extra(anyio_abc.SocketAttribute.local_port)
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send(b"to the end")
            await stream.send_eof()
            assert await receive_exactly(stream, 10) == b"dne eht ot"
            with pytest.raises(anyio.EndOfStream):
                await stream.receive()
        group.cancel_scope.cancel()


async def test_cancelled_receive_loses_no_byte():
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, echo)
        port = listener.extra(anyio_abc.SocketAttribute.local_port)
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            for number in range(100):
                with anyio.move_on_after(0):
                    await stream.receive()
                    pytest.fail("nothing was sent")
                text = f"message {number}".encode()
                await stream.send(text)
                assert await receive_exactly(stream, len(text)) == text
        group.cancel_scope.cancel()


async def test_datagrams_arrive_whole_and_with_their_sender():
    async with await anyio.create_udp_socket(local_host="127.0.0.1") as server:
        port = server.extra(anyio_abc.SocketAttribute.local_port)
        async with await anyio.create_connected_udp_socket("127.0.0.1", port) as client:
            # From 1: before Python 3.13 asyncio does not send empty datagrams.
            for number in range(1, 200):
                data = random.Random(number).randbytes(number * 50)
                await client.send(data)
                received, address = await server.receive()
                assert (received, address) == (data, client.extra(anyio_abc.SocketAttribute.local_address))
                await server.sendto(received[::-1], *address)
                assert await client.receive() == data[::-1]


async def test_wait_for_readability_ends_when_the_peer_writes():
    left, right = socket.socketpair()
    with left, right:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.wait_readable, left)
            await anyio.wait_writable(right)
            right.send(b"x")
        assert left.recv(1) == b"x"


# Threads, processes, signals


async def test_threads_call_into_the_loop_and_back():
    async def double(number):
        await anyio.sleep(0)
        return number * 2

    def in_thread(number):
        return anyio_from_thread.run(double, number) + anyio_from_thread.run_sync(int, "1")

    results = {}

    async def call(number):
        results[number] = await anyio_to_thread.run_sync(in_thread, number)

    async with anyio.create_task_group() as group:
        for number in range(200):
            group.start_soon(call, number)
    assert results == {number: number * 2 + 1 for number in range(200)}


async def test_process_gives_back_what_it_is_sent():
    data = random.Random(1).randbytes(LARGE_BYTES)
    copy = "import shutil, sys; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"
    completed = await anyio.run_process([sys.executable, "-c", copy], input=data)
    assert (completed.returncode, completed.stdout, completed.stderr) == (0, data, b"")


async def test_signals_are_received_one_after_the_other():
    with anyio.open_signal_receiver(signal.SIGUSR1, signal.SIGUSR2) as signals:
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGUSR1):
            os.kill(os.getpid(), number)
            assert await anext(signals) == number
