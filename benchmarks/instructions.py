"""CPU instructions per operation, counted by valgrind: instructions SCENARIO ... [--loops A,B].

Each scenario runs with a few and with many operations; the difference of the two counts is divided by the difference of the
operations, so that the start of the interpreter is not in it. Counts hardly vary from run to run, where times do: a change of one
percent shows. They say nothing about caches, system calls or waiting. Instructions of all threads count, those of the kernel do not.
Exit status: 0; 1 if a count could not be had; 2 for a bad command line or without valgrind.
"""

import argparse
import os
import re
import shutil
import subprocess

from benchmarks import Failure
from benchmarks.layout import format_table, terminal_width
from benchmarks.loops import LOOPS, SUBJECT, YARDSTICK
from benchmarks.names import names_of
from benchmarks.processes import python_command
from benchmarks.progress import progress
from benchmarks.report import UNMEASURED
from benchmarks.scenarios import SCENARIOS

FEW, MANY = 3_000, 13_000
COUNTED = {name: scenario for name, scenario in SCENARIOS.items() if scenario.body}
VALGRIND = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
# One order of the sets and dicts for all runs.
ENVIRONMENT = {"PYTHONHASHSEED": "0"}
TIME_LIMIT_S = 600.0


def main(arguments):
    options = parse(arguments)
    failures, rows = {}, []
    with progress(len(options.scenarios) * len(options.loops)) as on_step:
        for scenario in options.scenarios:
            cells = [COUNTED[scenario].title]
            for loop in options.loops:
                on_step(f"{loop}, {COUNTED[scenario].title}")
                try:
                    cells.append(f"{instructions_per_operation(loop, scenario):,.0f}")
                except (Failure, subprocess.TimeoutExpired) as failure:
                    failures[scenario, loop] = failure
                    cells.append(UNMEASURED)
            rows.append(cells)
    print(format_table(["", *options.loops], rows, {}, width=terminal_width()))
    print("Instructions per operation; lower is better.")
    for (scenario, loop), failure in failures.items():
        print(f"{loop}, {scenario}: {failure}")
    return int(bool(failures))


def parse(arguments):
    parser = argparse.ArgumentParser(prog="instructions", description="Count CPU instructions per operation with valgrind.")
    parser.add_argument("scenarios", nargs="+", type=names_of(COUNTED), metavar="SCENARIO", help="* for any letters")
    parser.add_argument("--loops", type=names_of(LOOPS), default=[SUBJECT, "asyncio"], metavar="A,B,...", help="default: %(default)s")
    options = parser.parse_args(arguments)
    options.scenarios = [name for names in options.scenarios for name in names]
    if shutil.which("valgrind") is None:
        parser.error("it needs valgrind (Debian and Ubuntu: apt install valgrind)")
    if YARDSTICK in options.loops:
        parser.error(f"{YARDSTICK} is not a loop: it cannot run these scenarios")
    for loop in options.loops:
        if reason := LOOPS[loop].reason_for_absence():
            parser.error(f"{loop}: {reason}")
    return options


def instructions_per_operation(loop_name, scenario_name):
    few, many = (_count(loop_name, scenario_name, operations) for operations in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def _count(loop_name, scenario_name, operations):
    command = [*VALGRIND, *python_command("alone", loop_name, scenario_name, "--operations", operations)]
    environment = os.environ | ENVIRONMENT
    completed = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT_S, env=environment)
    total = re.search(r"Collected : (\d+)", completed.stderr)
    if completed.stdout or completed.returncode != 0 or total is None:
        raise Failure((completed.stdout or completed.stderr).strip().rpartition("\n")[2])
    return int(total[1])
