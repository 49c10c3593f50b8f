"""Runs one test module in worker processes until every test of it has an outcome.

A worker that dies or stops making progress costs the test that it was running. A new worker runs the rest.
"""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

WORKER = pathlib.Path(__file__).with_name("worker.py")
# A worker that crashes this often will not get better.
MAX_WORKERS_PER_MODULE = 25

# Each worker has its own session, so only this process will end it.
_running_workers = set()


@dataclasses.dataclass
class TestOutcome:
    test: str
    # "passed", "failed", "skipped" (by CPython's own conditions) or "excluded" (by name)
    outcome: str
    detail: str = ""
    seconds: float = 0.0


@dataclasses.dataclass
class ModuleResult:
    module: str
    outcomes: dict = dataclasses.field(default_factory=dict)
    loops: int = 0
    other_loops: int = 0
    unraisable: list = dataclasses.field(default_factory=list)
    seconds: float = 0.0

    def add(self, outcome):
        # A class or module fixture may fail beside a test of the same name: failure wins.
        earlier = self.outcomes.get(outcome.test)
        if earlier is None or earlier.outcome != "failed":
            self.outcomes[outcome.test] = outcome


def run_module(module, subject, stall_timeout_s, wanted=()):
    """Run module's tests (or only those that a pattern in wanted names) on subject and return a ModuleResult."""
    result = ModuleResult(module)
    started_at = time.monotonic()
    for _ in range(MAX_WORKERS_PER_MODULE):
        if _run_worker(result, subject, stall_timeout_s, wanted):
            break
    else:
        result.add(TestOutcome(f"{module}.(workers)", "failed", f"gave up after {MAX_WORKERS_PER_MODULE} crashed workers"))
    result.seconds = time.monotonic() - started_at
    return result


def kill_running_workers():
    """End what run_module() started, from a signal handler."""
    for process in list(_running_workers):
        _kill_session(process)


def _run_worker(result, subject, stall_timeout_s, wanted):
    """Run what has no outcome yet in one worker. Return True when nothing is left to run."""
    with tempfile.TemporaryDirectory(prefix="conformance-", ignore_cleanup_errors=True) as folder:
        folder = pathlib.Path(folder)
        events, log = folder / "events", folder / "log"
        events.touch()
        (folder / "done.json").write_text(json.dumps(list(result.outcomes)))
        (folder / "wanted.json").write_text(json.dumps(list(wanted)))
        working_directory = folder / "cwd"
        working_directory.mkdir()
        command = [sys.executable, "-X", "faulthandler", WORKER, result.module, subject, folder]
        with open(log, "wb") as log_file:
            process = subprocess.Popen(
                command, cwd=working_directory, stdin=subprocess.DEVNULL, stdout=log_file, stderr=subprocess.STDOUT, start_new_session=True
            )
            _running_workers.add(process)
            is_stalled = _wait_while_it_progresses(process, events, stall_timeout_s)
            _kill_session(process)
            _running_workers.discard(process)
        running, is_finished = _read_events(result, events)
        if is_finished and process.returncode == 0:
            return True
        what = _description_of_end(process.returncode, is_stalled, stall_timeout_s)
        where = running or f"{result.module}.({'exit' if is_finished else 'start'})"
        result.add(TestOutcome(where, "failed", f"{what}\n{_tail(log)}"))
        return is_finished or running is None


def _wait_while_it_progresses(process, events, stall_timeout_s):
    """Wait for process; return True if it was still there after writing no event for stall_timeout_s."""
    size, changed_at = -1, time.monotonic()
    while True:
        try:
            process.wait(timeout=0.05)
            return False
        except subprocess.TimeoutExpired:
            pass
        if (new_size := events.stat().st_size) != size:
            size, changed_at = new_size, time.monotonic()
        elif time.monotonic() - changed_at > stall_timeout_s:
            # faulthandler prints where every thread is.
            process.send_signal(signal.SIGABRT)
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            return True


def _kill_session(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _read_events(result, events):
    """Add what events tell to result; return the test that was running and whether the module came to its end."""
    running, is_finished = None, False
    for line in events.read_text().splitlines():
        event = json.loads(line)
        kind = event.pop("event")
        if kind == "start":
            running = event["test"]
        elif kind == "end":
            result.add(TestOutcome(**event))
            running = None
        elif kind == "unraisable":
            result.unraisable.append(f"{running}: {event['detail']}")
        elif kind == "finished":
            is_finished = True
            result.loops += event["loops"]
            result.other_loops += event["other_loops"]
    return running, is_finished


def _description_of_end(return_code, is_stalled, stall_timeout_s):
    if is_stalled:
        return f"no progress for {stall_timeout_s} s: killed"
    if return_code < 0:
        return f"the process died of {signal.Signals(-return_code).name}"
    return f"the process ended with status {return_code}"


def _tail(log, lines=60):
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
