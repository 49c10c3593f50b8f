"""The types in fastloop/__init__.pyi: strict enough for `mypy --strict`, and true to the package.

mypy runs in an empty folder, so that it finds the fastloop that is installed. Without mypy, what needs it is skipped.
"""

import asyncio
import importlib.util
import inspect
import re
from pathlib import Path

import pytest

from actors.programs import run_python

TYPING = Path(__file__).resolve().parent / "typing"
PROGRAMS = sorted(TYPING.glob("*.py"))

needs_mypy = pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")


def strict_mypy(folder, *args):
    command = ["-m", "mypy", "--strict", "--config-file=", "--cache-dir", folder / "cache", *args]
    return run_python(*command, folder=folder, time_limit_s=600)


@needs_mypy
def test_the_stub_passes_strict_mypy(tmp_path):
    done = strict_mypy(tmp_path, "--module", "fastloop")
    assert done.returncode == 0, done.stdout + done.stderr


@needs_mypy
def test_programs_pass_strict_mypy_with_either_import(tmp_path):
    done = strict_mypy(tmp_path, *PROGRAMS)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_the_programs_run(program, tmp_path):
    done = run_python("-W", "error", program, folder=tmp_path)
    assert done.returncode == 0 and done.stderr == "", done.stderr


def names_unknown_to_mypy(folder, module, names):
    program = folder / f"names_of_{module}.py"
    program.write_text(f"import {module}\n" + "".join(f"{module}.{name}\n" for name in [*names, "no_such_name"]))
    unknown = set(re.findall(r'attribute "(\w+)"', strict_mypy(folder, program).stdout))
    assert "no_such_name" in unknown
    return unknown - {"no_such_name"}


@needs_mypy
def test_every_name_that_fastloop_and_asyncio_have_type_checks_on_fastloop(tmp_path):
    import fastloop

    asyncios = [name for name in asyncio.__all__ if not name.startswith("_")]
    unknown = names_unknown_to_mypy(tmp_path, "fastloop", [*asyncios, *fastloop.__all__])
    # mypy may be older than this Python.
    too_new = names_unknown_to_mypy(tmp_path, "asyncio", asyncios)
    assert unknown - too_new == set()


@needs_mypy
def test_stubtest_finds_the_stub_true(tmp_path):
    allowlist, config = TYPING / "stubtest_allowlist.txt", TYPING.parents[1] / "pyproject.toml"
    command = ["-m", "mypy.stubtest", "fastloop", "--allowlist", allowlist, "--mypy-config-file", config]
    done = run_python(*command, folder=tmp_path, time_limit_s=600)
    assert done.returncode == 0, done.stdout + done.stderr


# The stub takes these classes' methods from asyncio, so stubtest does not look at them.


def parameters_of(method):
    """Name and "may be left out" of each parameter but self; None if Python cannot tell."""
    try:
        parameters = list(inspect.signature(method).parameters.values())[1:]
    except ValueError:
        return None
    return [(parameter.name, parameter.default is not parameter.empty) for parameter in parameters]


@pytest.mark.fastloop_only
@pytest.mark.parametrize("class_name", ["EventLoop", "Future", "Task", "Handle", "TimerHandle"])
def test_public_methods_take_the_arguments_that_asyncios_take(implementation, class_name):
    own = getattr(implementation, class_name)
    asyncios = asyncio.SelectorEventLoop if class_name == "EventLoop" else getattr(asyncio, class_name)
    names = [name for name in dir(asyncios) if not name.startswith("_") and callable(getattr(asyncios, name))]
    expected = {name: parameters_of(getattr(asyncios, name)) for name in names}
    found = {name: parameters_of(getattr(own, name)) for name in names}
    # create_task() passes on every keyword, also those that this Python does not take.
    differing = {name for name in names if expected[name] is not None and found[name] != expected[name]} - {"create_task"}
    assert differing == set()
