"""Measure event loops against each other: python benchmarks/run.py [--help].

Owns: the command line. Loops that are not installed are skipped with a line that says how to get them, peers that do not start with
one that says why.
Exit status: 0; 1 if fastloop failed a scenario or is asked for and absent; 2 for a bad command line; 130 if
interrupted (what was measured until then is still printed).
"""

import argparse
import fnmatch
import pathlib
import sys

import native_programs
import plot
from loops import DEFAULT_LOOPS, LOOPS, PEERS, SUBJECT, YARDSTICK
from measurement import measurable, measure_all, reason_not_to_start
from progress import progress
from report import print_report
from scenarios import DEFAULT_SCENARIOS, SCENARIOS
from turns import measure_in_turns

DEFAULT_ROUNDS = 3


def main():
    arguments = parse_arguments()
    if arguments.list:
        print_list()
        return 0
    scenarios = [SCENARIOS[name] for name in arguments.scenarios]
    wanted = without_idle_yardstick(arguments.loops, scenarios)
    print_absent(wanted)
    loop_names = without_broken_peers([name for name in wanted if LOOPS[name].is_available()])
    if not loop_names:
        return 1
    if any(scenario.has_client for scenario in scenarios):
        print_client()
    status = 0
    try:
        results = measure(loop_names, scenarios, arguments)
    except KeyboardInterrupt as interrupt:
        if not hasattr(interrupt, "results"):
            raise
        results, status = interrupt.results, 130
    print_report(results)
    save(results, arguments)
    has_failed = any(name == SUBJECT for _, name, _ in results.failures())
    is_missing = SUBJECT in arguments.loops and SUBJECT not in loop_names
    return status or int(has_failed or is_missing)


def parse_arguments():
    parser = argparse.ArgumentParser(description="Measure asyncio event loops against each other.")
    parser.add_argument("--loops", type=names_of(LOOPS), default=list(DEFAULT_LOOPS), metavar="A,B,...",
                        help=f"default: {','.join(DEFAULT_LOOPS)}; all: {','.join(LOOPS)}")  # fmt: skip
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--scenarios", type=names_of(SCENARIOS), default=DEFAULT_SCENARIOS, metavar="A,B,...",
                        help="--list names them and the default; a name may have * for any letters")  # fmt: skip
    chosen.add_argument("--all", dest="scenarios", action="store_const", const=list(SCENARIOS), help="every scenario")
    parser.add_argument("--rounds", type=positive, default=DEFAULT_ROUNDS, help="default: %(default)s")
    parser.add_argument("--turns", type=positive, metavar="N", help="N short turns a round, all servers at once; compares servers best")
    parser.add_argument("--json", metavar="FILE", help="keep every figure in FILE")
    parser.add_argument("--plot", metavar="FILE", help="draw a bar chart, .png or .svg")
    parser.add_argument("--quick", action="store_true", help="only show that the scenarios work")
    parser.add_argument("--list", action="store_true", help="name loops and scenarios, measure nothing")
    arguments = parser.parse_args()
    if arguments.turns:
        arguments.scenarios = [name for name in arguments.scenarios if SCENARIOS[name].prepare is not None]
        if not arguments.scenarios:
            parser.error("--turns is for servers: echo_*, answer_*, connections_*, burst_*")
    # What cannot be kept is said before the minutes are spent.
    if arguments.plot and not plot.is_available():
        parser.error(f"--plot needs matplotlib: {plot.HOW_TO_GET}")
    if arguments.plot and pathlib.Path(arguments.plot).suffix not in (".png", ".svg"):
        parser.error("--plot takes a file that ends with .png or .svg")
    for path in filter(None, (arguments.json, arguments.plot)):
        if not pathlib.Path(path).absolute().parent.is_dir():
            parser.error(f"no folder to write {path} to")
    return arguments


def names_of(known):
    """Return a parser of comma-separated names out of known; "all" is every one, "x*y" those that match."""

    def parse(text):
        chosen = []
        for part in text.split(","):
            matches = fnmatch.filter(known, "*" if part == "all" else part)
            if not matches:
                raise argparse.ArgumentTypeError(f"unknown name {part!r}; known: {', '.join(known)}")
            chosen += matches
        return list(dict.fromkeys(chosen))

    return parse


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
        print(f"  {scenario.name:37}{'*' if scenario.is_default else ' '}  {scenario.title}")


def without_idle_yardstick(loop_names, scenarios):
    return [name for name in loop_names if name != YARDSTICK or any(scenario.has_yardstick for scenario in scenarios)]


def print_absent(loop_names):
    for name in loop_names:
        if not LOOPS[name].is_available():
            is_yardstick = name == YARDSTICK
            reason = native_programs.explanation("limit_server") if is_yardstick else f"it is not installed: {LOOPS[name].how_to_get}"
            print(f"{name} skipped, {reason}", file=sys.stderr)


def without_broken_peers(loop_names):
    """Leave out, with a line, what is installed and does not run here: wheels can need a newer kernel or C library."""
    reasons = {name: reason_not_to_start(name) for name in loop_names if name in PEERS}
    for name, reason in reasons.items():
        if reason:
            print(f"{name} skipped, it does not start: {reason}", file=sys.stderr)
    return [name for name in loop_names if not reasons.get(name)]


def print_client():
    if native_programs.program("load_client") is None:
        reason = native_programs.explanation("load_client")
        print(f"the load client in C is skipped, {reason}. The one in Python may limit throughput and latency", file=sys.stderr)


def measure(loop_names, scenarios, arguments):
    if arguments.turns:
        return measure_turns(loop_names, scenarios, arguments)
    children = sum(len(measurable(loop_names, scenario)) for scenario in scenarios)
    with progress(children * arguments.rounds) as step:

        def on_step(round_number, scenario, loop_name):
            step(f"round {round_number + 1} of {arguments.rounds}: {loop_name}, {scenario.title}")

        return measure_all(loop_names, scenarios, arguments.rounds, is_quick=arguments.quick, on_step=on_step)


def measure_turns(loop_names, scenarios, arguments):
    with progress(len(scenarios) * arguments.rounds) as step:

        def on_step(round_number, scenario):
            step(f"round {round_number + 1} of {arguments.rounds}: {scenario.title}")

        return measure_in_turns(
            loop_names, scenarios, arguments.rounds, arguments.turns, is_quick=arguments.quick, on_step=on_step
        )


def save(results, arguments):
    if arguments.json:
        results.save(arguments.json)
    if arguments.plot:
        plot.save_plot(results, arguments.plot)


if __name__ == "__main__":
    sys.exit(main())
