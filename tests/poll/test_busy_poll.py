"""Whether to poll again before sleeping: attempts continue while they pay off, and become rare where they do not."""

import pytest

FOREVER = -1
LONGEST_PAUSE = 128
LONGEST_BRIEF_PAUSE = 1024


@pytest.fixture
def unmeasured(poller):
    poller.call("busy_poll_open")
    return poller


@pytest.fixture
def busy_poll(unmeasured):
    """Attempts cost nothing, so that only their success counts."""
    note_costs(unmeasured, sleep_ns=1000, attempt_ns=0)
    return unmeasured


def note_costs(busy_poll, sleep_ns, attempt_ns, hits=1, count=100):
    """Among the attempts, one of so many has no event."""
    for number in range(count):
        busy_poll.call("busy_poll_note_cost", False, True, sleep_ns)
        busy_poll.call("busy_poll_note_cost", True, number % hits == 0, attempt_ns)


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


# The limit, and what it costs


def test_nothing_is_attempted_before_sleeps_are_measured(unmeasured):
    assert not any(is_due(unmeasured) for _ in range(1000))


@pytest.mark.parametrize("limit_us", [1, 14, 500])
def test_users_limit_needs_no_measuring_and_is_how_long_an_attempt_may_last(unmeasured, limit_us):
    unmeasured.call("busy_poll_limit", limit_us)
    assert waits_before_attempt(unmeasured) == 16
    unmeasured.call("busy_poll_make_brief", True)
    assert unmeasured.call("busy_poll_us") == limit_us
    assert unmeasured.call("busy_poll_measure", True, FOREVER) == 0


def test_a_limit_of_0_means_never(busy_poll):
    busy_poll.call("busy_poll_limit", 0)
    assert not any(is_due(busy_poll) for _ in range(1000))


# Attempts of 3 us, half of which save a sleep of 5 or 7 us.
@pytest.mark.parametrize("sleep_ns, pause", [(5000, LONGEST_BRIEF_PAUSE), (7000, 0)])
def test_attempts_that_cost_more_than_they_save_become_rarest(unmeasured, sleep_ns, pause):
    note_costs(unmeasured, sleep_ns, attempt_ns=3000, hits=2)
    waits_before_attempt(unmeasured)
    unmeasured.call("busy_poll_note", True)
    assert waits_before_attempt(unmeasured) == pause


def test_rare_attempts_are_measured_until_they_pay_off_again(unmeasured):
    note_costs(unmeasured, sleep_ns=1000, attempt_ns=3000)
    assert unmeasured.call("busy_poll_measure", True, FOREVER) > 0
    note_costs(unmeasured, sleep_ns=4000, attempt_ns=3000)
    waits_before_attempt(unmeasured)
    unmeasured.call("busy_poll_note", True)
    assert waits_before_attempt(unmeasured) == 0


def test_where_every_attempt_succeeds_a_sleep_is_measured_now_and_then(busy_poll):
    waits_before_attempt(busy_poll)
    answers = []
    for _ in range(600):
        answers.append(is_due(busy_poll))
        began_ns = busy_poll.call("busy_poll_measure", answers[-1], FOREVER)
        assert answers[-1] or began_ns > 0
    assert answers.count(False) == 2
