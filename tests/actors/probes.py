"""C that tests compile and call: the inline functions of fastloop's headers under names that a shared library can export."""

import os
import shlex
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "fastloop"


def find_compiler():
    for command in (os.environ.get("CC"), sysconfig.get_config_var("CC"), "cc", "gcc", "clang"):
        if command and shutil.which(shlex.split(command)[0]):
            return shlex.split(command)
    pytest.skip("tests of C headers need a C compiler: none of $CC, Python's own, cc, gcc, clang was found")


def compile_probe(library, source, options=()):
    """Make the shared library from a C file. It finds the headers of the package that is named like its folder, and Python's."""
    flags = ["-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    includes = [f"-I{PACKAGE / source.parent.name}", f"-I{sysconfig.get_path('include')}"]
    command = [*find_compiler(), *flags, *options, *includes, str(source), "-o", str(library)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, f"{shlex.join(command)}\n{result.stderr}"
