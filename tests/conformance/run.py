#!/usr/bin/env python3
"""Runs CPython's own asyncio tests, those of the running interpreter, on the installed fastloop.

    python tests/conformance/run.py [--loop asyncio] [--json FILE] [--strict] [-v] [pattern ...]

Every module of test.test_asyncio runs in a process of its own, two at a time. A test that fails is tried once more by itself, and
then on asyncio's own loop: what fails there too says nothing about fastloop. What remains must be in known_differences.toml.
Exit status: 0 if nothing unlisted failed, 1 otherwise.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import platform
import signal
import sys
import time

import expectations
from module_run import kill_running_workers, run_module

# Those that take longest start first, so that no long one is left alone at the end.
LONGEST_FIRST = ("test_tasks", "test_ssl", "test_taskgroups", "test_subprocess", "test_sock_lowlevel", "test_events", "test_streams")
COUNTED = ("passed", "skipped", "excluded", "known", "fails on asyncio too", "unstable", "failed")


def test_modules():
    """Return the names of the running Python's asyncio test modules, in the order to start them."""
    try:
        import test.test_asyncio as package
    except ImportError:
        raise SystemExit("conformance: this Python has no test package (on Debian: libpythonX.Y-testsuite)") from None
    names = sorted(path.stem for path in pathlib.Path(package.__path__[0]).glob("test_*.py"))
    return sorted(names, key=lambda name: LONGEST_FIRST.index(name) if name in LONGEST_FIRST else len(names))


def modules_wanted(patterns):
    """Leave out the modules in which no test can match patterns, so that they need not be started."""
    names = test_modules()
    in_names = [pattern for pattern in patterns if pattern.startswith("test_") and pattern.partition(".")[0] in names]
    if not patterns or len(in_names) < len(patterns):
        return names
    return [name for name in names if any(pattern.partition(".")[0] == name for pattern in in_names)]


@dataclasses.dataclass
class Verdict:
    """The final verdict on one test: one of COUNTED."""

    test: str
    verdict: str
    detail: str
    seconds: float


class ConformanceRun:
    def __init__(self, options):
        self.options = options
        self.expectations = expectations.Expectations(expectations.default_path())
        self.modules = []
        self.verdicts = []
        self.complaints = []

    def run(self):
        self._run_all_modules()
        suspects = [verdict for verdict in self.verdicts if verdict.verdict == "failed"]
        if suspects:
            print(f"\ntrying {len(suspects)} failed tests again, by themselves and on asyncio's own loop", flush=True)
            self._try_again(suspects, self.options.loop, "unstable")
            if self.options.loop != "asyncio":
                still_failing = [verdict for verdict in suspects if verdict.verdict == "failed"]
                self._try_again(still_failing, "asyncio", "fails on asyncio too", expected_outcome="failed")
        self._complain_about_differences_that_pass()

    def _run_all_modules(self):
        names = modules_wanted(self.options.patterns)
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool:
            runs = [pool.submit(run_module, name, self.options.loop, self.options.stall_timeout, self.options.patterns) for name in names]
            for run in concurrent.futures.as_completed(runs):
                self._take(run.result())

    def _take(self, module_result):
        self.modules.append(module_result)
        verdicts = [self._judge(outcome) for outcome in module_result.outcomes.values()]
        self.verdicts += verdicts
        needs_loop = any(verdict.verdict == "passed" for verdict in verdicts) and not self.options.patterns
        if needs_loop and not module_result.loops and not self.expectations.needs_no_loop(module_result.module):
            self.complaints.append(f"{module_result.module} made no loop of the kind under test")
        self._print_module(module_result, verdicts)

    def _judge(self, outcome):
        verdict = outcome.outcome
        difference = self.expectations.difference_of(outcome.test)
        if verdict == "failed" and difference is not None:
            verdict = "known"
        return Verdict(outcome.test, verdict, outcome.detail, outcome.seconds)

    def _print_module(self, module_result, verdicts):
        counts = " ".join(f"{kind} {count}" for kind, count in count_by_kind(verdicts).items() if count)
        loops = f"loops {module_result.loops}"
        if module_result.other_loops:
            loops += f"+{module_result.other_loops} others"
        print(f"  {module_result.module:<28}{counts:<52} {loops:<22}{module_result.seconds:6.1f} s", flush=True)
        for verdict in verdicts:
            if verdict.verdict == "failed" or self.options.verbose:
                print(f"      {verdict.verdict:<9} {verdict.test}", flush=True)

    def _try_again(self, suspects, loop, new_verdict, expected_outcome="passed"):
        """Run suspects once more on loop; those that end as expected get new_verdict."""
        by_module = {}
        for verdict in suspects:
            by_module.setdefault(verdict.test.partition(".")[0], []).append(verdict)
        for module, verdicts in by_module.items():
            if module not in test_modules():
                continue
            tests = [verdict.test for verdict in verdicts]
            outcomes = run_module(module, loop, self.options.stall_timeout, tests).outcomes
            for verdict in verdicts:
                outcome = outcomes.get(verdict.test)
                if outcome is not None and outcome.outcome == expected_outcome:
                    verdict.verdict = new_verdict

    def _complain_about_differences_that_pass(self):
        for entry in self.expectations.differences:
            matching = [verdict for verdict in self.verdicts if entry.matches(verdict.test)]
            if matching and all(verdict.verdict == "passed" for verdict in matching):
                self.complaints.append(f"listed as a difference, but passes: {', '.join(entry.patterns)}")

    @property
    def failed(self):
        return [verdict for verdict in self.verdicts if verdict.verdict == "failed"]

    def is_success(self):
        unstable = any(verdict.verdict == "unstable" for verdict in self.verdicts)
        return not self.failed and not (self.options.strict and (self.complaints or unstable)) and self.has_loops()

    def has_loops(self):
        return not any("made no loop" in complaint for complaint in self.complaints)


