"""asyncio.all_tasks(), asked by one thread while others begin and end tasks."""

import asyncio
import threading
import time

import pytest


@pytest.mark.parametrize("askers", [1, 2])
def test_all_tasks_are_told_while_other_threads_begin_and_end_some(quiet_loop, in_threads, seconds, askers):
    loops = [quiet_loop() for _ in range(3)]
    is_over = threading.Event()
    answers = []

    async def begin_and_end_tasks(loop):
        while not is_over.is_set():
            await asyncio.gather(*[loop.create_task(asyncio.sleep(0)) for _ in range(30)])

    def ask():
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for loop in loops:
                answers.append({task.get_loop() for task in asyncio.all_tasks(loop)} <= {loop})

    runners = in_threads(lambda loop: loop.run_until_complete(begin_and_end_tasks(loop)), *[(loop,) for loop in loops])
    for thread in in_threads(ask, *[()] * askers):
        thread.join()
    is_over.set()
    for thread in runners:
        thread.join()
    assert answers and all(answers)


def test_tasks_of_loops_made_at_the_same_time_are_all_found(implementation, in_threads):
    together = threading.Barrier(4)
    counts = []

    def make_loops():
        for _ in range(50):
            together.wait()
            loop = implementation.new_event_loop()
            task = loop.create_task(asyncio.sleep(0))
            counts.append(len(asyncio.all_tasks(loop)))
            loop.run_until_complete(task)
            loop.close()

    for thread in in_threads(make_loops, *[()] * 4):
        thread.join()
    assert counts == [1] * 200
