"""Compiles fastloop's C under -Wall -Wextra -Werror. Nothing is linked, and nothing runs.

    compile_strictly.py compilers            with gcc and clang, if both are there: each header by itself, and what Cython makes of fastloop
    compile_strictly.py systems [--package]  with the clang of PyPI's ziglang, against the headers of macOS, FreeBSD, NetBSD and OpenBSD:
                                             each header by itself; with --package, for macOS, what Cython makes of fastloop

The switches of setup.py hold here too. No warning is turned off.
LIMIT: Python.h is this machine's. Its pyconfig.h describes Linux, which hardly matters to what is compiled here.
"""

import argparse
import concurrent.futures
import os
import runpy
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "strict"
FLAGS = ["-Wall", "-Wextra", "-Werror", "-c"]

# Optimised as in setup.py: gcc then also sees variables that may be uninitialized, and bounds that are too large.
COMPILERS = {name: [name, "-O3"] for name in ("gcc", "clang")}

# OpenBSD shows its own names together with the standard's only if asked to. Python's configure asks there, too.
TARGETS = {
    "macOS": ["aarch64-macos"],
    "FreeBSD": ["x86_64-freebsd"],
    "NetBSD": ["x86_64-netbsd"],
    "OpenBSD": ["x86_64-openbsd", "-D_BSD_SOURCE"],
}
SYSTEMS = {name: [sys.executable, "-m", "ziglang", "cc", "-target", *target] for name, target in TARGETS.items()}


def translated_package():
    """The C that Cython makes of the package, and the options that setup.py compiles it with, but for optimisation."""
    sys.argv = ["setup.py", "build_ext"]
    modules = runpy.run_path("setup.py")["extensions"](Path("build"))
    options = [f"-I{folder}" for folder in modules[0].include_dirs]
    options += [f"-D{name}={value}" for name, value in modules[0].define_macros]
    return [source for module in modules for source in module.sources], options


def headers_alone():
    """A C file for each header, and the poller's probe. poller.h alone includes the backends."""
    files = ["tests/poll/poller_probe.c"]
    for header in sorted(Path("fastloop").glob("*/*.h")):
        if not header.name.startswith("poller_"):
            files.append(FOLDER / f"{header.stem}.c")
            files[-1].write_text(f'#include "{header.name}"\n')
    return files


def failure_of(compiler, options, source):
    """What the compiler has against the source, or an empty string."""
    command = [*compiler, *FLAGS, *options, f"-I{sysconfig.get_path('include')}", str(source)]
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        command += ["-o", f"{folder}/made.o"]
        result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode == 0 and not result.stdout:
        return ""
    return f"{result.stdout}{source}: exit status {result.returncode}\n"


def compile_all(name, compiler, options, sources):
    """Print what fails. Return whether nothing does."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as executor:
        failures = [text for text in executor.map(lambda source: failure_of(compiler, options, source), sources) if text]
    print(*failures, f"{name}: {len(sources)} files, {len(failures)} with warnings or errors", sep="\n", flush=True)
    return not failures


def with_compilers():
    present = {name: command for name, command in COMPILERS.items() if shutil.which(name)}
    if not present:
        sys.exit("Neither gcc nor clang was found. Debian, Ubuntu: apt install gcc clang")
    for name in COMPILERS.keys() - present.keys():
        print(f"{name} was not found, and is left out")
    sources, options = translated_package()
    return all([compile_all(name, command, options, [*headers_alone(), *sources]) for name, command in present.items()])


def with_systems(has_package):
    os.environ["ZIG_LOCAL_CACHE_DIR"] = os.environ["ZIG_GLOBAL_CACHE_DIR"] = str(FOLDER / "cache")
    options = [f"-I{folder}" for folder in sorted(Path("fastloop").iterdir()) if folder.is_dir()]
    passed = [compile_all(name, command, options, headers_alone()) for name, command in SYSTEMS.items()]
    if has_package:
        sources, options = translated_package()
        passed.append(compile_all("macOS, the package", SYSTEMS["macOS"], options, sources))
    return all(passed)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("compilers", "systems"))
    parser.add_argument("--package", action="store_true")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    FOLDER.mkdir(parents=True, exist_ok=True)
    sys.exit(0 if (with_compilers() if arguments.what == "compilers" else with_systems(arguments.package)) else 1)


# Where processes are spawned and not forked, Cython's worker processes import this file again.
if __name__ == "__main__":
    main()
