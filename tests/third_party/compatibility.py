"""Run the programs of examples/libraries, each with the library that it shows, and write docs/compatibility.md.

    python tests/third_party/compatibility.py --fastloop WHEEL [NAME ...]

The libraries are installed in one virtual environment for each Python, in build/compatibility. The page has a column for each Python that
has run; a run replaces only what it tried. A program has failed if its exit status is not 0; 77 says that a server is missing.
"""

import argparse
import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAMS = REPOSITORY / "examples" / "libraries"
PAGE = REPOSITORY / "docs" / "compatibility.md"
FOLDER = REPOSITORY / "build" / "compatibility"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
LIMIT_S = 120
MISSING_SERVER = 77
# Each program loads the one plugin of pytest that it shows, whatever else is installed.
ENVIRONMENT = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
NOT_PROGRAMS = {"checks"}

INTRODUCTION = """\
# Libraries and tools that were tried

Each row is a small program in [examples/libraries](../examples/libraries) that uses a library as its own documentation does, on fastloop.
`make compatibility` runs them all and writes this page. The [third-party tests](../tests/third_party) go further with a dozen of these
libraries, and `make suites` runs the libraries' own tests.
"""


def programs():
    return sorted(path.stem for path in PROGRAMS.glob("*.py") if path.stem not in NOT_PROGRAMS)


def dependencies(name):
    """Return what the program's inline metadata asks for."""
    source = (PROGRAMS / f"{name}.py").read_text()
    block = re.match(r"# /// script\n((?:#.*\n)+?)# ///\n", source)
    return tomllib.loads(re.sub(r"^# ?", "", block[1], flags=re.MULTILINE))["dependencies"]


def purpose(name):
    return ast.get_docstring(ast.parse((PROGRAMS / f"{name}.py").read_text()))


def environment(fastloop):
    """Return the Python of the virtual environment that the programs share, with this build of fastloop."""
    folder = FOLDER / VERSION
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall", fastloop], check=True)
    return python


def library_of(requirement):
    return re.match(r"[\w.-]+", requirement)[0]


def version_of(library, python):
    (packages,) = python.parents[1].glob("lib/python3*/site-packages")
    (found,) = importlib.metadata.distributions(name=library, path=[str(packages)])
    return found.version


def outcome_of(name, python):
    """Install what the program needs and run it; return the outcome, the library's version and what was printed."""
    required = dependencies(name)
    installed = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--prefer-binary", *required], capture_output=True, text=True, check=False
    )
    if installed.returncode:
        return "cannot be installed", "", installed.stderr
    version = version_of(library_of(required[0]), python)
    try:
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        done = subprocess.run([python, f"{name}.py"], cwd=PROGRAMS, env=ENVIRONMENT, timeout=LIMIT_S, **output)
        return {0: "works", MISSING_SERVER: "no server"}.get(done.returncode, "fails"), version, done.stdout
    except subprocess.TimeoutExpired as hanging:
        return "hangs", version, str(hanging.stdout)


def cells_of_page():
    """Return what the page says now: {(program, Python): outcome and version}."""
    header, *rows = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    pythons = [column.removeprefix("Python ") for column in header[2:]]
    return {(Path(row[0].rstrip(")")).stem, python): cell for row in rows for python, cell in zip(pythons, row[2:])}


def write_page(cells):
    pythons = sorted({python for _, python in cells}, key=lambda python: [int(part) for part in python.split(".")])
    lines = ["| library | what was tried | " + " | ".join(f"Python {python}" for python in pythons) + " |"]
    lines.append("|---" * (len(pythons) + 2) + "|")
    for name in programs():
        outcomes = " | ".join(cells.get((name, python), "not run") for python in pythons)
        lines.append(f"| [{library_of(dependencies(name)[0])}](../examples/libraries/{name}.py) | {purpose(name)} | {outcomes} |")
    PAGE.write_text(INTRODUCTION + "\n" + "\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description="Run the programs of examples/libraries and write docs/compatibility.md.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all programs")
    parser.add_argument("--fastloop", default=str(REPOSITORY), metavar="WHAT", help="what pip installs: a wheel; default: these sources")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(programs())
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(programs())}")
    python = environment(arguments.fastloop)
    cells, has_failed = cells_of_page(), False
    for name in arguments.names or programs():
        outcome, version, log = outcome_of(name, python)
        print(f"{name}: {outcome}", flush=True)
        if outcome not in ("works", "no server"):
            print(log, flush=True)
        has_failed |= outcome in ("fails", "hangs")
        cells[name, VERSION] = f"{outcome} {version}".strip()
        write_page(cells)
    sys.exit(has_failed)


if __name__ == "__main__":
    main()
