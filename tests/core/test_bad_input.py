"""Bad input to the loop's own methods gives asyncio's own exception, and never a hang."""

import asyncio
import signal
import threading

import pytest

CASES = []


def case(function):
    """Register function(loop, implementation): what it returns or raises is compared."""
    CASES.append(function)
    return function


def run_turns(loop, count=3):
    for _ in range(count):
        loop.call_soon(loop.stop)
        loop.run_forever()


async def return_none():
    pass


# ---- Callbacks


@case
def call_soon_without_callback(loop, implementation):
    loop.call_soon()


@case
def call_soon_with_none(loop, implementation):
    loop.call_soon(None)
    run_turns(loop)


@case
def call_soon_with_a_string(loop, implementation):
    loop.call_soon("not callable")
    run_turns(loop)


@case
def call_soon_with_a_string_in_debug_mode(loop, implementation):
    loop.set_debug(True)
    loop.call_soon("not callable")


@case
def call_soon_with_a_coroutine_function_in_debug_mode(loop, implementation):
    loop.set_debug(True)
    loop.call_soon(return_none)


@case
def call_soon_with_an_unknown_keyword(loop, implementation):
    loop.call_soon(int, unknown=1)


@case
def call_soon_with_a_context_that_is_none(loop, implementation):
    loop.call_soon(int, context=None)
    run_turns(loop)


@case
def call_soon_threadsafe_with_none(loop, implementation):
    loop.call_soon_threadsafe(None)
    run_turns(loop)


@case
def callback_that_needs_an_argument_gets_none(loop, implementation):
    loop.call_soon(lambda needed: None)
    run_turns(loop)


# ---- Timers


@case
def call_later_with_none_as_delay(loop, implementation):
    loop.call_later(None, int)


@case
def call_at_with_none_as_deadline(loop, implementation):
    loop.call_at(None, int)


@case
def call_later_with_a_string_as_delay(loop, implementation):
    loop.call_later("1", int)


@case
def call_later_without_callback(loop, implementation):
    loop.call_later(1)


@case
def call_later_with_nan_as_delay_does_not_hang_the_loop(loop, implementation):
    timer = loop.call_later(float("nan"), int)
    run_turns(loop)
    timer.cancel()
    run_turns(loop)


@case
def sleep_with_nan(loop, implementation):
    loop.run_until_complete(asyncio.sleep(float("nan")))


@case
def call_later_with_a_delay_of_a_million_years(loop, implementation):
    timer = loop.call_later(3.15e13, int)
    run_turns(loop)
    timer.cancel()


@case
def call_later_with_infinity(loop, implementation):
    timer = loop.call_later(float("inf"), int)
    run_turns(loop)
    timer.cancel()


@case
def call_later_with_minus_infinity(loop, implementation):
    loop.call_later(float("-inf"), loop.stop)
    loop.run_forever()


@case
def call_later_with_the_largest_float(loop, implementation):
    timer = loop.call_later(1.7e308, int)
    run_turns(loop)
    timer.cancel()


@case
def call_later_with_a_huge_integer(loop, implementation):
    timer = loop.call_later(10**12, int)
    run_turns(loop)
    timer.cancel()


@case
def call_later_with_an_integer_too_large_for_a_float(loop, implementation):
    loop.call_later(10**400, int)


@case
def near_timer_beside_one_of_a_million_years(loop, implementation):
    timer = loop.call_later(3.15e13, int)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    timer.cancel()


@case
def call_at_with_a_negative_deadline(loop, implementation):
    loop.call_at(-1e300, loop.stop)
    loop.run_forever()


# ---- Running


@case
def run_until_complete_with_none(loop, implementation):
    loop.run_until_complete(None)


@case
def run_until_complete_with_a_number(loop, implementation):
    loop.run_until_complete(42)


@case
def run_until_complete_with_a_coroutine_function(loop, implementation):
    loop.run_until_complete(return_none)


@case
def run_until_complete_with_a_generator(loop, implementation):
    loop.run_until_complete(number for number in [1])


