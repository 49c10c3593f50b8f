"""Threads beside a loop that is never idle: how long they wait for it, and for the GIL.

While something keeps the loop busy, three things are measured, each as the mean of many: a round trip through the executor, a
coroutine that a plain thread has run on the loop, and a step of a plain thread that needs nothing but the GIL. A loop that keeps
the GIL lets each of them wait for the interpreter's switch interval, 5 ms.
"""

import asyncio
import contextlib
import socket
import time

from benchmarks.scenario import Metric, loop_scenario, scaled

REPETITIONS = 50
WATCHED_DESCRIPTORS = 10
STORM_CALLBACKS = 100
METRICS = (
    Metric("executor", "us", "run_in_executor", needs_quiet=True),
    Metric("threadsafe", "us", "run_coroutine_threadsafe", needs_quiet=True),
    Metric("step", "us", "step of a thread", needs_quiet=True),
)


def _ignore():
    pass


@contextlib.asynccontextmanager
async def _spinning_task():
    """A task that never waits."""

    async def spin():
        while True:
            await asyncio.sleep(0)

    task = asyncio.create_task(spin())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def _spinning_task_and_watched_descriptors():
    """A task that never waits, on a loop that watches descriptors on which nothing happens."""
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as stack:
        for _ in range(WATCHED_DESCRIPTORS):
            watched, peer = socket.socketpair()
            stack.enter_context(peer)
            stack.enter_context(watched)
            loop.add_reader(watched.fileno(), _ignore)
            stack.callback(loop.remove_reader, watched.fileno())
        async with _spinning_task():
            yield


@contextlib.asynccontextmanager
async def _call_soon_storm():
    """Callbacks of which each schedules itself again, many in each turn."""
    loop = asyncio.get_running_loop()
    is_over = False

    def again():
        if not is_over:
            loop.call_soon(again)

    for _ in range(STORM_CALLBACKS):
        loop.call_soon(again)
    try:
        yield
    finally:
        is_over = True
        await asyncio.sleep(0)


async def _executor_round_trips(times):
    loop = asyncio.get_running_loop()
    start_s = time.perf_counter()
    for _ in range(times):
        await loop.run_in_executor(None, int)
    return time.perf_counter() - start_s


async def _threadsafe_round_trips(times):
    loop = asyncio.get_running_loop()

    async def nothing():
        pass

    def call():
        start_s = time.perf_counter()
        for _ in range(times):
            asyncio.run_coroutine_threadsafe(nothing(), loop).result()
        return time.perf_counter() - start_s

    return await asyncio.to_thread(call)


async def _steps_of_a_thread(times):
    def step():
        start_s = time.perf_counter()
        for _ in range(times):
            # Releases the GIL and needs it again.
            time.sleep(0)
        return time.perf_counter() - start_s

    return await asyncio.to_thread(step)


MEASURES = {
    "executor": _executor_round_trips,
    "threadsafe": _threadsafe_round_trips,
    "step": _steps_of_a_thread,
}


def _scenario(name, title, keep_busy):
    async def turn(is_quick):
        times = scaled(REPETITIONS, is_quick)
        # What the executor starts and the first call imports does not count.
        await _executor_round_trips(2)
        async with keep_busy():
            return {name: await seconds_of(times) / times * 1e6 for name, seconds_of in MEASURES.items()}

    return loop_scenario(name, title, METRICS, turn)


SCENARIOS = (
    _scenario("beside_busy_task", "beside a busy task", _spinning_task),
    _scenario("beside_busy_task_watching", "beside a busy task, 10 sockets watched", _spinning_task_and_watched_descriptors),
    _scenario("beside_call_soon_storm", "beside 100 busy callbacks", _call_soon_storm),
)
