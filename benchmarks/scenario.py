"""What a scenario is, and how a coroutine becomes one.

A scenario is plain user code on asyncio's public API. Entering its participate() gets one loop ready, and take_turn() then measures a
short piece of work, some 20 ms, as often as it is called. The garbage collector stays enabled, as in production. In the process of
the loop it runs once before each turn, so that no turn pays for the garbage of another.
"""

import asyncio
import enum
import gc
import statistics
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass

# A quick run shows that a scenario works. Its figures mean nothing.
QUICK_DIVISOR = 50


class Direction(enum.StrEnum):
    """Which figures of a metric are the better ones."""

    LOWER = "lower"
    HIGHER = "higher"
    # A count of faults. One turn without them does not make up for another, so the worst turn counts.
    DEFECTS = "defects"

    def summary(self, figures):
        """Return the figure that stands for those of all turns."""
        return max(figures) if self is Direction.DEFECTS else statistics.median(figures)

    def best(self, figures, key=None):
        return (max if self is Direction.HIGHER else min)(figures, key=key)

    def advantage(self, own, other):
        """Return how many times better own is than other, over 1 if it is ahead."""
        return own / other if self is Direction.HIGHER else other / own


@dataclass(frozen=True)
class Metric:
    """One figure of a scenario. noise, in its unit: a growth up to that is no loss, whatever its percentage."""

    name: str
    unit: str
    title: str = ""
    direction: Direction = Direction.LOWER
    noise: float = 0.0
    # Other threads or processes have a part in it, so that whatever else runs on the machine changes it.
    needs_quiet: bool = False


@dataclass(frozen=True)
class Participant:
    """A loop that is ready to be measured; take_turn() returns {metric name: figure}."""

    loop_class: str
    take_turn: Callable


@dataclass(frozen=True)
class Scenario:
    """A named measurement; participate(loop_definition, is_quick) is a context manager that yields a Participant."""

    name: str
    title: str
    metrics: tuple[Metric, ...]
    participate: Callable
    # The loop runs where participate() is entered, so that has to be a process of its own.
    is_in_process: bool = False
    # The C server can be measured in a loop's place.
    has_yardstick: bool = False
    # It shows what the engines of TLS differ in.
    is_tls: bool = False
    # More turns than these would not measure the same once more.
    max_turns: int | None = None
    # The coroutine function that does as many operations as it is told, if the scenario is one.
    body: Callable | None = None


def scaled(count, is_quick):
    return max(count // QUICK_DIVISOR, 1) if is_quick else count


def loop_scenario(name, title, metrics, turn, **options):
    """Make a scenario of `async def turn(is_quick)`, which returns {metric name: figure}."""

    @contextmanager
    def participate(loop_definition, is_quick):
        with asyncio.Runner(loop_factory=loop_definition.load_factory()) as runner:
            loop_class = loop_definition.identify(runner.get_loop())
            yield Participant(loop_class, lambda: runner.run(turn(is_quick)))

    return Scenario(name, title, metrics, participate, is_in_process=True, **options)


def timed_coroutine(title, *, count, needs_quiet=False):
    """Make a scenario of `async def body(count)`: nanoseconds per operation, count in a turn. needs_quiet: as of its Metric."""

    def decorate(body):
        async def turn(is_quick):
            operations = scaled(count, is_quick)
            # The processor's caches hold what other loops needed in their turns.
            await body(max(operations // 5, 1))
            gc.collect()
            start_ns = time.perf_counter_ns()
            await body(operations)
            return {"time": (time.perf_counter_ns() - start_ns) / operations}

        return loop_scenario(body.__name__, title, (Metric("time", "ns", needs_quiet=needs_quiet),), turn, body=body)

    return decorate
