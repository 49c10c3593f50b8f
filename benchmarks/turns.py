"""Loops that take turns: their servers run at the same time, and short pieces of work go to one after the other.

Promise: one at a time does something, the others wait in the kernel; the loops rotate. A disturbance that lasts longer than a turn, some
20 ms, meets all of them, so the ratios of figures from the same turn are steadier than those of measurement.py, which starts
a process for each figure. What differs from process to process is in both: each round starts new ones.
Every process that is started is ended here.
"""

from contextlib import ExitStack

from loops import LOOPS
from measurement import measurable, rotated
from results import Results
from scenarios.definition import Failure


def measure_in_turns(loop_names, scenarios, rounds, turns, *, is_quick, on_step):
    """As measure_all(), with `turns` figures of each loop in a round, and their median as the figure that counts.

    on_step(round_number, scenario) is called before the processes of a round are started.
    """
    results = Results(loop_names, scenarios, is_quick=is_quick, statistic="median")
    try:
        for round_number in range(rounds):
            for scenario in scenarios:
                on_step(round_number, scenario)
                names = rotated(measurable(loop_names, scenario), round_number)
                _measure_round(results, scenario, names, turns, is_quick)
    except KeyboardInterrupt as interrupt:
        interrupt.results = results
        raise
    return results


def _measure_round(results, scenario, loop_names, turns, is_quick):
    failures = results.scenarios[scenario.name]["failures"]
    with ExitStack() as stack:
        participants = {}
        for name in loop_names:
            if name not in failures:
                _attempt(results, scenario, name, lambda name=name: participants.setdefault(
                    name, stack.enter_context(scenario.prepare(LOOPS[name], is_quick))))  # fmt: skip
        for turn in range(turns):
            for name in rotated([name for name in participants if name not in failures], turn):
                _attempt(results, scenario, name, lambda name=name: _take_turn(results, scenario, name, participants[name]))


def _attempt(results, scenario, loop_name, action):
    """A loop that fails is not asked again, in this scenario."""
    try:
        action()
    except (Failure, OSError) as error:
        results.add(scenario.name, loop_name, {"failure": str(error)})


def _take_turn(results, scenario, loop_name, participant):
    samples = {name: [figure] for name, figure in participant.take_turn().items()}
    results.add(scenario.name, loop_name, {"loop_class": participant.loop_class, "samples": samples})
