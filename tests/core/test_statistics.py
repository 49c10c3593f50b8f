"""loop.statistics(): each number against what the program did, from any thread, and after close()."""

import asyncio
import concurrent.futures
import dataclasses
import functools
import os
import socket
import time

import pytest

import fastloop
from actors.kernel import until
from actors.protocols import RecordingProtocol

pytestmark = pytest.mark.fastloop_only

# Long enough to stand out on any machine, and nothing depends on the exact time.
BLOCK_S = 0.05


def block():
    time.sleep(BLOCK_S)


class Blocking:
    def __call__(self):
        block()

    def method(self):
        block()

    def __repr__(self):
        raise AssertionError("statistics() must not call it")


async def turns(count):
    for _ in range(count):
        await asyncio.sleep(0)


async def test_turns_callbacks_and_steps_are_counted(loop):
    before = loop.statistics()
    for _ in range(50):
        loop.call_soon(int)
    await turns(10)
    after = loop.statistics()
    assert after.callbacks - before.callbacks == 50
    assert after.task_steps - before.task_steps == 10
    assert after.turns - before.turns == 10
    assert after.most_ready >= 51


async def test_a_future_that_runs_several_callbacks_counts_each(loop):
    future = loop.create_future()
    for _ in range(5):
        future.add_done_callback(lambda future: None)
    before = loop.statistics()
    future.set_result(None)
    await turns(2)
    assert loop.statistics().callbacks - before.callbacks >= 5


async def test_events_polls_and_sleep(loop, left, right):
    before = loop.statistics()
    for _ in range(20):
        receiving = loop.create_task(loop.sock_recv(left, 10))
        await turns(2)
        right.send(b"abc")
        await receiving
    await asyncio.sleep(BLOCK_S)
    after = loop.statistics()
    assert after.events - before.events >= 20
    assert after.polls - before.polls >= 20
    assert after.bytes_received - before.bytes_received == 60
    assert after.asleep_s - before.asleep_s >= 0.9 * BLOCK_S
    assert 0.0 <= after.utilization <= 1.0


async def test_busy_and_asleep_add_up_to_the_time_of_the_run(loop):
    began_s = time.monotonic()
    before = loop.statistics(reset=True)
    block()
    await asyncio.sleep(BLOCK_S)
    after = loop.statistics()
    took_s = time.monotonic() - began_s
    assert after.busy_s >= 0.9 * BLOCK_S
    assert after.busy_s + after.asleep_s <= 1.01 * took_s
    assert before.turns > 0


async def test_callback_that_runs_a_turn_has_not_slept_before_it(loop):
    """nest_asyncio does that."""

    def run_a_turn():
        block()
        loop.call_later(0.001, int)
        loop._run_once()

    # So that no block of callbacks has begun, and in the middle of one.
    for callbacks_before in (0, 100):
        before = loop.statistics()
        for _ in range(callbacks_before):
            loop.call_soon(int)
        loop.call_soon(run_a_turn)
        await asyncio.sleep(2 * BLOCK_S)
        assert loop.statistics().busy_s - before.busy_s >= 0.9 * BLOCK_S


async def test_what_the_loop_has(loop, pair):
    base = loop.statistics()
    handle = loop.call_later(1000, int)
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=pair[0])
    task = loop.create_task(asyncio.sleep(1000))
    now = loop.statistics()
    await turns(1)
    for field in ("timers", "watched_descriptors", "transports", "tasks"):
        assert getattr(now, field) - getattr(base, field) == 1, field
    handle.cancel()
    transport.close()
    task.cancel()
    await turns(3)
    now = loop.statistics()
    assert (now.timers, now.transports, now.tasks) == (base.timers, base.transports, base.tasks)


async def test_bytes_of_streams_datagrams_pipes_and_files(loop, pair, tmp_path):
    transport, protocol = await loop.create_connection(RecordingProtocol, sock=pair[0])
    transport.write(b"x" * 1000)
    transport.writelines([b"y" * 10, bytearray(5)])
    file = tmp_path / "file"
    file.write_bytes(b"z" * 5000)
    with file.open("rb") as source:
        await loop.sendfile(transport, source)
    await loop.sock_sendall(pair[1], b"answer")
    await until(lambda: protocol.received == b"answer")
    statistics = loop.statistics(reset=True)
    assert (statistics.bytes_sent, statistics.bytes_received) == (6015 + 6, 6)
    transport.close()

    endpoint, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
    endpoint.sendto(b"d" * 100, endpoint.get_extra_info("sockname"))
    await until(lambda: loop.statistics().bytes_received == 100)
    assert loop.statistics(reset=True).bytes_sent == 100
    endpoint.close()

    reading, writing = os.pipe()
    source, protocol = await loop.connect_read_pipe(RecordingProtocol, open(reading, "rb", 0))
    sink, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, open(writing, "wb", 0))
    sink.write(b"p" * 70)
    await until(lambda: protocol.received == b"p" * 70)
    sink.close()
    await until(source.is_closing)
    statistics = loop.statistics()
    assert (statistics.bytes_sent, statistics.bytes_received) == (70, 70)


