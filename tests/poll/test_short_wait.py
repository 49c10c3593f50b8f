"""Whether to poll again before sleeping: attempts continue while they pay off, and become rare where they do not."""

import pytest

FOREVER = -1
LONGEST_PAUSE = 128
LONGEST_BRIEF_PAUSE = 1024


@pytest.fixture
def short_wait(poller):
    poller.call("short_wait_open")
    return poller


def is_due(short_wait, timeout_ns=FOREVER):
    return bool(short_wait.call("short_wait_is_due", timeout_ns))


def waits_before_attempt(short_wait):
    """How many waits pass without an attempt."""
    for count in range(10 * LONGEST_BRIEF_PAUSE):
        if is_due(short_wait):
            return count
    raise AssertionError("attempts have ended for good")


def pauses_before_failures(short_wait, count):
    pauses = []
    for _ in range(count):
        pauses.append(waits_before_attempt(short_wait))
        short_wait.call("short_wait_note", False)
    return pauses


def succeed(short_wait, count):
    for _ in range(count):
        waits_before_attempt(short_wait)
        short_wait.call("short_wait_note", True)


def test_first_waits_pass_without_an_attempt(short_wait):
    assert waits_before_attempt(short_wait) == 16


def test_attempts_go_on_as_long_as_they_succeed(short_wait):
    waits_before_attempt(short_wait)
    for _ in range(100):
        short_wait.call("short_wait_note", True)
        assert waits_before_attempt(short_wait) == 0


def test_failing_attempts_become_rare_but_do_not_end(short_wait):
    assert pauses_before_failures(short_wait, 9) == [16, 16, 32, 64, *[LONGEST_PAUSE] * 5]


def test_brief_attempts_that_fail_become_rarer_still(short_wait):
    short_wait.call("short_wait_make_brief", True)

    assert pauses_before_failures(short_wait, 12) == [16, 16, 32, 64, 128, 256, 512, *[LONGEST_BRIEF_PAUSE] * 5]


def test_what_brief_attempts_have_earned_does_not_hold_for_others(short_wait):
    short_wait.call("short_wait_make_brief", True)
    pauses_before_failures(short_wait, 12)
    waits_before_attempt(short_wait)

    short_wait.call("short_wait_make_brief", False)
    short_wait.call("short_wait_note", False)

    assert pauses_before_failures(short_wait, 2) == [LONGEST_PAUSE, LONGEST_PAUSE]


def test_a_brief_attempt_is_shorter(short_wait):
    usual_us = short_wait.call("short_wait_us")
    short_wait.call("short_wait_make_brief", True)

    assert 0 < short_wait.call("short_wait_us") < usual_us


def test_one_success_among_failures_changes_little(short_wait):
    pauses_before_failures(short_wait, 20)
    succeed(short_wait, 1)
    assert pauses_before_failures(short_wait, 4) == [0, LONGEST_PAUSE // 2, LONGEST_PAUSE, LONGEST_PAUSE]


def test_many_successes_make_failures_forgotten(short_wait):
    pauses_before_failures(short_wait, 20)
    succeed(short_wait, 20)
    assert pauses_before_failures(short_wait, 5) == [0, 1, 2, 4, 8]


@pytest.mark.parametrize("timeout_ns", [0, 1, 99_999])
def test_what_is_due_soon_is_waited_for_exactly(short_wait, timeout_ns):
    waits_before_attempt(short_wait)
    short_wait.call("short_wait_note", True)
    assert not is_due(short_wait, timeout_ns)
    assert is_due(short_wait, 100_000)
