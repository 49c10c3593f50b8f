"""Run the test suites of libraries on fastloop, and compare with asyncio's loop.

    python tests/third_party/suites/run.py --fastloop WHEEL anyio websockets aiohttp asyncssh aiosmtpd

For each library: pip downloads the sdist and installs the library of that version, with what its tests need, into a virtual
environment of its own. Its tests run on asyncio's loop and on fastloop's. What fails on fastloop only runs once more, by itself, on
both loops; what fails there again and passes on asyncio's is a difference, and with a difference the exit status is 1.

Everything is kept in a folder, so that the next run only tests: asyncio's outcomes too, which depend on nothing but the library
and the Python. The interpreter that runs this script is the one that runs the tests.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from shutil import rmtree

from suites import SUITES

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
TEST_LIMIT_S = 60
# A suite in which nothing happens for so long is given up: outside of a test there is no other limit.
SILENCE_LIMIT_S = 200


class Unavailable(Exception):
    """A suite cannot be run here; the text says why."""


def run(command, **arguments):
    done = subprocess.run([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **arguments)
    if done.returncode:
        raise Unavailable(f"{' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


# The sources, the libraries, and what the tests need


def unpack(archive, target):
    """Unpack an archive that holds one folder, and move that folder to target."""
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        with tarfile.open(archive) as files:
            # Older patch releases of Python 3.11 know no filters.
            files.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
        (unpacked,) = Path(folder).iterdir()
        unpacked.rename(target)


def version_of(archive_name):
    """Return the version in the name of an sdist or of a Debian source archive."""
    return re.search(r"[-_](\d+(\.\w+)*?)([+~]\w+)?(\.orig)?\.tar\.\w+$", archive_name)[1]


def has_tests(tree, suite):
    return any(path for folder in suite.tests for path in (tree / folder).rglob("test_*.py"))


def download(name, suite, folder):
    """Return an archive of the sources of the library."""
    with tempfile.TemporaryDirectory(dir=folder) as target:
        if suite.debian_source is None:
            run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", name, "--dest", target, name])
            pattern = "*.tar.gz"
        else:
            # Where apt knows sources ("deb-src"); elsewhere a person puts the tree in place.
            run(["apt-get", "--quiet", "source", "--download-only", suite.debian_source], cwd=target)
            pattern = "*.orig.tar.*"
        (archive,) = [path for path in Path(target).glob(pattern) if path.suffix != ".asc"]
        return archive.rename(folder / archive.name)


def source_tree(name, suite, folder):
    """Return the unpacked sources with the tests, and their version."""
    trees = sorted(folder.glob(f"{name}-*/"))
    if not trees:
        try:
            archive = download(name, suite, folder)
        except (Unavailable, OSError) as error:
            raise Unavailable(f"no sources; unpack them to {folder}/{name}-VERSION by hand, with their tests ({error})") from error
        tree = folder / f"{name}-{version_of(archive.name)}"
        unpack(archive, tree)
        trees = [tree]
    tree = trees[-1]
    if not has_tests(tree, suite):
        raise Unavailable(f"there are no tests in {tree}")
    for hidden in suite.hidden:
        if (tree / hidden).exists():
            rmtree(tree / hidden)
    return tree, tree.name.removeprefix(f"{name}-")


def virtual_environment(name, suite, version, folder):
    """Return the interpreter of a virtual environment with the library and what its tests need."""
    python = folder / "bin" / "python"
    installed = folder / "installed"
    requirements = [f"{name}=={version}", "pytest", "pytest-timeout", *suite.requirements]
    if not installed.exists() or installed.read_text() != repr(requirements):
        run([sys.executable, "-m", "venv", "--clear", folder])
        run([python, "-m", "pip", "install", "--quiet", *requirements])
        installed.write_text(repr(requirements))
    return python


# Running


def run_tests(python, suite, loop, tree, logs, tests=()):
    """Run the tests of the source tree on a loop; return outcomes by test."""
    logs.mkdir(parents=True, exist_ok=True)
    outcomes = logs / "outcomes.jsonl"
    outcomes.unlink(missing_ok=True)
    environment = {**os.environ, "LOOP_UNDER_TEST": loop, "OUTCOMES": str(outcomes), "PYTHONPATH": str(HERE)}
    command = [python, "-m", "pytest", "-p", "chosen_loop", "--rootdir", tree, "-c", suite.configuration or os.devnull]
    command += [*suite.arguments, "-o", f"timeout={TEST_LIMIT_S}", "-p", "no:cacheprovider", "--tb=short", *(tests or suite.tests)]
    with open(logs / "log", "w") as log:
        # A process group of its own, which ends with the run: some tests leave processes behind.
        process = subprocess.Popen(
            [*map(str, command)], cwd=tree, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        try:
            wait_while_it_makes_progress(process, outcomes)
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
    return read_outcomes(outcomes)


def wait_while_it_makes_progress(process, outcomes):
    heard_at, written = time.monotonic(), 0
    while time.monotonic() - heard_at < SILENCE_LIMIT_S:
        try:
            process.wait(5)
            return
        except subprocess.TimeoutExpired:
            size = outcomes.stat().st_size if outcomes.exists() else 0
            if size != written:
                heard_at, written = time.monotonic(), size
    print(f"  given up: no test has ended for {SILENCE_LIMIT_S} s")


def read_outcomes(path):
    """Return outcomes by test; a test that did not end has failed."""
    found = {}
    if path.exists():
        for test, outcome in map(json.loads, path.read_text().splitlines()):
            if found.get(test) != "failed":
                found[test] = outcome
    return {test: "failed" if outcome == "started" else outcome for test, outcome in found.items()}


def failures(outcomes):
    return {test for test, outcome in outcomes.items() if outcome == "failed"}


def summary(outcomes, seconds):
    counts = {kind: sum(outcome == kind for outcome in outcomes.values()) for kind in ("passed", "failed", "skipped")}
    return ", ".join(f"{count} {kind}" for kind, count in counts.items()) + (f" in {seconds:.0f} s" if seconds else "")


def run_and_tell(python, suite, loop, tree, logs):
    started = time.monotonic()
    outcomes = run_tests(python, suite, loop, tree, logs)
    print(f"  {loop}: {summary(outcomes, time.monotonic() - started)}", flush=True)
    if not outcomes:
        raise Unavailable(f"the tests did not start; see {logs / 'log'}")
    return outcomes


def asyncio_outcomes(python, suite, tree, logs):
    """Return asyncio's outcomes: those of an earlier run that got to its end, if there are any."""
    kept = logs / "kept.json"
    if kept.exists():
        outcomes = json.loads(kept.read_text())
        print(f"  asyncio: {summary(outcomes, None)} (from an earlier run)")
        return outcomes
    outcomes = run_and_tell(python, suite, "asyncio", tree, logs)
    kept.write_text(json.dumps(outcomes, indent=0))
    return outcomes


