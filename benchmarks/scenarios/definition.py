"""What a scenario is, and how a coroutine becomes one.

A scenario is plain user code on asyncio's public API. Its measure(loop, is_quick) runs in a process
of its own and returns a Measurement: for each metric the figure of every repetition.
Every metric but a rate is better when lower. The garbage collector stays enabled, as in production; it is run
once before each repetition, so that none pays for the garbage of the one before.
"""

import asyncio
import gc
import time
from collections.abc import Callable
from dataclasses import dataclass

REPETITIONS = 5
# A quick run shows that a scenario works, its figures mean nothing.
QUICK_DIVISOR = 50


class Failure(Exception):
    """A scenario cannot run; the text is the whole reason."""


@dataclass(frozen=True)
class Metric:
    """One figure of a scenario.

    pick chooses among repetitions: "min"; "max" for defects, of which the worst counts; "rate" for the highest, where
    more is better. noise, in the metric's unit: a growth up to that is no loss, whatever its percentage.
    """

    name: str
    unit: str
    title: str = ""
    pick: str = "min"
    noise: float = 0.0


@dataclass(frozen=True)
class Measurement:
    """samples: metric name -> one figure per repetition."""

    loop_class: str
    samples: dict[str, list[float]]


@dataclass(frozen=True)
class Participant:
    """A loop that is ready to be measured: take_turn() returns {metric name: figure} of a short piece of work."""

    loop_class: str
    take_turn: Callable


@dataclass(frozen=True)
class Scenario:
    """A named measurement; measure(loop_definition, is_quick) returns a Measurement.

    is_default: it belongs to the run without arguments. has_yardstick: the C server can be measured in a loop's place.
    has_client: it uses the load client. prepare(loop_definition, is_quick): a context manager that yields a Participant; None
    where the loops cannot take turns.
    """

    name: str
    title: str
    metrics: tuple[Metric, ...]
    measure: Callable
    is_default: bool = True
    has_yardstick: bool = False
    has_client: bool = False
    prepare: Callable | None = None


def run_on(loop_definition, main):
    """Run the coroutine function main on a new loop; return (class of the loop, result)."""

    async def identified():
        return loop_definition.identify(asyncio.get_running_loop()), await main()

    with asyncio.Runner(loop_factory=loop_definition.load_factory()) as runner:
        return runner.run(identified())


def timed_coroutine(title, *, count, repetitions=REPETITIONS):
    """Make a scenario of `async def body(count)`: nanoseconds per operation, count in a repetition."""

    def decorate(body):
        metric = Metric("time", "ns")

        def measure(loop_definition, is_quick):
            operations = max(count // QUICK_DIVISOR, 1) if is_quick else count

            async def repeat():
                await body(max(operations // 5, 1))
                times_ns = [await _time_ns(body, operations) for _ in range(1 if is_quick else repetitions)]
                return {metric.name: [time_ns / operations for time_ns in times_ns]}

            return Measurement(*run_on(loop_definition, repeat))

        return Scenario(body.__name__, title, (metric,), measure)

    return decorate


async def _time_ns(body, operations):
    gc.collect()
    start_ns = time.perf_counter_ns()
    await body(operations)
    return time.perf_counter_ns() - start_ns
