"""No timer fires early. The benchmarks measure how late they fire: a busy machine proves nothing here."""

import asyncio
import ctypes
import sys

import pytest

# The resolution of the clock: deadlines are rounded to it once.
NANOSECOND = 1e-9
PR_GET_TIMERSLACK = 30  # linux/prctl.h


@pytest.mark.parametrize("delay_s", [0.0003, 0.001, 0.00001, 0.0011])
async def test_sleep_never_ends_early(loop, delay_s):
    async def sleep_and_measure():
        started_at = loop.time()
        await asyncio.sleep(delay_s)
        return loop.time() - started_at

    elapsed = [await sleep_and_measure() for _ in range(200)]
    assert min(elapsed) >= delay_s - 2 * NANOSECOND


def test_timers_of_many_delays_never_fire_early(loop):
    misses = []

    def fire(deadline):
        if loop.time() < deadline - 2 * NANOSECOND:
            misses.append(deadline - loop.time())

    for microseconds in range(1, 3000, 7):
        deadline = loop.time() + microseconds / 1e6
        loop.call_at(deadline, fire, deadline)
    loop.run_until_complete(asyncio.sleep(0.004))
    assert misses == []


async def test_sleep_in_a_busy_loop_never_ends_early(loop):
    def keep_busy():
        nonlocal busy
        busy = loop.call_soon(keep_busy)

    busy = loop.call_soon(keep_busy)
    for _ in range(100):
        started_at = loop.time()
        await asyncio.sleep(0.0005)
        assert loop.time() - started_at >= 0.0005 - 2 * NANOSECOND
    busy.cancel()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="timer slack is Linux's")
def test_short_sleeps_leave_the_timer_slack_of_the_thread_as_it_was(loop):
    def slack_ns():
        return ctypes.CDLL(None).prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0)

    before = slack_ns()
    loop.run_until_complete(asyncio.sleep(0.0003))
    assert before > 1
    assert slack_ns() == before
