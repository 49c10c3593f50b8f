"""The C programs of programs/, compiled when they are first needed.

Owns: the choice of the compiler ($CC alone if it is set), and a folder of this user for the results: a program is
compiled once for each state of its sources.
Promise: without a working compiler there is no exception; program() returns None and explanation() says why.
"""

import functools
import hashlib
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile

PROGRAMS = pathlib.Path(__file__).with_name("programs")
FLAGS = ("-O2", "-std=gnu11")
_ONLY_ON_LINUX = {"limit_server": "epoll"}


def program(name):
    """Return the path of the compiled programs/NAME.c, or None."""
    return _compile(name)[0]


def explanation(name):
    """Say in a line why program(name) is None."""
    return _compile(name)[1]


@functools.cache
def _compile(name):
    """Return (path, "") or (None, reason)."""
    if name in _ONLY_ON_LINUX and sys.platform != "linux":
        return None, f"it needs Linux ({_ONLY_ON_LINUX[name]})"
    compiler = _compiler()
    if compiler is None:
        return None, "it needs a C compiler (Debian and Ubuntu: apt install gcc libc6-dev; macOS: xcode-select --install)"
    sources = [PROGRAMS / f"{name}.c", *sorted(PROGRAMS.glob("*.h"))]
    state = hashlib.sha256(repr(compiler).encode())
    for source in sources:
        state.update(source.read_bytes())
    try:
        target = _folder() / f"{name}-{state.hexdigest()[:16]}"
        if not target.exists():
            _run_compiler(compiler, sources[0], target)
    except (OSError, subprocess.CalledProcessError) as error:
        output = getattr(error, "stderr", "") or str(error)
        return None, f"it could not be compiled: {output.strip().splitlines()[0]}"
    return target, ""


def _compiler():
    """The compiler's command, or None. setuptools' choice comes before what is called cc here."""
    chosen = os.environ.get("CC")
    candidates = [chosen] if chosen else [sysconfig.get_config_var("CC") or "cc", "cc", "gcc", "clang"]
    for candidate in candidates:
        command = shlex.split(candidate)
        if shutil.which(command[0]):
            return command
    return None


def _folder():
    folder = pathlib.Path(tempfile.gettempdir()) / f"fastloop-benchmarks-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    # Anybody may make a folder there: programs are run from one's own only.
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise PermissionError(f"{folder} can be written by others")
    return folder


def _run_compiler(compiler, source, target):
    # Under another name first: a run that is going on at the same time finds the whole program or none.
    unfinished = target.with_name(f"{target.name}.{os.getpid()}")
    command = [*compiler, *FLAGS, str(source), "-o", str(unfinished)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    unfinished.replace(target)
