"""Small programs do the same on fastloop as on asyncio, in the same turns.

In CI each group has its share of 2,000 programs, always the same ones. With FASTLOOP_DIFFERENTIAL=20000 there are so many, different
ones in every run. A program that differs is shrunk and printed as the expression that makes it: keep it in test_found.py.
"""

import os

import pytest
from hypothesis import HealthCheck, given, settings

import comparison
import generator
import rules

PROGRAMS_IN_CI = 2000
WISHED = int(os.environ.get("FASTLOOP_DIFFERENTIAL", "0"))
# So many of a hundred programs may be left out because asyncio's trace of them varies.
MOST_VARYING_PERCENT = 5


@pytest.mark.fastloop_only
@pytest.mark.parametrize("group", generator.GROUPS)
def test_a_program_has_the_same_trace_on_fastloop_as_on_asyncio(group):
    implementations = comparison.fastloop_implementations()
    verdicts = comparison.Verdicts()

    @settings(
        max_examples=generator.share(group, WISHED or PROGRAMS_IN_CI),
        derandomize=not WISHED,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(generator.GROUPS[group].programs())
    def compare(program):
        for tested in implementations:
            found = comparison.difference(program, tested, verdicts)
            assert found is None, f"\n{found}"

    compare()
    print(f"\n{group}: {verdicts}")
    assert verdicts.percent(rules.ASYNCIO_VARIES) <= MOST_VARYING_PERCENT


@pytest.mark.parametrize("group", generator.GROUPS)
def test_asyncio_itself_has_one_trace_of_nearly_every_program(group):
    """Otherwise the comparison would say nothing."""
    verdicts = comparison.Verdicts()

    @settings(max_examples=50, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(generator.GROUPS[group].programs())
    def compare(program):
        assert comparison.difference(program, comparison.ASYNCIO, verdicts) is None

    compare()
    assert verdicts.percent(rules.ASYNCIO_VARIES) <= MOST_VARYING_PERCENT
