"""tests/third_party/suites: other people's tests get the loop that is asked for, and their outcomes are understood.

The suites themselves are not run here: make suites does that.
"""

import json
import os
from pathlib import Path

import pytest

from actors.programs import run_python

SUITES = Path(__file__).resolve().parent / "third_party" / "suites"

TESTS_OF_OTHERS = """
import asyncio
import contextlib
import unittest
import warnings

import pytest

async def name_of_the_loop():
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]

def run_on(loop):
    with contextlib.closing(loop):
        return loop.run_until_complete(name_of_the_loop())

def by_new_event_loop():
    return run_on(asyncio.new_event_loop())

def by_runner():
    with asyncio.Runner() as runner:
        return runner.run(name_of_the_loop())

def by_run():
    return asyncio.run(name_of_the_loop())

def by_class():
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(name_of_the_loop())

def by_policy():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return run_on(asyncio.get_event_loop_policy().new_event_loop())

WAYS = [by_new_event_loop, by_runner, by_run, by_class, *([by_policy] if hasattr(asyncio, "get_event_loop_policy") else [])]

@pytest.mark.parametrize("way", WAYS)
def test_way(way):
    assert way() == LOOP

class Case(unittest.IsolatedAsyncioTestCase):
    async def test_case(self):
        assert await name_of_the_loop() == LOOP
"""


def run_pytest(folder, loop, text):
    """Run a file of tests under the plugin, as run.py does; return the process and what the plugin wrote down."""
    (folder / "test_others.py").write_text(text)
    outcomes = folder / "outcomes.jsonl"
    environment = os.environ | {"PYTHONPATH": str(SUITES), "LOOP_UNDER_TEST": loop, "OUTCOMES": str(outcomes)}
    command = ["-m", "pytest", "-p", "chosen_loop", "-p", "no:cacheprovider", "--rootdir", folder, "-c", os.devnull]
    return run_python(*command, folder=folder, env=environment), outcomes


def ask_run(expression, *arguments):
    """The value of an expression with the functions of run.py, through JSON."""
    program = f"import sys; sys.path.insert(0, {str(SUITES)!r}); import json, run, pathlib; print(json.dumps({expression}))"
    return json.loads(run_python("-P", "-c", program, *arguments, check=True).stdout)


@pytest.mark.parametrize("loop", ["fastloop", "asyncio"])
def test_every_way_to_a_loop_leads_to_the_one_under_test(tmp_path, loop):
    completed, outcomes = run_pytest(tmp_path, loop, f"LOOP = {loop!r}\n{TESTS_OF_OTHERS}")

    assert completed.returncode == 0, completed.stdout + completed.stderr
    found = ask_run("run.read_outcomes(pathlib.Path(sys.argv[1]))", outcomes)
    assert set(found.values()) == {"passed"} and len(found) >= 5


def test_outcome_of_a_test_is_its_worst_and_one_that_does_not_end_has_failed(tmp_path):
    text = (
        "import os, pytest, unittest\n"
        "def test_passes(): pass\n"
        "def test_fails(): assert False\n"
        "def test_is_skipped(): pytest.skip('not here')\n"
        "@pytest.fixture\n"
        "def closing():\n"
        "    yield\n"
        "    assert False\n"
        "def test_fails_at_the_end(closing): pass\n"
        "def test_cannot_begin(unknown): pass\n"
        "def test_ends_the_process(): os._exit(3)\n"
        "def test_is_not_reached(): pass\n"
    )
    completed, outcomes = run_pytest(tmp_path, "asyncio", text)

    assert completed.returncode == 3
    found = ask_run("run.read_outcomes(pathlib.Path(sys.argv[1]))", outcomes)
    assert {test.partition("::")[2]: outcome for test, outcome in found.items()} == {
        "test_passes": "passed",
        "test_fails": "failed",
        "test_is_skipped": "skipped",
        "test_fails_at_the_end": "failed",
        "test_cannot_begin": "failed",
        "test_ends_the_process": "failed",
    }


@pytest.mark.parametrize(
    "archive, version",
    [
        ("aiohttp-3.14.5.tar.gz", "3.14.5"),
        ("some-name-2.0rc1.tar.gz", "2.0rc1"),
        ("python-websockets_15.0.1.orig.tar.xz", "15.0.1"),
        ("python-name_1.2+dfsg.orig.tar.gz", "1.2"),
    ],
)
def test_version_is_read_off_the_name_of_an_archive(archive, version):
    assert ask_run("run.version_of(sys.argv[1])", archive) == version


def test_unknown_suite_is_refused_with_the_known_ones():
    completed = run_python(SUITES / "run.py", "no-such-suite")
    assert completed.returncode == 2
    assert "anyio" in completed.stderr and "asyncssh" in completed.stderr


def test_suite_without_sources_is_skipped_with_the_reason_and_makes_the_exit_status_2(tmp_path):
    environment = os.environ | {"PATH": str(tmp_path)}
    completed = run_python(SUITES / "run.py", "websockets", "--folder", tmp_path / "suites", env=environment)
    assert completed.returncode == 2, completed.stderr
    assert "websockets: skipped: no sources" in completed.stdout
