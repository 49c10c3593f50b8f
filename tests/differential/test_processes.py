"""Children behave the same on fastloop as on asyncio, several at a time.

FASTLOOP_DIFFERENTIAL=20000 runs so many programs, different ones in every run.
"""

import asyncio
import contextlib
import os

from hypothesis import HealthCheck, given, settings

import processes

PROGRAMS_IN_CI = 40
WISHED = int(os.environ.get("FASTLOOP_DIFFERENTIAL", "0"))


def trace_on(new_loop, program):
    with contextlib.closing(new_loop()) as loop:
        return loop.run_until_complete(processes.trace(program))


def test_children_have_the_same_trace_as_on_asyncio(implementation):
    """On asyncio's own loop this shows that a program has one trace."""

    @settings(
        max_examples=WISHED or PROGRAMS_IN_CI,
        derandomize=not WISHED,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(processes.PROGRAMS)
    def compare(program):
        assert trace_on(implementation.new_event_loop, program) == trace_on(asyncio.SelectorEventLoop, program)

    compare()