@case
def run_until_complete_on_a_closed_loop(loop, implementation):
    loop.close()
    loop.run_until_complete(return_none())


@case
def run_until_complete_inside_the_loop(loop, implementation):
    async def main():
        loop.run_until_complete(return_none())

    loop.run_until_complete(main())


@case
def run_until_complete_of_another_loop_inside_the_loop(loop, implementation):
    other = implementation.new_event_loop()

    async def main():
        other.run_until_complete(return_none())

    try:
        loop.run_until_complete(main())
    finally:
        other.close()


@case
def run_until_complete_of_a_future_of_another_loop(loop, implementation):
    other = implementation.new_event_loop()
    try:
        loop.run_until_complete(other.create_future())
    finally:
        other.close()


@case
def asyncio_run_inside_the_loop(loop, implementation):
    async def main():
        asyncio.run(return_none())

    loop.run_until_complete(main())


@case
def close_inside_the_loop(loop, implementation):
    async def main():
        loop.close()

    loop.run_until_complete(main())


@case
def stop_with_an_argument(loop, implementation):
    loop.stop(1)


@case
def call_soon_from_another_thread_in_debug_mode(loop, implementation):
    loop.set_debug(True)
    errors = []

    def call():
        try:
            loop.call_soon(int)
        except Exception as error:
            errors.append(error)
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=call)
    loop.call_soon(thread.start)
    loop.run_forever()
    thread.join()
    raise errors[0]


@case
def run_in_executor_with_something_else_than_an_executor(loop, implementation):
    loop.run_in_executor("executor", int)


@case
def run_in_executor_with_something_that_cannot_be_called(loop, implementation):
    return loop.run_until_complete(loop.run_in_executor(None, "not callable"))


@case
def set_task_factory_with_something_that_cannot_be_called(loop, implementation):
    loop.set_task_factory("factory")


@case
def set_exception_handler_with_something_that_cannot_be_called(loop, implementation):
    loop.set_exception_handler("handler")


@case
def set_default_executor_with_none(loop, implementation):
    loop.set_default_executor(None)


# ---- Signals


@case
def add_signal_handler_with_sigkill(loop, implementation):
    loop.add_signal_handler(signal.SIGKILL, int)


@case
def add_signal_handler_with_a_number_out_of_range(loop, implementation):
    loop.add_signal_handler(signal.NSIG + 1, int)


@case
def add_signal_handler_with_zero(loop, implementation):
    loop.add_signal_handler(0, int)


@case
def add_signal_handler_with_a_string(loop, implementation):
    loop.add_signal_handler("SIGINT", int)


@case
def add_signal_handler_with_a_coroutine_function(loop, implementation):
    loop.add_signal_handler(signal.SIGUSR1, return_none)


@case
def add_signal_handler_on_a_closed_loop(loop, implementation):
    loop.close()
    loop.add_signal_handler(signal.SIGUSR1, int)


@case
def add_signal_handler_in_another_thread(loop, implementation):
    errors = []

    def add():
        try:
            loop.add_signal_handler(signal.SIGUSR1, int)
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=add)
    thread.start()
    thread.join()
    raise errors[0]


@case
def remove_signal_handler_with_a_number_out_of_range(loop, implementation):
    loop.remove_signal_handler(signal.NSIG + 1)


@case
def remove_signal_handler_that_was_never_added(loop, implementation):
    return loop.remove_signal_handler(signal.SIGUSR2)


# ---- The loop as an object


@case
def set_debug_with_none(loop, implementation):
    loop.set_debug(None)
    return bool(loop.get_debug())


@case
def call_exception_handler_with_an_empty_context(loop, implementation):
    loop.call_exception_handler({})


@case
def get_event_loop_of_a_thread_without_one(loop, implementation):
    errors = []

    def get():
        try:
            asyncio.get_event_loop()
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=get)
    thread.start()
    thread.join()
    raise errors[0]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_bad_input_ends_as_it_does_on_asyncios_own_loop(assert_ends_as_on_asyncio, case):
    assert_ends_as_on_asyncio(case)
