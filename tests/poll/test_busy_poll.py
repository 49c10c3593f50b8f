"""Whether to poll again before sleeping: attempts continue while they pay off, and become rare where they do not."""

import pytest

FOREVER = -1
LONGEST_PAUSE = 128
LONGEST_BRIEF_PAUSE = 1024


@pytest.fixture
def busy_poll(poller):
    poller.call("busy_poll_open")
    return poller


def is_due(busy_poll, timeout_ns=FOREVER):
    return bool(busy_poll.call("busy_poll_is_due", timeout_ns))


def waits_before_attempt(busy_poll):
    """How many waits pass without an attempt."""
    for count in range(10 * LONGEST_BRIEF_PAUSE):
        if is_due(busy_poll):
            return count
    raise AssertionError("attempts have ended for good")


def pauses_before_failures(busy_poll, count):
    pauses = []
    for _ in range(count):
        pauses.append(waits_before_attempt(busy_poll))
        busy_poll.call("busy_poll_note", False)
    return pauses


def succeed(busy_poll, count):
    for _ in range(count):
        waits_before_attempt(busy_poll)
        busy_poll.call("busy_poll_note", True)


def test_first_waits_pass_without_an_attempt(busy_poll):
    assert waits_before_attempt(busy_poll) == 16


def test_attempts_go_on_as_long_as_they_succeed(busy_poll):
    waits_before_attempt(busy_poll)
    for _ in range(100):
        busy_poll.call("busy_poll_note", True)
        assert waits_before_attempt(busy_poll) == 0


def test_failing_attempts_become_rare_but_do_not_end(busy_poll):
    assert pauses_before_failures(busy_poll, 9) == [16, 16, 32, 64, *[LONGEST_PAUSE] * 5]


def test_brief_attempts_that_fail_become_rarer_still(busy_poll):
    busy_poll.call("busy_poll_make_brief", True)

    assert pauses_before_failures(busy_poll, 12) == [16, 16, 32, 64, 128, 256, 512, *[LONGEST_BRIEF_PAUSE] * 5]


def test_what_brief_attempts_have_earned_does_not_hold_for_others(busy_poll):
    busy_poll.call("busy_poll_make_brief", True)
    pauses_before_failures(busy_poll, 12)
    waits_before_attempt(busy_poll)

    busy_poll.call("busy_poll_make_brief", False)
    busy_poll.call("busy_poll_note", False)

    assert pauses_before_failures(busy_poll, 2) == [LONGEST_PAUSE, LONGEST_PAUSE]


def test_a_brief_attempt_is_shorter(busy_poll):
    usual_us = busy_poll.call("busy_poll_us")
    busy_poll.call("busy_poll_make_brief", True)

    assert 0 < busy_poll.call("busy_poll_us") < usual_us


def test_one_success_among_failures_changes_little(busy_poll):
    pauses_before_failures(busy_poll, 20)
    succeed(busy_poll, 1)
    assert pauses_before_failures(busy_poll, 4) == [0, LONGEST_PAUSE // 2, LONGEST_PAUSE, LONGEST_PAUSE]


def test_many_successes_make_failures_forgotten(busy_poll):
    pauses_before_failures(busy_poll, 20)
    succeed(busy_poll, 20)
    assert pauses_before_failures(busy_poll, 5) == [0, 1, 2, 4, 8]


@pytest.mark.parametrize("timeout_ns", [0, 1, 99_999])
def test_what_is_due_soon_is_waited_for_exactly(busy_poll, timeout_ns):
    waits_before_attempt(busy_poll)
    busy_poll.call("busy_poll_note", True)
    assert not is_due(busy_poll, timeout_ns)
    assert is_due(busy_poll, 100_000)


def test_nothing_is_attempted_where_no_answer_is_expected(busy_poll):
    waits_before_attempt(busy_poll)
    busy_poll.call("busy_poll_turn_off", True)
    assert not any(is_due(busy_poll) for _ in range(10 * LONGEST_BRIEF_PAUSE))
    busy_poll.call("busy_poll_turn_off", False)
    assert is_due(busy_poll)
