"""How soon the loop notices what happens while callbacks are ready: I/O and timers within a few turns, other threads at each poll.

Turns are counted by `await asyncio.sleep(0)`, which is how many libraries' tests wait for I/O. A storm is a row of more than 64
turns in which nothing happens. Only in a storm may fastloop ask the kernel less often.
"""

import asyncio
import threading
import time

from actors.kernel import until
from actors.protocols import RecordingProtocol
from actors.threads import in_thread

STORM = 300


async def turns_until(condition, limit=10000):
    turns = 0
    while not condition():
        await asyncio.sleep(0)
        turns += 1
        assert turns < limit
    return turns


async def storm(turns=STORM):
    for _ in range(turns):
        await asyncio.sleep(0)


async def test_readable_descriptor_and_timer_of_no_delay_come_within_two_turns(loop, left, right):
    for _ in range(20):
        seen = []
        loop.call_later(0, seen.append, "timer")
        loop.add_reader(left, lambda seen=seen: (seen.append("reader"), loop.remove_reader(left)))
        right.send(b"x")
        assert await turns_until(lambda seen=seen: len(seen) == 2) <= 2
        assert seen == ["reader", "timer"]
        left.recv(1)


async def test_written_bytes_reach_the_other_transport_within_three_turns(loop, pair):
    sender, _ = await loop.create_connection(asyncio.Protocol, sock=pair[0])
    transport, receiver = await loop.create_connection(RecordingProtocol, sock=pair[1])
    for number in range(100):
        if number % 10 == 9:
            await storm()
        receiver.received.clear()
        sender.write(b"ping")
        assert await turns_until(lambda: receiver.received == b"ping") <= 3
    sender.close()
    transport.close()
    await storm(3)


async def test_answer_to_a_raw_send_comes_within_a_few_turns_also_after_a_storm(loop, left, right):
    for _ in range(5):
        await storm()
        receiving = loop.create_task(loop.sock_recv(left, 10))
        await asyncio.sleep(0)
        await loop.sock_sendall(right, b"x")
        assert await turns_until(receiving.done) <= 4
        assert receiving.result() == b"x"


async def test_storm_does_not_keep_a_watched_descriptor_waiting_for_long(loop, left, right):
    seen = []
    loop.add_reader(left, lambda: (left.recv(1), seen.append("reader")))
    await storm()
    # Not through the loop, which cannot know that an answer may come.
    right.send(b"x")
    assert await turns_until(lambda: seen) <= 66
    loop.remove_reader(left)


def test_run_after_a_storm_looks_at_the_descriptors_in_its_first_turn_also_where_turns_are_overridden(implementation, no_leaks, pair):
    class Loop(implementation.EventLoop):
        def _run_once(self):
            super()._run_once()

    loop, (left, right), called = Loop(), pair, []
    loop.add_reader(left, called.append, "reader")
    loop.run_until_complete(storm(200))
    right.send(b"x")
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert called == ["reader"]
    loop.remove_reader(left)
    loop.close()


async def test_due_timer_runs_in_the_next_turn_of_a_storm(loop):
    await storm()
    for _ in range(20):
        seen = []
        handle = loop.call_later(0.0005, seen.append, "timer")
        while loop.time() < handle.when():
            await asyncio.sleep(0)
        assert await turns_until(lambda seen=seen: seen) <= 2


async def test_later_timer_does_not_hide_an_earlier_one_that_comes_after_it(loop):
    order = []
    late = loop.call_later(1000, order.append, "late")
    await storm()
    loop.call_later(0.001, order.append, "early")
    loop.call_later(0, order.append, "at once")
    await turns_until(lambda: len(order) == 2, limit=1_000_000)
    assert order == ["at once", "early"]
    late.cancel()


async def test_work_for_an_executor_is_done_beside_a_busy_task(loop):
    async def spin():
        while True:
            await asyncio.sleep(0)

    spinning = loop.create_task(spin())
    await storm()
    threads = {await loop.run_in_executor(None, threading.get_ident) for _ in range(20)}
    assert threading.get_ident() not in threads
    spinning.cancel()


async def test_plain_thread_gets_its_turn_in_a_storm(loop):
    steps = []
    has_ended = threading.Event()

    def work():
        for _ in range(50):
            time.sleep(0)
            steps.append(1)
        has_ended.set()

    await storm()
    with in_thread(work):
        await until(has_ended.is_set)
    assert len(steps) == 50
