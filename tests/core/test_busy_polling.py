"""EventLoop(busy_poll_us=...) and FASTLOOP_BUSY_POLL_US: who decides whether the loop polls before it sleeps."""

import pytest

import fastloop

pytestmark = pytest.mark.fastloop_only


async def answer_round_trips(loop, pair, count=300):
    left, right = pair
    for _ in range(count):
        await loop.sock_sendall(left, b"x")
        await loop.sock_recv(right, 1)
        # Nothing is ready, so the loop waits.
        await loop.run_in_executor(None, int)
    return loop.statistics()


def statistics_after_round_trips(pair, **options):
    loop = fastloop.EventLoop(**options)
    try:
        return loop.run_until_complete(answer_round_trips(loop, pair))
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


@pytest.mark.parametrize("options, variable", [({"busy_poll_us": 0}, None), ({}, "0"), ({"busy_poll_us": 0}, "20")])
def test_0_means_never_and_the_argument_precedes_the_variable(pair, monkeypatch, options, variable):
    if variable is not None:
        monkeypatch.setenv("FASTLOOP_BUSY_POLL_US", variable)
    assert statistics_after_round_trips(pair, **options).busy_polls == 0


@pytest.mark.parametrize("options, variable", [({"busy_poll_us": 20}, "0"), ({}, "20")])
def test_a_limit_makes_the_loop_poll(pair, monkeypatch, options, variable):
    monkeypatch.setenv("FASTLOOP_BUSY_POLL_US", variable)
    statistics = statistics_after_round_trips(pair, **options)
    assert 0 < statistics.busy_polls < statistics.polls
    assert statistics.busy_poll_hits <= statistics.busy_polls


def test_an_empty_variable_counts_as_unset(pair, monkeypatch):
    monkeypatch.setenv("FASTLOOP_BUSY_POLL_US", "")
    assert statistics_after_round_trips(pair, busy_poll_us=None).polls > 0


@pytest.mark.parametrize("value", [-1, 10_001, 10**30])
def test_limits_that_make_no_sense_are_refused(value):
    with pytest.raises(ValueError, match="busy_poll_us must be a whole number of microseconds from 0 to 10000, not"):
        fastloop.EventLoop(busy_poll_us=value)


@pytest.mark.parametrize("value", ["3", 2.5, b"1"])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(TypeError, match="busy_poll_us must be an int or None, not"):
        fastloop.EventLoop(busy_poll_us=value)


@pytest.mark.parametrize("value", ["-1", "1.5", "many", "10001", "9" * 100, "\u0663"])
def test_variable_that_makes_no_sense_is_named(monkeypatch, value):
    monkeypatch.setenv("FASTLOOP_BUSY_POLL_US", value)
    with pytest.raises(ValueError, match="FASTLOOP_BUSY_POLL_US must be a whole number"):
        fastloop.new_event_loop()
