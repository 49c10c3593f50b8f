"""Subprocesses. Most of their time is the kernel's and the dynamic linker's."""

import asyncio
import gc
import time

from benchmarks.scenario import Direction, Metric, loop_scenario, scaled

PROGRAM = "/bin/true"
CHILDREN = 64
AT_ONCE = 16
COMMUNICATED_BYTES = 1_000_000
COMMUNICATIONS = 10


async def _spawn():
    process = await asyncio.create_subprocess_exec(PROGRAM)
    await process.wait()


async def _communicate():
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("cat", stdin=pipe, stdout=pipe)
    await process.communicate(bytes(COMMUNICATED_BYTES))


async def _rate(work, count, at_once):
    async def worker(share):
        for _ in range(share):
            await work()

    await work()
    gc.collect()
    share = max(count // at_once, 1)
    start_s = time.perf_counter()
    await asyncio.gather(*(worker(share) for _ in range(at_once)))
    return {"rate": share * at_once / (time.perf_counter() - start_s)}


def _scenario(name, title, work, count, at_once):
    metrics = (Metric("rate", "processes/s", direction=Direction.HIGHER, needs_quiet=True),)
    return loop_scenario(name, title, metrics, lambda is_quick: _rate(work, scaled(count, is_quick), at_once))


SCENARIOS = (
    _scenario("subprocess_spawn", "subprocess, one after the other", _spawn, CHILDREN, 1),
    _scenario("subprocess_spawn_16", "subprocess, 16 at a time", _spawn, CHILDREN, AT_ONCE),
    _scenario("subprocess_communicate", "communicate() of 1 MB through cat", _communicate, COMMUNICATIONS, 1),
)
