"""call_soon: what the ready queue costs.

The batch shows a full queue drained in order, the chain one turn of the loop per callback.
"""

import asyncio

from benchmarks.scenario import timed_coroutine

BATCH_SIZE = 1000


def _ignore():
    pass


@timed_coroutine("call_soon, batch of 1000", count=100_000)
async def call_soon_batch(count):
    loop = asyncio.get_running_loop()
    for _ in range(max(count // BATCH_SIZE, 1)):
        for _ in range(BATCH_SIZE):
            loop.call_soon(_ignore)
        await asyncio.sleep(0)


@timed_coroutine("call_soon, chain", count=30_000)
async def call_soon_chain(count):
    loop = asyncio.get_running_loop()
    is_done = loop.create_future()
    remaining = count

    def step():
        nonlocal remaining
        remaining -= 1
        if remaining > 0:
            loop.call_soon(step)
        else:
            is_done.set_result(None)

    loop.call_soon(step)
    await is_done


SCENARIOS = (call_soon_batch, call_soon_chain)
