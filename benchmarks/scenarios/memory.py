"""Resident memory of what waits: bytes per pending task and per pending timer.

Measured from outside the allocators (they differ from loop to loop) as growth of the process's resident memory over many objects.
Each task waits on a future of its own.
"""

import asyncio
import gc
import os

from benchmarks.process_account import resident_bytes
from benchmarks.scenario import Metric, loop_scenario, scaled

OBJECTS = 50_000
FAR_AWAY_S = 3600.0


def _make_many(make, objects):
    # The list that keeps the objects is not theirs: it is made before the first reading.
    kept = [None] * objects
    gc.collect()
    before = resident_bytes(os.getpid())
    for index in range(objects):
        kept[index] = make()
    return kept, before


def _ignore():
    pass


async def _wait_for_own_future(loop):
    await loop.create_future()


async def _task_bytes(objects):
    loop = asyncio.get_running_loop()
    tasks, before = _make_many(lambda: asyncio.create_task(_wait_for_own_future(loop)), objects)
    await asyncio.sleep(0)
    growth = resident_bytes(os.getpid()) - before
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return growth / objects


async def _timer_bytes(objects):
    loop = asyncio.get_running_loop()
    handles, before = _make_many(lambda: loop.call_later(FAR_AWAY_S, _ignore), objects)
    growth = resident_bytes(os.getpid()) - before
    for handle in handles:
        handle.cancel()
    return growth / objects


def _memory_scenario(name, title, count_bytes):
    async def turn(is_quick):
        return {"memory": await count_bytes(scaled(OBJECTS, is_quick))}

    # A second turn would reuse the memory that the first gave back.
    return loop_scenario(name, title, (Metric("memory", "bytes"),), turn, max_turns=1)


SCENARIOS = (
    _memory_scenario("memory_per_task", "memory per pending task", _task_bytes),
    _memory_scenario("memory_per_timer", "memory per pending timer", _timer_bytes),
)
