"""call_soon() and Handle: order, cancellation, and what keeps the callback alive; what it has in common with call_later(), too."""

import asyncio
import functools
import socket
import weakref

import pytest

from actors.callbacks import Callback


@pytest.fixture(params=["call_soon", "call_later"])
def schedule(loop, request):
    """A function that schedules a callback for the next turn, as a handle and as a timer."""
    return loop.call_soon if request.param == "call_soon" else functools.partial(loop.call_later, 0)


def test_callback_does_not_run_before_the_loop_does(loop, run_turn):
    callback = Callback()
    loop.call_soon(callback)
    assert callback.calls == []
    run_turn()
    assert callback.calls == [()]


@pytest.mark.parametrize("args", [(), (object(),), (1, 2), (1, "two", None), tuple(range(20))], ids=len)
def test_callback_gets_its_arguments(schedule, run_turn, args):
    callback = Callback()
    schedule(callback, *args)
    run_turn()
    # Objects are equal only to themselves: they are passed as they are.
    assert callback.calls == [args]


def test_callback_scheduled_by_a_callback_runs_in_the_next_turn(loop, run_turn):
    order = []

    def first():
        order.append("first")
        loop.call_soon(order.append, "scheduled by first")

    loop.call_soon(first)
    loop.call_soon(order.append, "second")
    run_turn()
    assert order == ["first", "second"]
    run_turn()
    assert order == ["first", "second", "scheduled by first"]


def test_callback_that_schedules_itself_does_not_starve_readers(loop):
    reading_end, writing_end = socket.socketpair()
    turns = []

    def again():
        turns.append(None)
        assert len(turns) < 1_000_000
        loop.call_soon(again)

    loop.call_soon(again)
    loop.add_reader(reading_end, loop.stop)
    loop.call_later(0, writing_end.send, b"x")
    loop.run_forever()
    loop.remove_reader(reading_end)
    reading_end.close()
    writing_end.close()


def test_callback_that_schedules_itself_does_not_starve_timers(loop):
    def again():
        loop.call_soon(again)

    loop.call_soon(again)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()


def test_cancelled_callback_never_runs(schedule, run_turn):
    callback = Callback()
    schedule(callback).cancel()
    run_turn()
    assert callback.calls == []


def test_callback_cancelled_by_an_earlier_one_in_the_same_turn_never_runs(loop, run_turn):
    callback = Callback()
    loop.call_soon(lambda: handle.cancel())
    handle = loop.call_soon(callback)
    run_turn()
    assert callback.calls == []


def test_cancelling_one_of_two_equal_callbacks_leaves_the_other(loop, run_turn):
    callback = Callback()
    loop.call_soon(callback, 1)
    loop.call_soon(callback, 2).cancel()
    loop.call_soon(callback, 3)
    run_turn()
    assert callback.calls == [(1,), (3,)]


def test_cancelled_tells_whether_cancel_was_called(loop, run_turn):
    kept, dropped = loop.call_soon(int), loop.call_soon(int)
    dropped.cancel()
    assert (kept.cancelled(), dropped.cancelled()) == (False, True)
    run_turn()
    assert (kept.cancelled(), dropped.cancelled()) == (False, True)


def test_cancel_twice_and_cancel_after_the_run_do_nothing(schedule, run_turn):
    callback = Callback()
    handle = schedule(callback)
    run_turn()
    handle.cancel()
    handle.cancel()
    run_turn()
    assert callback.calls == [()]


def test_cancel_from_within_the_callback_itself_is_harmless(loop, run_turn):
    calls = []

    def callback():
        handle.cancel()
        calls.append(handle.cancelled())

    handle = loop.call_soon(callback)
    run_turn()
    assert calls == [True]


def test_handle_is_an_asyncio_handle(loop, run_turn):
    handle = loop.call_soon(int)
    assert isinstance(handle, asyncio.Handle)
    assert not isinstance(handle, asyncio.TimerHandle)
    run_turn()


def test_handle_names_its_callback_in_repr(schedule, run_turn):
    def a_callback_with_a_name():
        pass

    handle = schedule(a_callback_with_a_name)
    assert "a_callback_with_a_name" in repr(handle)
    handle.cancel()
    assert "cancelled" in repr(handle)
    run_turn()


def test_callback_is_freed_after_it_ran_although_nobody_kept_the_handle(schedule, run_turn):
    callback = Callback()
    reference = weakref.ref(callback)
    schedule(callback)
    del callback
    run_turn()
    assert reference() is None


def test_callback_and_arguments_are_freed_at_once_by_cancel(schedule, run_turn):
    callback, argument = Callback(), Callback()
    references = weakref.ref(callback), weakref.ref(argument)
    handle = schedule(callback, argument)
    del callback, argument
    assert None not in [reference() for reference in references]
    handle.cancel()
    assert [reference() for reference in references] == [None, None]
    run_turn()


def test_hundred_thousand_callbacks_all_run_in_the_order_in_which_they_were_scheduled(loop, run_turn):
    calls = []
    for number in range(100_000):
        loop.call_soon(calls.append, number)
    run_turn()
    assert calls == list(range(100_000))


def test_ready_queue_that_grows_and_shrinks_keeps_its_order(loop, run_turn):
    order, expected = [], []
    for length in [1, 3000, 2, 700, 5000, 1]:
        for number in range(length):
            loop.call_soon(order.append, (length, number))
            expected.append((length, number))
        run_turn()
    assert order == expected
