"""Says what a build lacks, all at once: Python 3.11, venv, make, a C compiler, Python's headers.

The Makefile runs it with the Python that it will use, which may be too old for fastloop. setup.py asks missing() before it compiles.
"""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile

PYTHON = "python{}.{}".format(*sys.version_info)
PLATFORMS = ("Debian, Ubuntu", "Fedora", "Alpine", "macOS")
COMPILER = ("apt install gcc libc6-dev", "dnf install gcc", "apk add gcc musl-dev", "xcode-select --install")
HEADERS = (f"apt install {PYTHON}-dev", "dnf install python3-devel", "apk add python3-dev", "brew install python")
VENV = (f"apt install {PYTHON}-venv", "dnf install python3", "apk add python3", "brew install python")
MAKE = ("apt install make", "dnf install make", "apk add make", "xcode-select --install")
NEWER = ("apt install python3 python3-dev python3-venv", "dnf install python3-devel", "apk add python3-dev", "brew install python")


def compiles(compiler, source, include):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "probe.c")
        with open(path, "w") as file:
            file.write(source)
        command = [*compiler, "-I" + include, "-c", path, "-o", os.path.join(folder, "probe.o")]
        try:
            return subprocess.call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
        except OSError:
            return False


def missing():
    """Return [(what, its commands in the order of PLATFORMS)] for what compiling needs: a compiler and Python's headers."""
    # The compiler that setuptools will use.
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    include = sysconfig.get_path("include")
    found = []
    has_compiler = compiles(compiler, "#include <stdio.h>\n", include)
    if not has_compiler:
        found.append((f"a working C compiler (tried {compiler[0]})", COMPILER))
    has_headers = os.path.exists(os.path.join(include, "Python.h"))
    if not (compiles(compiler, "#include <Python.h>\n", include) if has_compiler else has_headers):
        found.append((f"the C headers of {PYTHON} (Python.h)", HEADERS))
    return found


def missing_for_make():
    if sys.version_info < (3, 11):  # noqa: UP036
        return [(f"Python 3.11 or later ({sys.executable} is {PYTHON}; choose one with make PYTHON=python3.x)", NEWER)]
    found = missing()
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        found.append(("Python's venv module", VENV))
    if not shutil.which(os.environ.get("MAKE", "make").split()[0]):
        found.append(("make", MAKE))
    return found


def explain(found):
    """Return what is missing, and for each platform one line that installs it."""
    lines = ["fastloop cannot be built, because something is missing:", *(f"  - {what}" for what, _ in found), "Install it with"]
    for number, platform in enumerate(PLATFORMS):
        lines.append(f"  {platform + ':':16}{joined([commands[number] for _, commands in found])}")
    return "\n".join(lines)


def joined(commands):
    """Return the commands as one: "apt install a" and "apt install b" are "apt install a b"."""
    packages = {}
    for command in commands:
        # xcode-select has an option in the place of packages.
        program, verb, *names = command.split()
        packages.setdefault((program, verb), []).extend(names)
    return " && ".join(" ".join([*command, *dict.fromkeys(names)]) for command, names in packages.items())


if __name__ == "__main__":
    found = missing_for_make()
    if found:
        sys.exit(explain(found))
