"""loop.statistics() from other threads while the loop works: numbers only grow, and the loop is not disturbed."""

import asyncio
import threading

import pytest

import fastloop

pytestmark = pytest.mark.fastloop_only


def read_until(loop, ended, reset):
    turns = 0
    while not ended.is_set():
        statistics = loop.statistics(reset=reset)
        assert reset or statistics.turns >= turns
        turns = statistics.turns
        assert statistics.busy_s >= 0.0 and statistics.asleep_s >= 0.0


async def echo(loop, pair, count=200):
    left, right = pair
    timers = [loop.call_later(1000, int) for _ in range(10)]
    for _ in range(count):
        await loop.sock_sendall(left, b"x")
        await loop.sock_recv(right, 1)
        await asyncio.sleep(0)
    for timer in timers:
        timer.cancel()


@pytest.mark.parametrize("reset", [False, True])
def test_statistics_are_read_while_the_loop_works(pair, in_threads, frequent_switches, reset):
    ended = threading.Event()
    with fastloop.Runner() as runner:
        loop = runner.get_loop()
        in_threads(read_until, *[(loop, ended, reset)] * 3)
        try:
            runner.run(echo(loop, pair))
        finally:
            ended.set()
        if not reset:
            assert loop.statistics().bytes_received == 200
