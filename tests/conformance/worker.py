"""Runs one of CPython's asyncio test modules, or some tests of it, in this process.

    python worker.py MODULE SUBJECT FOLDER

Started by module_run.py. Appends one JSON object per line to FOLDER/events: a "start" and an "end" for every test and one
"finished" at the end, so that the reader knows which test was running if this process dies.
FOLDER/done.json lists the ids of tests that have an outcome already, FOLDER/wanted.json patterns of those to run.
"""

import importlib
import json
import os
import pathlib
import signal
import sys
import time
import unittest

import expectations
import substitution


class EventWriter:
    """Appends events to a file, each in one write, flushed at once."""

    def __init__(self, path):
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC)
        self._pid = os.getpid()

    def write(self, **event):
        # A test may fork: what its child does is not this process's result.
        if os.getpid() == self._pid:
            os.write(self._fd, json.dumps(event).encode() + b"\n")


class StreamingResult(unittest.TestResult):
    """Tells the outcome of every test as soon as it is known."""

    def __init__(self, writer):
        super().__init__()
        self._writer = writer
        self._outcome = "passed"
        self._detail = ""
        self._started_at = 0.0

    def startTest(self, test):
        super().startTest(test)
        self._outcome, self._detail = "passed", ""
        self._started_at = time.monotonic()
        self._writer.write(event="start", test=short_id(test))

    def stopTest(self, test):
        super().stopTest(test)
        self._write_end(short_id(test), time.monotonic() - self._started_at)

    def _write_end(self, test, seconds=0.0):
        self._writer.write(event="end", test=test, outcome=self._outcome, detail=self._detail, seconds=round(seconds, 3))

    def _fail(self, test, error):
        self._detail += self._exc_info_to_string(error, test)
        self._outcome = "failed"
        if not isinstance(test, unittest.TestCase):
            # setUpClass or setUpModule: no test was started.
            self._write_end(short_id(test))

    addError = addFailure = _fail

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self._detail += f"{subtest}\n"
            self._fail(test, error)

    def addSkip(self, test, reason):
        self._outcome, self._detail = "skipped", reason
        if not isinstance(test, unittest.TestCase):
            self._write_end(short_id(test))

    def addUnexpectedSuccess(self, test):
        self._outcome, self._detail = "failed", "unexpected success"


def short_id(test):
    return test.id().replace("test.test_asyncio.", "")


def flatten(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


def load_suite(module, done, wanted, writer):
    """Return the tests of module to run, in their usual order, and tell of those that are excluded by name."""
    excluding = expectations.Expectations(expectations.default_path())
    suite = unittest.TestSuite()
    for test in flatten(unittest.defaultTestLoader.loadTestsFromModule(module)):
        test_id = short_id(test)
        if test_id in done or not expectations.is_wanted(test_id, wanted):
            continue
        if exclusion := excluding.exclusion_of(test_id):
            writer.write(event="end", test=test_id, outcome="excluded", detail=exclusion.reason, seconds=0.0)
        else:
            suite.addTest(test)
    return suite


def quieten_test_support():
    from test import support

    support.verbose = 0


def report_unraisable_exceptions(writer):
    def hook(unraisable):
        writer.write(event="unraisable", detail=f"{unraisable.exc_type.__name__}: {unraisable.exc_value} in {unraisable.object!r}")
        sys.__unraisablehook__(unraisable)

    sys.unraisablehook = hook


def main(module_name, subject_name, folder):
    folder = pathlib.Path(folder)
    writer = EventWriter(folder / "events")
    subject = substitution.subject_named(subject_name)
    substitution.install(subject)
    # A shell's background job starts with SIGINT ignored; the tests of Ctrl-C need it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    quieten_test_support()
    report_unraisable_exceptions(writer)
    try:
        module = importlib.import_module(f"test.test_asyncio.{module_name}")
    except unittest.SkipTest as reason:
        writer.write(event="end", test=module_name, outcome="skipped", detail=str(reason), seconds=0.0)
    else:
        import adaptations

        adaptations.adapt(module, subject)
        done = set(json.loads((folder / "done.json").read_text()))
        wanted = json.loads((folder / "wanted.json").read_text())
        load_suite(module, done, wanted, writer).run(StreamingResult(writer))
    writer.write(event="finished", loops=subject.loops_made, other_loops=subject.other_loops_made)


if __name__ == "__main__":
    main(*sys.argv[1:])