async def in_task():
    block()


async def statistics_that_name(loop, name, start):
    """Have the loop blocked until it names what did it. On a busy machine something else may take even longer."""
    for _ in range(10):
        loop.statistics(reset=True)
        held = start(loop)
        await turns(4)
        statistics = loop.statistics()
        if (statistics.longest_callback or "").startswith(name):
            return statistics
    raise AssertionError(f"{statistics.longest_callback} was the longest, and {held} blocks")


@pytest.mark.parametrize(
    "start, name",
    [
        (lambda loop: loop.call_soon(block), "block() at "),
        (lambda loop: loop.call_soon(functools.partial(block)), "block() at "),
        (lambda loop: loop.call_later(0, Blocking().method), "Blocking.method() at "),
        (lambda loop: loop.call_soon(Blocking()), "Blocking object"),
        (lambda loop: loop.call_soon(time.sleep, BLOCK_S), "sleep()"),
        (lambda loop: loop.create_task(in_task(), name="the task"), "the task: in_task() at "),
    ],
)
@pytest.mark.parametrize("debug", [False, True])
async def test_longest_callback_is_named(loop, start, name, debug):
    loop.set_debug(debug)
    loop.slow_callback_duration = 1000.0
    # Also after many short ones: the first long one may be one of several, the second one is known.
    await turns(300)
    began_s = time.time()
    statistics = await statistics_that_name(loop, name, start)
    assert statistics.longest_callback_s >= 0.9 * BLOCK_S
    assert statistics.longest_callback_at >= began_s


async def test_transport_is_named_with_its_protocol(loop, pair):
    class Slow(asyncio.Protocol):
        def data_received(self, data):
            block()

    transport, _ = await loop.create_connection(Slow, sock=pair[0])
    try:
        await statistics_that_name(loop, "StreamTransport with test_", lambda loop: pair[1].send(b"x"))
    finally:
        transport.close()


async def test_first_long_one_among_short_ones_is_one_of_several(loop):
    for _ in range(20000):
        loop.call_soon(int)
    # The block that these callbacks have begun is not over.
    loop.call_soon(loop.statistics, True)
    loop.call_soon(block)
    for _ in range(64):
        loop.call_soon(int)
    await turns(2)
    statistics = loop.statistics()
    assert statistics.longest_callback_s >= 0.9 * BLOCK_S
    assert statistics.longest_callback.startswith(("block() at ", "one of "))


async def test_reset_begins_anew(loop):
    await turns(100)
    first = loop.statistics(reset=True)
    assert first.turns >= 100
    second = loop.statistics()
    assert (second.turns, second.callbacks, second.task_steps, second.longest_callback) == (0, 0, 0, None)
    assert second.tasks == first.tasks


def test_from_new_to_closed_and_from_other_threads():
    loop = fastloop.new_event_loop()
    new = loop.statistics()
    assert (new.turns, new.busy_s, new.longest_callback_s, new.longest_callback_at, new.utilization) == (0, 0.0, 0.0, None, 0.0)

    async def main():
        elsewhere = asyncio.to_thread(loop.statistics)
        assert (await elsewhere).tasks == 1
        await asyncio.to_thread(loop.statistics, reset=True)
        return loop.statistics()

    statistics = loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        closed = executor.submit(loop.statistics).result()
    assert closed.turns > statistics.turns
    assert dataclasses.replace(closed, asleep_s=0, busy_s=0, longest_callback_s=0) == dataclasses.replace(
        loop.statistics(), asleep_s=0, busy_s=0, longest_callback_s=0
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        closed.turns = 0
    assert not hasattr(closed, "__dict__")
    assert set(dataclasses.asdict(closed)) == set(type(closed).__slots__)


async def test_lost_transports_do_not_count(loop):
    base = loop.statistics().transports
    left, right = socket.socketpair()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=left)
    right.close()
    await until(lambda: loop.statistics().transports == base)
    assert transport.is_closing()
