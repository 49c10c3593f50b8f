"""The package as a user meets it: what the wheel holds, what it asks for, and what a failed build says."""

import importlib
import importlib.machinery
import importlib.metadata
import os
import re
import shutil
from pathlib import Path

import pytest

import fastloop
from actors.programs import run_python

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "fastloop"


def refusal(**environment):
    """What a build says when it cannot begin."""
    outcome = run_python(ROOT / ".ci" / "prerequisites.py", env=os.environ | environment)
    assert outcome.returncode == 1
    return outcome.stderr


def test_version_is_the_one_of_the_distribution_and_not_behind_the_changelog():
    assert fastloop.__version__ == importlib.metadata.version("fastloop")
    released = re.findall(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert released[:1] in ([], [fastloop.__version__])


RELEASED = "## Unreleased\n\n## 1.2.3 (2026-01-31)\n\n- New.\n\n## 1.2.2 (2026-01-01)\n\n- Old.\n"


@pytest.mark.parametrize(
    "tag, changelog, status, said",
    [
        ("v1.2.3", RELEASED, 0, "- New.\n"),
        ("1.2.3", RELEASED, 1, "is not v and a version"),
        ("v1.2.4", RELEASED, 1, "The tag is v1.2.4, but fastloop/__init__.py says 1.2.3."),
        ("v1.2.3", RELEASED.replace("Unreleased\n", "Unreleased\n\n- Newer.\n"), 1, "still has lines under Unreleased"),
        ("v1.2.3", RELEASED.replace("1.2.3", "1.2.1"), 1, "but it begins with '## 1.2.1 (2026-01-31)'"),
        ("v1.2.3", RELEASED.replace("- New.", ""), 1, "says nothing under '## 1.2.3"),
    ],
)
def test_a_release_needs_one_version_in_tag_package_and_changelog(tmp_path, tag, changelog, status, said):
    (tmp_path / "fastloop").mkdir()
    (tmp_path / "fastloop" / "__init__.py").write_text('__version__ = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n" + changelog)
    outcome = run_python(ROOT / ".ci" / "release_notes.py", tag, folder=tmp_path)
    assert (outcome.returncode, said in (outcome.stderr or outcome.stdout)) == (status, True)


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


def test_all_that_is_missing_is_said_at_once_with_one_command_for_each_platform(tmp_path):
    (tmp_path / "ensurepip.py").write_text("raise ImportError")
    said = refusal(CC="no-such-compiler", PYTHONPATH=str(tmp_path), MAKE="no-such-make")
    assert all(f"  - {what}" in said for what in ("a working C compiler (tried no-such-compiler)", "Python's venv module", "make"))
    assert re.search(r"Debian, Ubuntu: apt install gcc libc6-dev python3\.\d+-venv make\n", said)
    assert "macOS:          xcode-select --install && brew install python" in said


def test_build_without_a_compiler_says_what_is_missing_and_translates_nothing():
    pytest.importorskip("Cython")
    outcome = run_python("setup.py", "build_ext", folder=ROOT, env=os.environ | {"CC": "no-such-compiler"})
    assert (outcome.returncode, outcome.stderr) == (1, refusal(CC="no-such-compiler"))


def test_sources_that_are_not_compiled_say_what_to_do(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "fastloop", ignore=lambda folder, names: {name for name in names if name.endswith(".so")})
    said = run_python("-c", "import fastloop", folder=tmp_path).stderr
    assert "ImportError" in said and "which are not compiled" in said and "pip install" in said
    assert "ModuleNotFoundError" not in said


def test_metadata_has_urls_and_a_description_without_relative_links():
    metadata = importlib.metadata.metadata("fastloop")
    assert {"Source", "Documentation", "Changelog", "Issues"} <= {url.partition(",")[0] for url in metadata.get_all("Project-URL")}
    assert metadata["Description-Content-Type"] == "text/markdown"
    # importlib_metadata, which some libraries load in its place, has no payload.
    links = re.findall(r"\]\(([^)]+)\)", metadata["Description"] or metadata.get_payload())
    assert links and [link for link in links if not link.startswith(("https://", "#"))] == []


def test_every_environment_variable_is_on_its_page():
    names = set()
    for path in (*PACKAGE.rglob("*.[ph]*"), *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py"), ROOT / "setup.py"):
        if path.suffix in {".py", ".pyx", ".h"} and path != Path(__file__):
            names |= set(re.findall(r"""["'](FASTLOOP_[A-Z_]+)["']""", path.read_text(encoding="utf-8")))
    page = (ROOT / "docs" / "environment.md").read_text(encoding="utf-8")
    assert names == set(re.findall(r"^\| `(FASTLOOP_[A-Z_]+)", page, re.M))
