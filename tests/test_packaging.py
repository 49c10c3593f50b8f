"""The package as a user meets it: what the wheel holds, what it asks for, and what a failed build says."""

import importlib
import importlib.machinery
import importlib.metadata
import os
import re
from pathlib import Path

import fastloop
from actors.programs import run_python

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "fastloop"


def refusal(**environment):
    """The one line in which a build says why it cannot begin."""
    outcome = run_python(ROOT / ".ci" / "prerequisites.py", env=os.environ | environment)
    assert (outcome.returncode, outcome.stderr.count("\n")) == (1, 1)
    return outcome.stderr


def test_version_is_the_one_of_the_distribution():
    assert fastloop.__version__ == importlib.metadata.version("fastloop")


def test_installing_needs_no_other_package():
    required = importlib.metadata.requires("fastloop") or []
    assert [name for name in required if "extra ==" not in name] == []


def test_every_pyx_file_is_an_extension_module():
    suffixes = tuple(importlib.machinery.EXTENSION_SUFFIXES)
    for source in sorted(PACKAGE.rglob("*.pyx")):
        name = ".".join(source.relative_to(ROOT).with_suffix("").parts)
        assert importlib.import_module(name).__file__.endswith(suffixes)


def test_package_holds_its_types_and_no_source_of_extensions():
    installed = {path.name for path in importlib.metadata.files("fastloop")}
    assert [name for name in installed if name.endswith((".pyx", ".pxd", ".c", ".h"))] == []
    assert {"py.typed", "__init__.pyi"} <= {path.name for path in Path(fastloop.__file__).parent.iterdir()}


def test_readme_commands_are_targets_of_the_makefile():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    commands = set(re.findall(r"(?:^|`)make (\w+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.M))
    assert {"bench", "test"} <= commands <= targets


def test_missing_compiler_is_said_in_one_line():
    said = refusal(CC="no-such-compiler")
    assert "No working C compiler" in said and "apt install gcc" in said


def test_missing_venv_module_is_said_in_one_line(tmp_path):
    (tmp_path / "ensurepip.py").write_text("raise ImportError")
    said = refusal(PYTHONPATH=str(tmp_path))
    assert "venv" in said and "apt install python3" in said
