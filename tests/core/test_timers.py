"""call_later(), call_at(), time() and TimerHandle: order, cancellation, and what keeps the callback alive.

test_exactness.py is about how exact they are, test_call_soon.py about what timers have in common with other handles.
"""

import asyncio
import fractions
import itertools
import random
import time

import pytest

from actors.callbacks import Callback


def run_until_after(loop, delay_s):
    """Run loop until every timer due within delay_s has fired."""
    loop.call_later(delay_s, loop.stop)
    loop.run_forever()


def test_timers_fire_in_the_order_of_their_deadlines(loop):
    order = []
    now_s = loop.time()
    for milliseconds in [5, 1, 4, 2, 3]:
        loop.call_at(now_s + milliseconds / 1000, order.append, milliseconds)
    run_until_after(loop, 0.006)
    assert order == [1, 2, 3, 4, 5]


def test_timers_with_equal_deadlines_fire_in_the_order_of_their_creation(implementation, loop):
    order = []
    deadline = loop.time() + 0.002
    for number in range(50):
        loop.call_at(deadline, order.append, number)
    run_until_after(loop, 0.005)
    # asyncio's heap promises nothing about equal deadlines; fastloop does.
    assert (order if implementation.name == "fastloop" else sorted(order)) == list(range(50))


@pytest.mark.parametrize("delay_s", [0, -1, -1e9, 0.0, False])
def test_delay_that_is_not_positive_fires_in_the_next_turn(loop, delay_s):
    loop.call_later(delay_s, loop.stop)
    loop.run_forever()


def test_deadline_in_the_past_fires_in_the_next_turn(loop):
    loop.call_at(loop.time() - 1000, loop.stop)
    loop.run_forever()


def test_timer_that_is_due_runs_after_the_callbacks_that_were_ready(loop):
    order = []
    loop.call_later(0, order.append, "timer")
    loop.call_soon(order.append, "ready")
    loop.call_later(0, loop.stop)
    loop.run_forever()
    assert order == ["ready", "timer"]


def test_timer_set_by_a_timer_does_not_fire_in_the_same_turn(loop):
    order = []

    def first():
        loop.call_later(0, order.append, "second")
        loop.call_soon(order.append, "soon")
        order.append("first")
        loop.stop()

    loop.call_later(0, first)
    loop.run_forever()
    assert order == ["first"]
    run_until_after(loop, 0.001)
    assert order == ["first", "soon", "second"]


def test_cancelled_timer_never_fires(loop):
    callback = Callback()
    loop.call_later(0.001, callback).cancel()
    run_until_after(loop, 0.002)
    assert callback.calls == []


def test_timer_cancelled_by_another_in_the_same_turn_never_fires(loop):
    callback = Callback()
    deadline = loop.time()
    loop.call_at(deadline, lambda: second.cancel())
    second = loop.call_at(deadline + 1e-6, callback)
    time.sleep(0.001)
    run_until_after(loop, 0.002)
    assert callback.calls == []


def test_when_returns_the_deadline_given_to_call_at(loop):
    deadline = loop.time() + 12.5
    timer = loop.call_at(deadline, int)
    assert timer.when() == pytest.approx(deadline, abs=1e-8)
    timer.cancel()


def test_timer_is_an_asyncio_timer_handle(loop):
    timer = loop.call_later(1000, int)
    assert isinstance(timer, asyncio.TimerHandle)
    assert isinstance(timer, asyncio.Handle)
    timer.cancel()


def test_timer_handles_compare_by_deadline(loop):
    early, late = loop.call_later(1000, int), loop.call_later(2000, int)
    assert early < late and late > early and early <= late and late >= early
    assert early != late and early == early
    assert sorted([late, early]) == [early, late]
    early.cancel()
    late.cancel()


def test_timer_handles_can_be_members_of_a_set(loop):
    timers = [loop.call_later(1000, int) for _ in range(3)]
    assert len(set(timers) | set(timers)) == 3
    for timer in timers:
        timer.cancel()


def test_time_never_goes_back(loop):
    readings = [loop.time() for _ in range(10_000)]
    assert readings == sorted(readings)


def test_time_is_the_monotonic_clock(loop):
    before = time.monotonic()
    now = loop.time()
    after = time.monotonic()
    assert before <= now <= after
    assert isinstance(now, float)


def test_random_timers_fire_in_order_while_others_are_cancelled(loop):
    generator = random.Random(20240101)
    fired, expected = [], []
    base = loop.time()
    timers = []
    for number in range(5000):
        deadline = base + generator.randrange(1, 20_000) / 1e6
        timers.append((deadline, number, loop.call_at(deadline, fired.append, (deadline, number))))
    generator.shuffle(timers)
    for position, (deadline, number, timer) in enumerate(timers):
        if position % 3 == 0:
            timer.cancel()
        else:
            expected.append((deadline, number))
    loop.call_at(base + 0.021, loop.stop)
    loop.run_forever()
    assert [deadline for deadline, _ in fired] == [deadline for deadline, _ in sorted(expected)]
    assert sorted(fired) == sorted(expected)


