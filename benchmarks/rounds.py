"""The measuring engine: the loops take turns.

In a round, all loops get ready for a scenario, and then short pieces of work go to one after the other. One at a time does something,
the others wait in the kernel. A disturbance that lasts longer than a turn meets all loops, so ratios within a turn are steady where
figures are not. What differs from process to process averages out over the rounds: each starts new ones.
Promise: a loop that fails in a scenario is not asked again. Every process that is started is ended here.
"""

import subprocess
from contextlib import ExitStack, contextmanager

from benchmarks import Failure
from benchmarks.loops import MEMORYBIO, YARDSTICK
from benchmarks.participants import ready_participant


def measure(results, scenarios, *, rounds, turns, is_quick, on_step):
    """Add to results the figures of its loops. on_step(text) is called before each scenario of each round."""
    for round_number in range(rounds):
        for scenario in scenarios:
            on_step(f"round {round_number + 1} of {rounds}: {scenario.title}")
            _measure_round(results, scenario, round_number, min(turns, scenario.max_turns or turns), is_quick)


def _measure_round(results, scenario, round_number, turns, is_quick):
    with ExitStack() as stack:
        participants = {}
        for name in _rotated(_contestants(results, scenario), round_number):
            with _failure_noted(results, scenario, name):
                participants[name] = stack.enter_context(ready_participant(scenario, name, is_quick))
                results.loop_classes.setdefault(scenario.name, {})[name] = participants[name].loop_class
        for turn in range(turns):
            for name in _rotated(_contestants(results, scenario), turn):
                with _failure_noted(results, scenario, name):
                    results.add(scenario, name, participants[name].take_turn())


def _contestants(results, scenario):
    partial = {YARDSTICK: scenario.has_yardstick, MEMORYBIO: scenario.is_tls}
    names = (name for name in results.loops if partial.get(name, True))
    return [name for name in names if not results.has_failed(scenario.name, name)]


@contextmanager
def _failure_noted(results, scenario, loop_name):
    try:
        yield
    except (Failure, OSError, subprocess.TimeoutExpired) as error:
        results.add_failure(scenario, loop_name, str(error))


def _rotated(names, count):
    start = count % len(names) if names else 0
    return [*names[start:], *names[:start]]
