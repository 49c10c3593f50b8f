"""Futures: completing one and waking those that wait for it."""

import asyncio

from benchmarks.scenario import timed_coroutine

CALLBACKS_PER_FUTURE = 10


def _ignore(future):
    pass


@timed_coroutine("future set by call_soon, awaited", count=15_000)
async def future_set_by_call_soon(count):
    loop = asyncio.get_running_loop()
    for _ in range(count):
        future = loop.create_future()
        loop.call_soon(future.set_result, None)
        await future


@timed_coroutine("ten callbacks on a future, per future", count=5_000)
async def future_with_ten_callbacks(count):
    loop = asyncio.get_running_loop()
    for _ in range(count):
        future = loop.create_future()
        for _ in range(CALLBACKS_PER_FUTURE):
            future.add_done_callback(_ignore)
        future.set_result(None)
        await asyncio.sleep(0)


SCENARIOS = (future_set_by_call_soon, future_with_ten_callbacks)
