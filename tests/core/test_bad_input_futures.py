"""Bad input to futures gives asyncio's own exception, and never a hang."""

import asyncio
import warnings

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


@case
def future_result_set_twice(loop, implementation):
    future = loop.create_future()
    future.set_result(1)
    future.set_result(2)


@case
def future_exception_set_after_the_result(loop, implementation):
    future = loop.create_future()
    future.set_result(1)
    future.set_exception(ValueError())


@case
def future_read_while_pending(loop, implementation):
    loop.create_future().result()


@case
def future_with_stop_iteration_as_exception(loop, implementation):
    future = loop.create_future()
    future.set_exception(StopIteration())
    return future.exception()


@case
def future_with_stop_iteration_class_as_exception(loop, implementation):
    future = loop.create_future()
    future.set_exception(StopIteration)
    return future.exception()


@case
def future_with_a_string_as_exception(loop, implementation):
    loop.create_future().set_exception("error")


@case
def future_with_none_as_exception(loop, implementation):
    loop.create_future().set_exception(None)


@case
def future_with_a_class_that_is_no_exception(loop, implementation):
    loop.create_future().set_exception(int)


@case
def future_with_an_exception_class_that_cannot_be_made(loop, implementation):
    class NeedsArgument(Exception):
        def __init__(self, needed):
            pass

    loop.create_future().set_exception(NeedsArgument)


@case
def future_with_a_callback_that_cannot_be_called(loop, implementation):
    future = loop.create_future()
    future.add_done_callback("not callable")
    future.set_result(None)
    run_turns(loop)


@case
def future_callback_with_positional_context(loop, implementation):
    loop.create_future().add_done_callback(int, None)


@case
def future_made_without_any_loop(loop, implementation):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asyncio.set_event_loop(None)
        implementation.Future()


@case
def future_made_with_a_positional_loop(loop, implementation):
    implementation.Future(loop)


@case
def future_whose_log_traceback_is_set(loop, implementation):
    loop.create_future()._log_traceback = True


@case
def future_that_was_never_initialised(loop, implementation):
    implementation.Future.__new__(implementation.Future).get_loop()


@case
def future_that_was_never_initialised_and_gets_a_result(loop, implementation):
    implementation.Future.__new__(implementation.Future).set_result(1)


@case
def future_that_was_never_initialised_and_gets_a_callback(loop, implementation):
    implementation.Future.__new__(implementation.Future).add_done_callback(int)


@case
def future_that_was_never_initialised_and_is_cancelled(loop, implementation):
    implementation.Future.__new__(implementation.Future).cancel()


@case
def future_that_was_never_initialised_and_is_shown(loop, implementation):
    return bool(repr(implementation.Future.__new__(implementation.Future)))


@case
def future_awaited_outside_a_task(loop, implementation):
    iterator = iter(loop.create_future())
    next(iterator)
    next(iterator)


@case
def future_iterator_that_gets_an_exception_thrown_in(loop, implementation):
    iterator = iter(loop.create_future())
    next(iterator)
    iterator.throw(KeyError("thrown"))


@case
def future_iterator_that_gets_an_int_thrown_in(loop, implementation):
    iterator = iter(loop.create_future())
    next(iterator)
    iterator.throw(42)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_bad_input_ends_as_it_does_on_asyncios_own_loop(assert_ends_as_on_asyncio, case):
    assert_ends_as_on_asyncio(case)
