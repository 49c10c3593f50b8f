"""Run the programs of examples/libraries, each with the library that it shows, and write docs/compatibility.md.

    python tests/third_party/compatibility.py --fastloop WHEEL [NAME ...]

The libraries are installed in one virtual environment for each Python, in build/compatibility. Outcomes are kept there, too, so that the
page has a column for each Python that has run. A program has failed if its exit status is not 0; 77 says that a server is missing.
"""

import argparse
import ast
import importlib.metadata
import json
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


def version_of(requirement, python):
    library = re.match(r"[\w.-]+", requirement)[0]
    (packages,) = python.parents[1].glob("lib/python3*/site-packages")
    (found,) = importlib.metadata.distributions(name=library, path=[str(packages)])
    return library, found.version


def outcome_of(name, python):
    """Install what the program needs and run it; return its row."""
    required = dependencies(name)
    installed = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--prefer-binary", *required], capture_output=True, text=True, check=False
    )
    if installed.returncode:
        return {"outcome": "cannot be installed", "log": installed.stderr}
    library, version = version_of(required[0], python)
    try:
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        done = subprocess.run([python, f"{name}.py"], cwd=PROGRAMS, env=ENVIRONMENT, timeout=LIMIT_S, **output)
        outcome = {0: "works", MISSING_SERVER: "no server"}.get(done.returncode, "fails")
        log = done.stdout
    except subprocess.TimeoutExpired as hanging:
        outcome, log = "hangs", str(hanging.stdout)
    return {"library": library, "version": version, "outcome": outcome, "log": log}


def write_page():
    columns = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"), key=lambda path: float(path.stem))}
    lines = ["| library | what was tried | " + " | ".join(f"Python {column}" for column in columns) + " |"]
    lines.append("|---" * (len(columns) + 2) + "|")
    for name in programs():
        rows = {column: found.get(name, {"outcome": "not run"}) for column, found in columns.items()}
        library = next((row["library"] for row in rows.values() if "library" in row), name)
        cells = [" ".join(filter(None, (row["outcome"], row.get("version")))) for row in rows.values()]
        lines.append(f"| [{library}](../examples/libraries/{name}.py) | {purpose(name)} | {' | '.join(cells)} |")
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
    record = FOLDER / f"{VERSION}.json"
    found = json.loads(record.read_text()) if record.exists() else {}
    for name in arguments.names or programs():
        found[name] = outcome_of(name, python)
        print(f"{name}: {found[name]['outcome']}", flush=True)
        if found[name]["outcome"] not in ("works", "no server"):
            print(found[name]["log"], flush=True)
        record.write_text(json.dumps(found, indent=1))
    write_page()
    ran = [found[name]["outcome"] for name in arguments.names or programs()]
    sys.exit(any(outcome in ("fails", "hangs") for outcome in ran))


if __name__ == "__main__":
    main()
