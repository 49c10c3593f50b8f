"""Bad input to futures gives asyncio's own exception, and never a hang."""

import asyncio
import warnings

import pytest

from actors.cases import Cases, run_turns

case = Cases()


def uninitialised(implementation):
    return implementation.Future.__new__(implementation.Future)


def done(future):
    future.set_result(1)
    return future


def iterator_of(future):
    """The iterator of an awaited future that has yielded once."""
    iterator = iter(future)
    next(iterator)
    return iterator


def failed_with(error, future):
    future.set_exception(error)
    return future.exception()


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
def future_made_without_any_loop(loop, implementation):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asyncio.set_event_loop(None)
        implementation.Future()


case.calls(
    future_read_while_pending=lambda loop, _: loop.create_future().result(),
    future_with_a_string_as_exception=lambda loop, _: loop.create_future().set_exception("error"),
    future_with_none_as_exception=lambda loop, _: loop.create_future().set_exception(None),
    future_with_a_class_that_is_no_exception=lambda loop, _: loop.create_future().set_exception(int),
    future_callback_with_positional_context=lambda loop, _: loop.create_future().add_done_callback(int, None),
    future_made_with_a_positional_loop=lambda loop, implementation: implementation.Future(loop),
    future_result_set_twice=lambda loop, _: done(loop.create_future()).set_result(2),
    future_exception_set_after_the_result=lambda loop, _: done(loop.create_future()).set_exception(ValueError()),
    future_with_stop_iteration_as_exception=lambda loop, _: failed_with(StopIteration(), loop.create_future()),
    future_with_stop_iteration_class_as_exception=lambda loop, _: failed_with(StopIteration, loop.create_future()),
    future_whose_log_traceback_is_set=lambda loop, _: setattr(loop.create_future(), "_log_traceback", True),
    future_awaited_outside_a_task=lambda loop, _: next(iterator_of(loop.create_future())),
    future_iterator_that_gets_an_exception_thrown_in=lambda loop, _: iterator_of(loop.create_future()).throw(KeyError("thrown")),
    future_iterator_that_gets_an_int_thrown_in=lambda loop, _: iterator_of(loop.create_future()).throw(42),
    future_that_was_never_initialised=lambda loop, implementation: uninitialised(implementation).get_loop(),
    future_that_was_never_initialised_and_gets_a_result=lambda loop, implementation: uninitialised(implementation).set_result(1),
    future_that_was_never_initialised_and_gets_a_callback=lambda _, implementation: uninitialised(implementation).add_done_callback(int),
    future_that_was_never_initialised_and_is_cancelled=lambda loop, implementation: uninitialised(implementation).cancel(),
    future_that_was_never_initialised_and_is_shown=lambda loop, implementation: bool(repr(uninitialised(implementation))),
)


@pytest.mark.parametrize("name", case)
def test_bad_input_ends_as_it_does_on_asyncios_own_loop(assert_ends_as_on_asyncio, name):
    assert_ends_as_on_asyncio(case[name])