def test_timers_set_and_cancelled_in_callbacks_keep_the_order(loop):
    generator = random.Random(7)
    fired = []
    pending = []

    def fire(deadline):
        fired.append(deadline)
        for _ in range(2):
            if len(fired) + len(pending) < 2000:
                new_deadline = loop.time() + generator.randrange(1, 300) / 1e6
                pending.append(loop.call_at(new_deadline, fire, new_deadline))
        if generator.random() < 0.3:
            pending[generator.randrange(len(pending))].cancel()

    start = loop.time()
    for number in range(20):
        loop.call_at(start + number * 1e-6, fire, start + number * 1e-6)
    loop.call_at(start + 0.05, loop.stop)
    loop.run_forever()
    for timer in pending:
        timer.cancel()
    assert len(fired) > 100
    # Deadlines within one nanosecond are equal to fastloop's clock.
    assert all(later > earlier - 2e-9 for earlier, later in itertools.pairwise(fired))


def test_timer_far_away_does_not_disturb_the_near_ones(loop):
    far = [loop.call_later(delay_s, pytest.fail, "too early") for delay_s in (1e6, 1e8, 1e9)]
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    for timer in far:
        timer.cancel()


# The moment as an object


class Seconds(float):
    """A float with its own type, as numpy.float64 is."""


class Moment:
    """Not a number, but it can become a float."""

    def __init__(self, value):
        self.value = value

    def __float__(self):
        return self.value


def moments(loop):
    later = int(loop.time()) + 1000
    return [later, float(later), Seconds(later), fractions.Fraction(later * 3 + 1, 3), True]


@pytest.mark.parametrize("number", range(5))
def test_moment_of_a_timer_is_the_object_that_it_was_given(implementation, loop, number):
    moment = moments(loop)[number]
    made = implementation.TimerHandle(moment, int, (), loop)
    scheduled = loop.call_at(moment, int)
    for handle in made, scheduled:
        assert handle.when() is moment
        assert handle._when is moment
        assert hash(handle) == hash(moment)
        assert f"when={moment}" in repr(handle)
        handle.cancel()
        assert handle.when() is moment


def test_timers_compare_by_the_objects_that_they_were_given(implementation, loop):
    one, two = fractions.Fraction(10**20, 3), fractions.Fraction(10**20 + 1, 3)
    # The same as floats.
    assert float(one) == float(two)
    first, same, second = [implementation.TimerHandle(moment, int, (), loop) for moment in (one, +one, two)]
    assert first == same and hash(first) == hash(same)
    assert first != second
    assert first < second and second > first and first <= same and second >= first
    assert not first > same and not first < same
    equal_float = implementation.TimerHandle(5.0, int, (), loop)
    assert equal_float == implementation.TimerHandle(5, int, (), loop)
    assert hash(equal_float) == hash(5)


@pytest.mark.parametrize("debug", [False, True])
def test_moment_stays_what_it_was_given_as_in_debug_mode_and_after_a_change(loop, debug):
    loop.set_debug(debug)
    moment, other_moment = moments(loop)[:2]
    handle = loop.call_at(moment, int)
    assert handle.when() is moment
    handle._when = other_moment
    assert handle.when() is other_moment
    handle.cancel()
    assert handle.when() is other_moment
    loop.set_debug(False)


def test_timers_at_moments_of_any_type_fire_in_their_order(loop):
    order = []
    now = loop.time()
    loop.call_at(Seconds(now + 0.003), order.append, 3)
    loop.call_at(fractions.Fraction(now + 0.002), order.append, 2)
    loop.call_at(now + 0.001, order.append, 1)
    loop.call_at(int(now), order.append, 0)
    run_until_after(loop, 0.005)
    assert order == [0, 1, 2, 3]


def test_when_of_call_later_is_a_float_after_now(loop):
    before = loop.time()
    handle = loop.call_later(5, int)
    assert type(handle.when()) is float
    assert before + 5 <= handle.when() <= loop.time() + 5
    handle.cancel()


@pytest.mark.fastloop_only
def test_moment_needs_only_to_become_a_float(loop):
    moment = Moment(loop.time())
    called = []
    handle = loop.call_at(moment, called.append, 1)
    assert handle.when() is moment
    run_until_after(loop, 0.001)
    assert called == [1]


def test_call_later_goes_through_a_call_at_of_the_programs_own(implementation, no_leaks):
    seen = []

    class Loop(implementation.EventLoop):
        def call_at(self, when, callback, *args, **keywords):
            seen.append("class")
            return super().call_at(when, callback, *args, **keywords)

    loop = Loop()
    try:
        loop.run_until_complete(asyncio.sleep(0.0001))
        assert seen == ["class"]
        call_at = loop.call_at
        loop.call_at = lambda *args, **keywords: (seen.append("instance"), call_at(*args, **keywords))[1]
        loop.call_later(1000, int).cancel()
        assert seen == ["class", "instance", "class"]
        del loop.call_at
        loop.call_later(1000, int).cancel()
        assert seen == ["class", "instance", "class", "class"]
    finally:
        loop.close()
