"""One and two loops in as many threads of a process: what a Python without the global interpreter lock makes of the second.

Tasks are created and awaited in each thread; echo servers share a port by SO_REUSEPORT, and the kernel spreads the client's
connections over them. The figures are of all loops together. With the GIL the second loop gains nothing.
"""

import asyncio
import gc
import threading
import time

from scenarios.definition import QUICK_DIVISOR, REPETITIONS, Measurement, Metric, Scenario
from scenarios.exchanges import Exchange, exchange_scenario

TASKS_OF_EACH = 30_000
LOOP_COUNTS = (1, 2)
CONNECTIONS = 64


async def _return_at_once():
    pass


async def _create_and_await(count):
    for _ in range(count):
        await asyncio.create_task(_return_at_once())


def _loops_in_words(loop_count):
    return "1 loop" if loop_count == 1 else f"{loop_count} loops in {loop_count} threads"


class _Threads:
    """Loops in threads of their own, which begin each repetition together."""

    def __init__(self, loop_definition, loop_count, repetitions, tasks):
        self.loop_definition, self.factory = loop_definition, loop_definition.load_factory()
        self.loop_count, self.repetitions, self.tasks = loop_count, repetitions, tasks
        self.all_ready = threading.Barrier(loop_count, action=gc.collect)
        # Of each loop, the moments between which it worked, one pair for each repetition.
        self.times_ns = [[] for _ in range(loop_count)]
        self.loop_class = None

    def measure(self):
        """Return the tasks a second of all loops together, for each repetition."""
        threads = [threading.Thread(target=self._run, args=(times_ns,)) for times_ns in self.times_ns]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [
            self.loop_count * self.tasks / (max(end for _, end in pairs) - min(begin for begin, _ in pairs)) * 1e9
            for pairs in zip(*self.times_ns, strict=True)
        ]

    def _run(self, times_ns):
        try:
            with asyncio.Runner(loop_factory=self.factory) as runner:
                runner.run(self._main(times_ns))
        except BaseException:
            # The other threads are not to wait for this one.
            self.all_ready.abort()
            raise

    async def _main(self, times_ns):
        self.loop_class = self.loop_definition.identify(asyncio.get_running_loop())
        await _create_and_await(max(self.tasks // 5, 1))
        for _ in range(self.repetitions):
            self.all_ready.wait()
            begin_ns = time.perf_counter_ns()
            await _create_and_await(self.tasks)
            times_ns.append((begin_ns, time.perf_counter_ns()))


def _tasks_scenario(loop_count):
    def measure(loop_definition, is_quick):
        repetitions = 1 if is_quick else REPETITIONS
        threads = _Threads(loop_definition, loop_count, repetitions, TASKS_OF_EACH // (QUICK_DIVISOR if is_quick else 1))
        rates = threads.measure()
        return Measurement(threads.loop_class, {"rate": rates})

    title = f"create_task and await, {_loops_in_words(loop_count)}"
    return Scenario(f"several_loops_tasks_{loop_count}", title, (Metric("rate", "tasks/s", pick="rate"),), measure, False)


def _echo_scenario(loop_count):
    return exchange_scenario(
        f"several_loops_echo_{loop_count}",
        f"echo TCP Protocol, 1 KB, {CONNECTIONS} connections, {_loops_in_words(loop_count)}",
        Exchange(
            service="echo",
            interface="protocol",
            family="tcp",
            mode="exchange",
            connections=CONNECTIONS,
            request_size=1024,
            answer_size=1024,
            count=25_600,
            loop_count=loop_count,
        ),
        has_yardstick=False,
    )


SCENARIOS = (*map(_tasks_scenario, LOOP_COUNTS), *map(_echo_scenario, LOOP_COUNTS))
