"""Says in one line what a build lacks: Python, venv, a C compiler or Python's headers.

The Makefile runs it with the Python that it will use, which may be too old for fastloop.
"""

import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile


def fail(missing, debian, macos):
    sys.exit(f"{missing}. Debian and Ubuntu: {debian}. macOS: {macos}.")


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


python = "python{}.{}".format(*sys.version_info)
if sys.version_info < (3, 11):  # noqa: UP036
    fail(
        f"fastloop needs Python 3.11 or later, and {sys.executable} is {python}; choose one with make PYTHON=python3.x",
        "apt install python3 python3-venv python3-dev",
        "brew install python",
    )
try:
    import ensurepip  # noqa: F401
    import venv  # noqa: F401
except ImportError:
    fail("Python's venv module is missing", f"apt install {python}-venv", "brew install python")

# The compiler that setuptools will use.
compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
include = sysconfig.get_path("include")
if not compiles(compiler, "#include <stdio.h>\n", include):
    fail(f"No working C compiler (tried {compiler[0]})", "apt install gcc libc6-dev", "xcode-select --install")
if not compiles(compiler, "#include <Python.h>\n", include):
    fail("Python's C headers are missing", f"apt install {python}-dev", "brew install python")
