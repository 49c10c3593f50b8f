"""Timers: setting, cancelling and firing them, and how exactly they fire."""

import asyncio
import random
import statistics
import time

from benchmarks.scenario import Direction, Metric, loop_scenario, scaled, timed_coroutine

FAR_AWAY_S = 60.0
CANCELS_IN_A_ROW = 1000
SHORT_SLEEP_S = 0.0003
SHORT_SLEEPS = 100


def _ignore():
    pass


@timed_coroutine("call_later + cancel", count=30_000)
async def call_later_cancel(count):
    loop = asyncio.get_running_loop()
    for _ in range(max(count // CANCELS_IN_A_ROW, 1)):
        for _ in range(CANCELS_IN_A_ROW):
            loop.call_later(FAR_AWAY_S, _ignore).cancel()
        # The loop has a turn now and then: some loops sweep cancelled timers there.
        await asyncio.sleep(0)


@timed_coroutine("50,000 timers firing, per timer", count=50_000)
async def timers_firing(count):
    loop = asyncio.get_running_loop()
    is_done = loop.create_future()
    remaining = count

    def fire():
        nonlocal remaining
        remaining -= 1
        if remaining == 0:
            is_done.set_result(None)

    # Deadlines in random order, all due before the last timer is set: the loop never idles.
    delays_s = random.Random(1).choices([0.001 + step * 1e-6 for step in range(2000)], k=count)
    for delay_s in delays_s:
        loop.call_later(delay_s, fire)
    await is_done


async def _sleep_often(is_quick):
    overshoots_s = []
    for _ in range(scaled(SHORT_SLEEPS, is_quick)):
        start_s = time.monotonic()
        await asyncio.sleep(SHORT_SLEEP_S)
        overshoots_s.append(time.monotonic() - start_s - SHORT_SLEEP_S)
    early = sum(overshoot_s < 0 for overshoot_s in overshoots_s)
    return {"early": early, "overshoot": statistics.median(overshoots_s) * 1e6}


sleep_accuracy = loop_scenario(
    "sleep_accuracy",
    "sleep(0.0003)",
    # A loop that fires early can have a negative overshoot, which is no merit.
    (
        Metric("early", f"of {SHORT_SLEEPS}", "early", Direction.DEFECTS),
        Metric("overshoot", "us", "median overshoot", noise=20.0, needs_quiet=True),
    ),
    _sleep_often,
)

SCENARIOS = (call_later_cancel, timers_firing, sleep_accuracy)
