"""asyncio's own synchronization on top of the loop's futures and timers.

A hand-off is one task waking another and waiting itself: each operation suspends and resumes once.
"""

import asyncio

from benchmarks.scenario import timed_coroutine

LOCK_CONTENDERS = 10
LONG_TIMEOUT_S = 60.0


@timed_coroutine("asyncio.Queue hand-off", count=10_000)
async def queue_hand_off(count):
    requests, answers = asyncio.Queue(), asyncio.Queue()
    exchanges = max(count // 2, 1)

    async def answer():
        for _ in range(exchanges):
            answers.put_nowait(await requests.get())

    task = asyncio.create_task(answer())
    for _ in range(exchanges):
        await requests.put(None)
        await answers.get()
    await task


@timed_coroutine("asyncio.Event hand-off", count=10_000)
async def event_hand_off(count):
    asked, answered = asyncio.Event(), asyncio.Event()
    exchanges = max(count // 2, 1)

    async def answer():
        for _ in range(exchanges):
            await asked.wait()
            asked.clear()
            answered.set()

    task = asyncio.create_task(answer())
    for _ in range(exchanges):
        asked.set()
        await answered.wait()
        answered.clear()
    await task


@timed_coroutine("asyncio.Lock hand-off", count=10_000)
async def lock_hand_off(count):
    lock = asyncio.Lock()

    async def contend():
        for _ in range(max(count // LOCK_CONTENDERS, 1)):
            async with lock:
                await asyncio.sleep(0)

    for task in [asyncio.create_task(contend()) for _ in range(LOCK_CONTENDERS)]:
        await task


@timed_coroutine("wait_for(sleep(0))", count=5_000)
async def wait_for_sleep_zero(count):
    for _ in range(count):
        await asyncio.wait_for(asyncio.sleep(0), LONG_TIMEOUT_S)


@timed_coroutine("timeout() around sleep(0)", count=5_000)
async def timeout_around_sleep_zero(count):
    for _ in range(count):
        async with asyncio.timeout(LONG_TIMEOUT_S):
            await asyncio.sleep(0)


SCENARIOS = (queue_hand_off, event_hand_off, lock_hand_off, wait_for_sleep_zero, timeout_around_sleep_zero)
