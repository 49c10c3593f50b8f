"""The C programs of programs/, compiled when they are first needed.

Owns: the choice of the compiler ($CC alone if it is set), and a folder of this user for the results. A program is compiled once for
each state of its sources, and once more for TLS, with the OpenSSL that openssl.py finds.
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

from benchmarks import Failure, openssl

PROGRAMS = pathlib.Path(__file__).with_name("programs")
FLAGS = ("-O2", "-std=gnu11")
NEEDS_EPOLL = {"limit_server"}


@functools.cache
def path_of(name, is_tls=False):
    """Return the path of the compiled programs/NAME.c. Failure, with the reason, if it cannot be compiled."""
    if name in NEEDS_EPOLL and sys.platform != "linux":
        raise Failure("it needs Linux (epoll)")
    command = [*_compiler(), *FLAGS]
    libraries = ["-DWITH_TLS", *openssl.link_flags()] if is_tls else []
    sources = [PROGRAMS / f"{name}.c", *sorted(PROGRAMS.glob("*.h"))]
    state = hashlib.sha256(repr([command, libraries]).encode())
    for source in sources:
        state.update(source.read_bytes())
    try:
        target = _folder() / f"{name}-{state.hexdigest()[:16]}"
        if not target.exists():
            _compile([*command, str(sources[0]), *libraries], target)
    except (OSError, subprocess.CalledProcessError) as error:
        output = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        # A fault in a header comes after the files that include it.
        reason = next((line for line in output if "error" in line), output[0])
        hint = f" ({openssl.HOW_TO_GET})" if is_tls else ""
        raise Failure(f"{name}.c could not be compiled{hint}: {reason}") from None
    return str(target)


def _compiler():
    """The compiler's command. setuptools' choice comes before what is called cc here."""
    chosen = os.environ.get("CC")
    candidates = [chosen] if chosen else [sysconfig.get_config_var("CC") or "cc", "cc", "gcc", "clang"]
    for command in map(shlex.split, candidates):
        if shutil.which(command[0]):
            return command
    raise Failure("a C compiler is needed (Debian and Ubuntu: apt install gcc libc6-dev; macOS: xcode-select --install)")


def _folder():
    folder = pathlib.Path(tempfile.gettempdir()) / f"fastloop-benchmarks-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    # Anybody may make a folder there, but only programs from one's own are run.
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise PermissionError(f"{folder} can be written by others")
    return folder


def _compile(command, target):
    # Under another name first, so that a run at the same time finds the whole program or none.
    unfinished = target.with_name(f"{target.name}.{os.getpid()}")
    subprocess.run([*command, "-o", str(unfinished)], check=True, capture_output=True, text=True)
    unfinished.replace(target)
