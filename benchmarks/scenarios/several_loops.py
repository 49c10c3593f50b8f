"""One and two loops in as many threads of a process: what a Python without the global interpreter lock makes of the second.

Tasks are created and awaited in each thread; echo servers share a port by SO_REUSEPORT, and the kernel spreads the client's
connections over them. The figures are of all loops together. With the GIL the second loop gains nothing.
"""

import asyncio
import concurrent.futures
import gc
import threading
import time
from contextlib import contextmanager

from benchmarks.scenario import Direction, Metric, Participant, Scenario, scaled
from benchmarks.scenarios.exchanges import exchange_scenario, in_words
from benchmarks.session import Exchange

TASKS_OF_EACH = 30_000
LOOP_COUNTS = (1, 2)
MESSAGES, MESSAGE_SIZE, CONNECTIONS = 6_400, 1024, 64


def _loops_in_words(loop_count):
    return "1 loop" if loop_count == 1 else f"{loop_count} loops in {loop_count} threads"


async def _return_at_once():
    pass


async def _create_and_await(count):
    for _ in range(count):
        await asyncio.create_task(_return_at_once())


class _LoopsInThreads:
    """Loops, each in a thread of its own, that begin each turn together. They end with the process."""

    def __init__(self, loop_definition, loop_count, tasks):
        factory = loop_definition.load_factory()
        self.loop_definition, self.tasks = loop_definition, tasks
        self.threads = [concurrent.futures.ThreadPoolExecutor(max_workers=1) for _ in range(loop_count)]
        self.runners = [asyncio.Runner(loop_factory=factory) for _ in range(loop_count)]
        self.loop_class = self._work_together(1)[0][0]

    def take_turn(self):
        _, begins_ns, ends_ns = zip(*self._work_together(self.tasks))
        return {"rate": len(self.threads) * self.tasks / (max(ends_ns) - min(begins_ns)) * 1e9}

    def _work_together(self, tasks):
        """Return (class of the loop, begin, end) of each loop."""
        all_ready = threading.Barrier(len(self.threads), action=gc.collect)
        work = [thread.submit(self._work, runner, tasks, all_ready) for thread, runner in zip(self.threads, self.runners)]
        return [future.result() for future in work]

    def _work(self, runner, tasks, all_ready):
        try:
            return runner.run(self._main(tasks, all_ready))
        except BaseException:
            # The other threads must not wait for this one.
            all_ready.abort()
            raise

    async def _main(self, tasks, all_ready):
        loop_class = self.loop_definition.identify(asyncio.get_running_loop())
        await _create_and_await(max(tasks // 5, 1))
        all_ready.wait()
        begin_ns = time.perf_counter_ns()
        await _create_and_await(tasks)
        return loop_class, begin_ns, time.perf_counter_ns()


def _tasks_scenario(loop_count):
    @contextmanager
    def participate(loop_definition, is_quick):
        loops = _LoopsInThreads(loop_definition, loop_count, scaled(TASKS_OF_EACH, is_quick))
        yield Participant(loops.loop_class, loops.take_turn)

    return Scenario(
        f"several_loops_tasks_{loop_count}",
        f"create_task and await, {_loops_in_words(loop_count)}",
        (Metric("rate", "tasks/s", direction=Direction.HIGHER, needs_quiet=True),),
        participate,
        is_in_process=True,
    )


def _echo_scenario(loop_count):
    exchange = Exchange("echo", "protocol", "tcp", "exchange", CONNECTIONS, MESSAGE_SIZE, MESSAGE_SIZE, loop_count)
    title = f"echo {exchange}, 1 KB, {in_words(CONNECTIONS)}, {_loops_in_words(loop_count)}"
    return exchange_scenario(f"several_loops_echo_{loop_count}", title, exchange, MESSAGES)


SCENARIOS = (*map(_tasks_scenario, LOOP_COUNTS), *map(_echo_scenario, LOOP_COUNTS))
