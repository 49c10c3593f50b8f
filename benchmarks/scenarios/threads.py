"""Threads: callbacks posted from another thread, and work sent to a pool.

Both contain the operating system's thread switches and the GIL's, so they vary more than the rest.
"""

import asyncio
import concurrent.futures
import threading

from benchmarks.scenario import timed_coroutine


def _ignore():
    pass


@timed_coroutine("call_soon_threadsafe from a thread", count=20_000, needs_quiet=True)
async def call_soon_threadsafe(count):
    loop = asyncio.get_running_loop()
    is_done = loop.create_future()

    def post():
        for _ in range(count - 1):
            loop.call_soon_threadsafe(_ignore)
        loop.call_soon_threadsafe(is_done.set_result, None)

    thread = threading.Thread(target=post)
    thread.start()
    await is_done
    thread.join()


@timed_coroutine("run_in_executor, one worker", count=1_000, needs_quiet=True)
async def run_in_executor(count):
    loop = asyncio.get_running_loop()
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
        for _ in range(count):
            await loop.run_in_executor(pool, _ignore)


SCENARIOS = (call_soon_threadsafe, run_in_executor)
