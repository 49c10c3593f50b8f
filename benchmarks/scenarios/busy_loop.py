"""Threads beside a loop that is never idle: how long they wait for it, and for the GIL.

While something keeps the loop busy, three things are measured, each as the mean of many: a round trip through the executor, a
coroutine that a plain thread has run on the loop, and a step of a plain thread that needs nothing but the GIL. A loop that keeps
the GIL lets each of them wait for the interpreter's switch interval, 5 ms.
"""

import asyncio
import contextlib
import functools
import socket
import threading
import time

from scenarios.definition import QUICK_DIVISOR, REPETITIONS, Measurement, Metric, Scenario, run_on

ROUNDS = 100
WATCHED_DESCRIPTORS = 10
STORM_CALLBACKS = 100
METRICS = (
    Metric("executor", "us", "run_in_executor"),
    Metric("threadsafe", "us", "run_coroutine_threadsafe"),
    Metric("step", "us", "step of a thread"),
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


async def _executor_round_trips(rounds):
    loop = asyncio.get_running_loop()
    start_s = time.perf_counter()
    for _ in range(rounds):
        await loop.run_in_executor(None, int)
    return time.perf_counter() - start_s


async def _threadsafe_round_trips(rounds):
    loop = asyncio.get_running_loop()

    async def nothing():
        pass

    def call():
        for _ in range(rounds):
            asyncio.run_coroutine_threadsafe(nothing(), loop).result()

    return await _in_plain_thread(call)


async def _steps_of_a_thread(rounds):
    def step():
        for _ in range(rounds):
            # Gives the GIL away and needs it again.
            time.sleep(0)

    return await _in_plain_thread(step)


async def _in_plain_thread(work):
    """Run work in a thread of its own; returns the seconds that it took there."""
    loop = asyncio.get_running_loop()
    is_done = loop.create_future()

    def run():
        start_s = time.perf_counter()
        work()
        loop.call_soon_threadsafe(is_done.set_result, time.perf_counter() - start_s)

    thread = threading.Thread(target=run)
    thread.start()
    seconds = await is_done
    thread.join()
    return seconds


MEASURES = dict(zip((metric.name for metric in METRICS), (_executor_round_trips, _threadsafe_round_trips, _steps_of_a_thread)))


def _measure(keep_busy, loop_definition, is_quick):
    rounds = ROUNDS // QUICK_DIVISOR if is_quick else ROUNDS

    async def measure():
        # What the executor starts and the first call imports is not to count.
        await _executor_round_trips(2)
        samples = {name: [] for name in MEASURES}
        async with keep_busy():
            for _ in range(1 if is_quick else REPETITIONS):
                for name, seconds_of in MEASURES.items():
                    samples[name].append(await seconds_of(rounds) / rounds * 1e6)
        return samples

    return Measurement(*run_on(loop_definition, measure))


def _scenario(name, title, keep_busy, is_default=False):
    return Scenario(name, title, METRICS, functools.partial(_measure, keep_busy), is_default=is_default)


SCENARIOS = (
    _scenario("beside_busy_task", "beside a busy task", _spinning_task, is_default=True),
    _scenario("beside_busy_task_watching", "beside a busy task, 10 sockets watched", _spinning_task_and_watched_descriptors),
    _scenario("beside_call_soon_storm", "beside 100 busy callbacks", _call_soon_storm),
)
