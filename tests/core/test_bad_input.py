"""Bad input to the loop's own methods gives asyncio's own exception, and never a hang."""

import asyncio
import contextlib
import signal

import pytest

from actors.cases import Cases, run_turns
from actors.threads import call_in_thread

case = Cases()


async def return_none():
    pass


def call_inside(loop, function, *args):
    """Call a function in the loop while it runs."""

    async def main():
        return function(*args)

    return loop.run_until_complete(main())


def call_in_debug_mode(loop, function, *args):
    loop.set_debug(True)
    return function(*args)


def call_when_closed(loop, function, *args):
    loop.close()
    return function(*args)


def call_with_another_loop(implementation, function):
    with contextlib.closing(implementation.new_event_loop()) as other:
        return function(other)


def run_until_stopped(loop, schedule, moment):
    schedule(moment, loop.stop)
    loop.run_forever()


# Callbacks


case.calls(
    call_soon_with_a_string_in_debug_mode=lambda loop, _: call_in_debug_mode(loop, loop.call_soon, "not callable"),
    call_soon_with_a_coroutine_function_in_debug_mode=lambda loop, _: call_in_debug_mode(loop, loop.call_soon, return_none),
    call_soon_without_callback=lambda loop, _: loop.call_soon(),
    call_soon_with_an_unknown_keyword=lambda loop, _: loop.call_soon(int, unknown=1),
)

case.calls_before_turns(
    call_soon_with_none=lambda loop, _: loop.call_soon(None),
    call_soon_with_a_string=lambda loop, _: loop.call_soon("not callable"),
    call_soon_with_a_context_that_is_none=lambda loop, _: loop.call_soon(int, context=None),
    call_soon_threadsafe_with_none=lambda loop, _: loop.call_soon_threadsafe(None),
    callback_that_needs_an_argument_gets_none=lambda loop, _: loop.call_soon(lambda needed: None),
)


# Timers


@case
def call_later_with_nan_as_delay_does_not_hang_the_loop(loop, implementation):
    timer = loop.call_later(float("nan"), int)
    run_turns(loop)
    timer.cancel()
    run_turns(loop)


@case
def near_timer_beside_one_of_a_million_years(loop, implementation):
    timer = loop.call_later(3.15e13, int)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    timer.cancel()


case.calls(
    call_later_with_minus_infinity=lambda loop, _: run_until_stopped(loop, loop.call_later, float("-inf")),
    call_at_with_a_negative_deadline=lambda loop, _: run_until_stopped(loop, loop.call_at, -1e300),
    call_later_with_none_as_delay=lambda loop, _: loop.call_later(None, int),
    call_at_with_none_as_deadline=lambda loop, _: loop.call_at(None, int),
    call_later_with_a_string_as_delay=lambda loop, _: loop.call_later("1", int),
    call_later_without_callback=lambda loop, _: loop.call_later(1),
    sleep_with_nan=lambda loop, _: loop.run_until_complete(asyncio.sleep(float("nan"))),
    call_later_with_an_integer_too_large_for_a_float=lambda loop, _: loop.call_later(10**400, int),
)

case.calls_before_turns(
    call_later_with_a_delay_of_a_million_years=lambda loop, _: loop.call_later(3.15e13, int),
    call_later_with_infinity=lambda loop, _: loop.call_later(float("inf"), int),
    call_later_with_the_largest_float=lambda loop, _: loop.call_later(1.7e308, int),
    call_later_with_a_huge_integer=lambda loop, _: loop.call_later(10**12, int),
)


# Running


@case
async def call_soon_from_another_thread_in_debug_mode(loop, implementation):
    loop.set_debug(True)
    await loop.run_in_executor(None, loop.call_soon, int)


case.calls(
    run_until_complete_on_a_closed_loop=lambda loop, _: call_when_closed(loop, loop.run_until_complete, return_none()),
    run_until_complete_inside_the_loop=lambda loop, _: call_inside(loop, loop.run_until_complete, return_none()),
    run_until_complete_of_another_loop_inside_the_loop=lambda loop, implementation: call_with_another_loop(
        implementation, lambda other: call_inside(loop, other.run_until_complete, return_none())
    ),
    run_until_complete_of_a_future_of_another_loop=lambda loop, implementation: call_with_another_loop(
        implementation, lambda other: loop.run_until_complete(other.create_future())
    ),
    asyncio_run_inside_the_loop=lambda loop, _: call_inside(loop, asyncio.run, return_none()),
    close_inside_the_loop=lambda loop, _: call_inside(loop, loop.close),
    run_until_complete_with_none=lambda loop, _: loop.run_until_complete(None),
    run_until_complete_with_a_number=lambda loop, _: loop.run_until_complete(42),
    run_until_complete_with_a_coroutine_function=lambda loop, _: loop.run_until_complete(return_none),
    run_until_complete_with_a_generator=lambda loop, _: loop.run_until_complete(number for number in [1]),
    stop_with_an_argument=lambda loop, _: loop.stop(1),
    run_in_executor_with_something_else_than_an_executor=lambda loop, _: loop.run_in_executor("executor", int),
    run_in_executor_with_something_that_cannot_be_called=lambda loop, _: loop.run_until_complete(
        loop.run_in_executor(None, "not callable")
    ),
    set_task_factory_with_something_that_cannot_be_called=lambda loop, _: loop.set_task_factory("factory"),
    set_exception_handler_with_something_that_cannot_be_called=lambda loop, _: loop.set_exception_handler("handler"),
    set_default_executor_with_none=lambda loop, _: loop.set_default_executor(None),
)


# Signals


case.calls(
    add_signal_handler_on_a_closed_loop=lambda loop, _: call_when_closed(loop, loop.add_signal_handler, signal.SIGUSR1, int),
    add_signal_handler_with_sigkill=lambda loop, _: loop.add_signal_handler(signal.SIGKILL, int),
    add_signal_handler_with_a_number_out_of_range=lambda loop, _: loop.add_signal_handler(signal.NSIG + 1, int),
    add_signal_handler_with_zero=lambda loop, _: loop.add_signal_handler(0, int),
    add_signal_handler_with_a_string=lambda loop, _: loop.add_signal_handler("SIGINT", int),
    add_signal_handler_in_another_thread=lambda loop, _: call_in_thread(loop.add_signal_handler, signal.SIGUSR1, int),
    add_signal_handler_with_a_coroutine_function=lambda loop, _: loop.add_signal_handler(signal.SIGUSR1, return_none),
    remove_signal_handler_with_a_number_out_of_range=lambda loop, _: loop.remove_signal_handler(signal.NSIG + 1),
    remove_signal_handler_that_was_never_added=lambda loop, _: loop.remove_signal_handler(signal.SIGUSR2),
)


# The loop as an object


case.calls(
    set_debug_with_none=lambda loop, _: bool(loop.set_debug(None) or loop.get_debug()),
    get_event_loop_of_a_thread_without_one=lambda loop, _: call_in_thread(asyncio.get_event_loop),
    call_exception_handler_with_an_empty_context=lambda loop, _: loop.call_exception_handler({}),
)


@pytest.mark.parametrize("name", case)
def test_bad_input_ends_as_it_does_on_asyncios_own_loop(assert_ends_as_on_asyncio, name):
    assert_ends_as_on_asyncio(case[name])
