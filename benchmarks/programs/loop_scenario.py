"""One scenario on one loop, in this process: alone LOOP SCENARIO [--quick] [--operations N].

Says {"loop_class"} when it is ready; each line on standard input is a turn, answered with its figures. With --operations it does so
many and ends instead: for a profiler, and for instructions.py.
Started by participants.py.
"""

import argparse
import asyncio
import sys

from benchmarks.loops import LOOPS
from benchmarks.programs import failure_said, say


def main(arguments):
    parser = argparse.ArgumentParser(prog="alone", description="Run one scenario on one loop in this process: a turn for each line.")
    parser.add_argument("loop", choices=LOOPS)
    parser.add_argument("scenario")
    parser.add_argument("--quick", action="store_true", help="only show that it works")
    parser.add_argument("--operations", type=int, metavar="N", help="do so many and end, for a profiler")
    options = parser.parse_args(arguments)
    loop_definition = LOOPS[options.loop]
    with failure_said():
        # The loop comes first: some patch asyncio on import, and scenarios must see what users see.
        factory = loop_definition.load_factory()
        from benchmarks.scenarios import SCENARIOS

        scenario = SCENARIOS[options.scenario]
        if options.operations and scenario.body is None:
            sys.exit(f"{scenario.name} does not count operations")
        if options.operations:
            with asyncio.Runner(loop_factory=factory) as runner:
                runner.run(scenario.body(options.operations))
        else:
            take_turns(scenario, loop_definition, options.quick)


def take_turns(scenario, loop_definition, is_quick):
    with scenario.participate(loop_definition, is_quick) as participant:
        say(loop_class=participant.loop_class)
        for _ in iter(sys.stdin.readline, ""):
            say(**participant.take_turn())
