"""Runs scenario x loop, each in its own process, loops interleaved round by round.

Promise: one child at a time, so that none disturbs another; the loops take turns at being first. A loop that
fails in a scenario is not asked again. Every process that is started is ended here, with its children.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys

from loops import YARDSTICK
from results import Results

CHILD = pathlib.Path(__file__).with_name("child.py")
TIME_LIMIT_S = 60.0


def measure_all(loop_names, scenarios, rounds, *, is_quick, on_step):
    """Measure and return Results.

    on_step(round_number, scenario, loop_name) is called before each child. KeyboardInterrupt ends the run early;
    the results so far are then in the exception's `results`.
    """
    results = Results(loop_names, scenarios, is_quick=is_quick)
    try:
        for round_number in range(rounds):
            for scenario in scenarios:
                for loop_name in rotated(measurable(loop_names, scenario), round_number):
                    on_step(round_number, scenario, loop_name)
                    if loop_name not in results.scenarios[scenario.name]["failures"]:
                        results.add(scenario.name, loop_name, measure_once(loop_name, scenario.name, is_quick))
    except KeyboardInterrupt as interrupt:
        interrupt.results = results
        raise
    return results


def measurable(loop_names, scenario):
    """The yardstick has a figure where the scenario can use it; elsewhere it is not a failure that it has none."""
    return [name for name in loop_names if name != YARDSTICK or scenario.has_yardstick]


def rotated(names, turns):
    if not names:
        return []
    turns %= len(names)
    return [*names[turns:], *names[:turns]]


def measure_once(loop_name, scenario_name, is_quick):
    """Return the child's answer; a crash or a stall is an answer too: {"failure": reason}."""
    command = [sys.executable, str(CHILD), loop_name, scenario_name, *(["--quick"] if is_quick else [])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0)
    try:
        output, errors = process.communicate(timeout=TIME_LIMIT_S)
    except subprocess.TimeoutExpired:
        return {"failure": f"no end after {TIME_LIMIT_S:.0f} s"}
    finally:
        _end(process)
    try:
        return json.loads(output.splitlines()[-1])
    except (IndexError, ValueError):
        return {"failure": _reason(process.returncode, errors)}


def reason_not_to_start(loop_name):
    """Return why the loop cannot run a coroutine here, None if it can."""
    return measure_once(loop_name, "sleep_zero_one_task", is_quick=True).get("failure")


def _end(process):
    # The child leads a process group of its own: a server that it started ends with it.
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        # macOS answers EPERM for a group in which only zombies are left.
        pass
    process.wait()


def _reason(status, errors):
    if status < 0:
        return f"ended by {signal.Signals(-status).name}"
    last_line = errors.strip().rpartition("\n")[2]
    return last_line or f"exit status {status} without a word"
