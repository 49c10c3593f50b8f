"""Runs every block of Python in the README and in docs/, page by page, each page in an interpreter of its own.

The blocks of a page share their names, as a reader takes them. They may use await outside of functions. A comment before a block says what
it needs: "needs anyio, pytest", "from python 3.12", "until python 3.15". A program that serves "runs until stopped": it is only compiled.
"""

import ast
import importlib.util
import inspect
import re
import sys
from pathlib import Path

import pytest

import fastloop
from actors.programs import run_python

sybil = pytest.importorskip("sybil", reason="sybil is not installed (pip install sybil)")
from sybil.parsers.markdown import CodeBlockParser  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
PAGES = [page for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))] if "```python" in page.read_text(encoding="utf-8")]
CONDITIONS = re.compile(r"<!-- ((?:needs|from python|until python|runs until)[^>]*) -->\n\Z")


def condition(example):
    """What the comment before a block says: {"needs": ..., "from python": ..., "until python": ..., "runs until": ...}."""
    found = CONDITIONS.search(example.document.text[: example.region.start])
    parts = found[1].split("; ") if found else []
    return dict(re.match(r"(needs|from python|until python|runs until) (.*)", part).groups() for part in parts)


def is_met(wanted):
    version = sys.version_info[:2]
    needed = [name for name in wanted.get("needs", "").split(", ") if name]
    return (
        all(importlib.util.find_spec(name) for name in needed)
        and version >= tuple(map(int, wanted.get("from python", "3.0").split(".")))
        and version <= tuple(map(int, wanted.get("until python", "3.99").split(".")))
    )


def evaluate(example):
    wanted = condition(example)
    source = "\n" * (example.line + example.parsed.line_offset) + example.parsed
    code = compile(source, example.path, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if is_met(wanted) and "runs until" not in wanted:
        outcome = eval(code, example.namespace)
        if inspect.iscoroutine(outcome):
            fastloop.run(outcome)


def run_page(path):
    document = sybil.Sybil([CodeBlockParser("python", evaluate)]).parse(Path(path))
    document.namespace["__name__"] = "page"
    for example in document.examples():
        example.evaluate()


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_every_block_of_python_runs(page):
    outcome = run_python(__file__, str(page))
    assert outcome.returncode == 0, outcome.stderr


def test_every_public_name_of_fastloop_is_explained():
    reference = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    own = {name: getattr(fastloop, name) for name in dir(fastloop) if not name.startswith("_")}
    own = {name: value for name, value in own.items() if getattr(value, "__module__", "").startswith("fastloop")}
    assert {"run", "EventLoop", "start_server"} <= set(own)
    assert [name for name, value in own.items() if not (value.__doc__ or "").strip()] == []
    assert [name for name in own if not re.search(rf"\b{name}\b", reference)] == []


if __name__ == "__main__":
    run_page(sys.argv[1])