def count_by_kind(verdicts):
    counts = dict.fromkeys(COUNTED, 0)
    for verdict in verdicts:
        counts[verdict.verdict] += 1
    return counts


def print_report(run, seconds):
    for verdict in run.verdicts:
        if verdict.verdict == "failed":
            print(f"\nFAILED {verdict.test}\n{indent(verdict.detail)}")
    for kind in ("unstable", "fails on asyncio too"):
        for verdict in run.verdicts:
            if verdict.verdict == kind:
                print(f"{kind}: {verdict.test}")
    unraisable = [line for module in run.modules for line in module.unraisable]
    for line in unraisable if run.options.verbose else unraisable[:10]:
        print(f"exception that nobody could catch, in {line}")
    for complaint in run.complaints:
        print(f"warning: {complaint}")
    counts = ", ".join(f"{count} {kind}" for kind, count in count_by_kind(run.verdicts).items() if count or kind in ("passed", "failed"))
    loops = sum(module.loops for module in run.modules)
    print(f"\n{len(run.verdicts)} tests: {counts}; {loops} loops of {run.options.loop}; {seconds:.0f} s")


def indent(text):
    return "\n".join(f"    {line}" for line in text.rstrip().splitlines())


def write_json(run, path):
    document = {
        "python": platform.python_version(),
        "loop": run.options.loop,
        "counts": count_by_kind(run.verdicts),
        "tests": [dataclasses.asdict(verdict) for verdict in run.verdicts],
        "complaints": run.complaints,
    }
    pathlib.Path(path).write_text(json.dumps(document, indent=1) + "\n")


def parse_options(arguments):
    parser = argparse.ArgumentParser(description="Run CPython's own asyncio tests on fastloop.")
    parser.add_argument("patterns", nargs="*", metavar="pattern", help="module, class, part of a test's name, or glob")
    parser.add_argument("--loop", default="fastloop", choices=("fastloop", "asyncio"), help="asyncio: the baseline")
    parser.add_argument("--json", metavar="FILE", help="write every test's verdict to FILE")
    parser.add_argument("--strict", action="store_true", help="fail on warnings and unstable tests too")
    parser.add_argument("--jobs", type=int, default=2, help="modules at a time (%(default)s)")
    parser.add_argument("--stall-timeout", type=float, default=90, metavar="S", help="a test that takes longer hangs (%(default)s)")
    parser.add_argument("-v", "--verbose", action="store_true", help="name every test")
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse_options(arguments)
    print(f"CPython {platform.python_version()}'s own asyncio tests on {description_of(options.loop)}", flush=True)
    signal.signal(signal.SIGINT, end_at_once)
    signal.signal(signal.SIGTERM, end_at_once)
    started_at = time.monotonic()
    run = ConformanceRun(options)
    run.run()
    print_report(run, time.monotonic() - started_at)
    if options.json:
        write_json(run, options.json)
    return 0 if run.is_success() else 1


def end_at_once(number, frame):
    kill_running_workers()
    os._exit(128 + number)


def description_of(loop):
    import substitution

    subject = substitution.subject_named(loop)
    return f"{subject.loop_class.__module__}.{subject.loop_class.__qualname__} ({subject.where})"


if __name__ == "__main__":
    sys.exit(main())
