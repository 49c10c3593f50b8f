"""Tasks: stepping, creating and awaiting them, alone and in groups."""

import asyncio

from benchmarks.scenario import timed_coroutine

MANY_TASKS = 1000
GROUP_SIZE = 20


async def _return_at_once():
    pass


async def _sleep_zero(times):
    for _ in range(times):
        await asyncio.sleep(0)


@timed_coroutine("sleep(0), one task", count=20_000)
async def sleep_zero_one_task(count):
    await _sleep_zero(count)


@timed_coroutine("sleep(0), 1000 tasks", count=50_000)
async def sleep_zero_1000_tasks(count):
    steps = max(count // MANY_TASKS, 1)
    tasks = [asyncio.create_task(_sleep_zero(steps)) for _ in range(MANY_TASKS)]
    for task in tasks:
        await task


@timed_coroutine("create_task and await", count=10_000)
async def create_task_and_await(count):
    for _ in range(count):
        await asyncio.create_task(_return_at_once())


@timed_coroutine("gather of 20,000, per task", count=20_000)
async def gather_20000(count):
    await asyncio.gather(*[_return_at_once() for _ in range(count)])


@timed_coroutine("TaskGroup of 20, per task", count=10_000)
async def task_group_of_20(count):
    for _ in range(max(count // GROUP_SIZE, 1)):
        async with asyncio.TaskGroup() as group:
            for _ in range(GROUP_SIZE):
                group.create_task(asyncio.sleep(0))


SCENARIOS = (sleep_zero_one_task, sleep_zero_1000_tasks, create_task_and_await, gather_20000, task_group_of_20)