def compare(name, arguments):
    """Run one suite; return the tests that fail on fastloop and pass on asyncio's loop."""
    suite = SUITES[name]
    sources = arguments.folder / "sources"
    sources.mkdir(parents=True, exist_ok=True)
    tree, version = source_tree(name, suite, sources)
    print(f"{name} {version} on Python {VERSION}", flush=True)
    python = virtual_environment(name, suite, version, arguments.folder / "environments" / VERSION / f"{name}-{version}")
    logs = arguments.folder / "logs" / VERSION / name
    if arguments.loop != "fastloop":
        run_and_tell(python, suite, arguments.loop, tree, logs / "asyncio")
        return []
    run([python, "-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall", arguments.fastloop])
    expected = asyncio_outcomes(python, suite, tree, logs / "asyncio")
    outcomes = run_and_tell(python, suite, "fastloop", tree, logs / "fastloop")
    missing = {test for test in expected if test not in outcomes}
    suspects = sorted((failures(outcomes) | missing) - failures(expected))
    if not suspects:
        return []
    again = failures(run_tests(python, suite, "fastloop", tree, logs / "fastloop-again", suspects))
    again_on_asyncio = failures(run_tests(python, suite, "asyncio", tree, logs / "asyncio-again", sorted(again))) if again else set()
    differences = [test for test in suspects if test in again and test not in again_on_asyncio]
    for test in suspects:
        print(f"  {'fails on fastloop only' if test in differences else 'failed once on fastloop, not when repeated'}: {test}")
    print(f"  {len(differences)} differences; logs in {logs}")
    return differences


def main():
    parser = argparse.ArgumentParser(description="Run the test suites of libraries on fastloop, and compare with asyncio's loop.")
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"default: all, {' '.join(SUITES)}")
    parser.add_argument("--loop", choices=("fastloop", "asyncio"), default="fastloop", help="asyncio: only count what fails there")
    parser.add_argument("--fastloop", default=str(REPOSITORY), metavar="WHAT", help="what pip installs: a wheel; default: these sources")
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "build" / "suites", help="where everything is kept")
    arguments = parser.parse_args()
    arguments.folder = arguments.folder.resolve()
    unknown = set(arguments.suites) - set(SUITES)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(SUITES)}")
    # When this process is asked to end, its children end too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    differences = unavailable = 0
    for name in arguments.suites or SUITES:
        try:
            differences += len(compare(name, arguments))
        except Unavailable as error:
            print(f"{name}: skipped: {error}", flush=True)
            unavailable += 1
    sys.exit(1 if differences else 2 if unavailable else 0)


if __name__ == "__main__":
    main()
