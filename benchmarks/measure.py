"""The command line: which loops, which scenarios, how often, and what becomes of the results.

Loops that are not installed are skipped with a line that says how to get them, peers that do not start with one that says why.
Exit status: 0; 1 if fastloop failed a scenario or is asked for and absent; 2 for a bad command line; 130 if interrupted (what was
measured until then is still printed).
"""

import argparse
import pathlib
import sys

from benchmarks import plot
from benchmarks.loops import DEFAULT_LOOPS, LOOPS, MEMORYBIO, PEERS, SUBJECT, YARDSTICK
from benchmarks.machine import Occupancy
from benchmarks.names import names_of
from benchmarks.participants import reason_not_to_start
from benchmarks.progress import progress
from benchmarks.report import print_report
from benchmarks.results import Results
from benchmarks.rounds import measure
from benchmarks.scenarios import DEFAULT_SCENARIOS, SCENARIOS

# With these and the scenarios of the default run, `make bench` is done in three minutes, the build of fastloop included.
DEFAULT_ROUNDS, DEFAULT_TURNS = 2, 5
OTHER_COMMANDS = """Other commands, each with --help:
  show FILE.json ...                  the table of results that were kept
  compare BASE.json NEW.json          fails if fastloop has lost speed
  instructions SCENARIO ...           CPU instructions per operation (valgrind)
  alone LOOP SCENARIO                 one scenario in this process, for a profiler"""


def main(arguments):
    options = parse(arguments)
    if options.list:
        print_list()
        return 0
    if options.plot and not plot.is_possible():
        return 2
    scenarios = [SCENARIOS[name] for name in options.scenarios]
    loop_names = without_absent(options.loops, scenarios)
    if not loop_names:
        return 1
    conditions = {"rounds": options.rounds, "turns": options.turns, "is_quick": options.quick}
    results, status, occupancy = Results(loop_names, scenarios, **conditions), 0, Occupancy()
    try:
        with progress(options.rounds * len(scenarios)) as on_step:
            measure(results, scenarios, **conditions, on_step=on_step)
    except KeyboardInterrupt:
        status = 130
    results.metadata["occupancy"] = occupancy.describe()
    print_report(results)
    if options.json:
        results.save(options.json)
    if options.plot:
        plot.save_plot(results, options.plot)
    is_absent = SUBJECT in options.loops and SUBJECT not in loop_names
    return status or int(is_absent or any(failure["loop"] == SUBJECT for failure in results.failures))


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="benchmarks",
        description="Measure asyncio event loops against each other.",
        epilog=OTHER_COMMANDS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--loops", type=names_of(LOOPS), default=list(DEFAULT_LOOPS), metavar="A,B,...",
                        help=f"default: {','.join(DEFAULT_LOOPS)}; all: {','.join(LOOPS)}")  # fmt: skip
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--scenarios", type=names_of(SCENARIOS), default=DEFAULT_SCENARIOS, metavar="A,B,...",
                        help="--list names them and the default; a name may have * for any letters")  # fmt: skip
    chosen.add_argument("--all", dest="scenarios", action="store_const", const=list(SCENARIOS), help="every scenario")
    parser.add_argument("--rounds", type=positive, metavar="N", help=f"new processes each; default: {DEFAULT_ROUNDS}")
    parser.add_argument("--turns", type=positive, metavar="N", help=f"of each loop in a round; default: {DEFAULT_TURNS}")
    parser.add_argument("--json", metavar="FILE", help="keep every figure in FILE")
    parser.add_argument("--plot", metavar="FILE", help="draw a bar chart, .png or .svg")
    parser.add_argument("--quick", action="store_true", help="only show that the scenarios work")
    parser.add_argument("--list", action="store_true", help="name loops and scenarios, measure nothing")
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (1 if options.quick else DEFAULT_ROUNDS)
    options.turns = options.turns or (1 if options.quick else DEFAULT_TURNS)
    # What cannot be kept is said before the minutes are spent.
    if options.plot:
        plot.check(options.plot, parser)
    for path in filter(None, (options.json, options.plot)):
        if not pathlib.Path(path).absolute().parent.is_dir():
            parser.error(f"no folder to write {path} to")
    return options


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def print_list():
    print("Loops:")
    for loop in LOOPS.values():
        print(f"  {loop.name:40}{loop.version() or f'absent: {loop.how_to_get}'}")
    print("Scenarios (* in the default run):")
    for scenario in SCENARIOS.values():
        print(f"  {scenario.name:37}{'*' if scenario.name in DEFAULT_SCENARIOS else ' '}  {scenario.title}")


def without_absent(loop_names, scenarios):
    """Return the loops that can be measured, and say of the others why not."""
    partial = {YARDSTICK: any(one.has_yardstick for one in scenarios), MEMORYBIO: any(one.is_tls for one in scenarios)}
    loop_names = [name for name in loop_names if partial.get(name, True)]
    reasons = {name: reason_to_skip(name) for name in loop_names}
    for name, reason in reasons.items():
        if reason:
            print(f"{name} skipped, {reason}", file=sys.stderr)
    return [name for name in loop_names if not reasons[name]]


def reason_to_skip(loop_name):
    reason = LOOPS[loop_name].reason_for_absence()
    if reason is None and loop_name in PEERS:
        failure = reason_not_to_start(loop_name)
        reason = failure and f"it does not start: {failure}"
    return reason
