"""nest_asyncio: loops that run within themselves, as Jupyter and many scripts have it.

It replaces the loop's run_forever(), run_until_complete() and _run_once() with its own, which use asyncio's _ready, _scheduled and
_selector, and asyncio's Task and Future with those written in Python. That affects the whole process, so each case of nested_runs.py
runs in a process of its own.
"""

import re
import sys
from pathlib import Path

import pytest

from actors.programs import run_python

pytest.importorskip("nest_asyncio", reason="nest_asyncio is not installed (pip install nest_asyncio)")

PROGRAM = Path(__file__).with_name("nested_runs.py")
CASES = re.findall(r"^@case\n(?:async )?def (\w+)", PROGRAM.read_text(encoding="utf-8"), re.M)


@pytest.mark.parametrize("case", CASES)
def test_nested_runs(implementation, case):
    if implementation.name == "asyncio" and sys.version_info >= (3, 14):
        pytest.skip("nest_asyncio looks for asyncio's current task where Python 3.14 no longer keeps it")
    ended = run_python("-X", "dev", PROGRAM, implementation.name, case)
    assert (ended.stdout, ended.returncode) == ("passed\n", 0), ended.stderr
