"""Bad input gives asyncio's own exception, and never a hang.

Each case runs on a loop of its own, on the implementation under test and on asyncio's; both must end alike.
"""

import asyncio
import gc
import os
import select
import signal
import socket
import threading
import types
import warnings

import pytest

CASES = {}


def case(function):
    """Register function(loop, implementation): what it returns or raises is compared."""
    CASES[function.__name__] = function
    return function


class Hang(BaseException):
    pass


def outcome_of(function, implementation):
    """Run function on a new loop; return what it returned, or the type, or the type of its exception, and what the loop reported."""

    def give_up(number, frame):
        raise Hang

    loop = implementation.new_event_loop()
    reported = []
    loop.set_exception_handler(lambda loop, context: reported.append(type(context.get("exception"))))
    former = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, 10)
    try:
        with warnings.catch_warnings():
            # A coroutine that a refused call leaves behind is not the point here.
            warnings.simplefilter("ignore", RuntimeWarning)
            try:
                returned = function(loop, implementation)
                ended = ("returned", returned if isinstance(returned, str | bool) else type(returned))
            except Exception as error:
                ended = ("raised", type(error))
            gc.collect()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
        assert not loop.is_running()
        if not loop.is_closed():
            loop.set_task_factory(None)
            loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
    return ended, reported


def run_turns(loop, count=3):
    for _ in range(count):
        loop.call_soon(loop.stop)
        loop.run_forever()


def is_done_after_some_turns(loop, task):
    """For tasks that asyncio's own loop never finishes."""
    run_turns(loop)
    task._log_destroy_pending = False
    return task.done()


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


# ---- Futures


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


# ---- Tasks


@types.coroutine
def yield_object(something):
    yield something


@case
def task_of_a_number(loop, implementation):
    implementation.Task(42, loop=loop)


@case
def task_of_none(loop, implementation):
    loop.create_task(None)


@case
def task_of_a_coroutine_function(loop, implementation):
    loop.create_task(return_none)


@case
def task_of_a_future(loop, implementation):
    loop.create_task(loop.create_future())


@case
def task_without_any_loop(loop, implementation):
    coroutine = return_none()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            asyncio.set_event_loop(None)
            implementation.Task(coroutine)
    finally:
        coroutine.close()


@case
def task_with_an_unknown_keyword(loop, implementation):
    implementation.Task(return_none(), loop=loop, unknown=1)


@case
def task_that_was_never_initialised(loop, implementation):
    implementation.Task.__new__(implementation.Task).get_loop()


@case
def task_that_was_never_initialised_and_is_cancelled(loop, implementation):
    return implementation.Task.__new__(implementation.Task).cancel()


@case
def task_that_was_never_initialised_and_is_shown(loop, implementation):
    return bool(repr(implementation.Task.__new__(implementation.Task)))


@case
def coroutine_that_yields_a_number(loop, implementation):
    async def main():
        await yield_object(42)

    loop.run_until_complete(main())


@case
def coroutine_that_yields_a_string(loop, implementation):
    async def main():
        await yield_object("rubbish")

    loop.run_until_complete(main())


@case
def coroutine_that_yields_a_coroutine(loop, implementation):
    async def main():
        await yield_object(return_none())

    loop.run_until_complete(main())


@case
def coroutine_that_yields_a_generator(loop, implementation):
    async def main():
        await yield_object(number for number in [1])

    loop.run_until_complete(main())


@case
def coroutine_that_yields_a_future_without_await(loop, implementation):
    async def main():
        await yield_object(loop.create_future())

    loop.run_until_complete(main())


@case
def coroutine_that_yields_a_broken_future(loop, implementation):
    class Broken:
        _asyncio_future_blocking = True

    async def main():
        await yield_object(Broken())

    return is_done_after_some_turns(loop, loop.create_task(main()))


@case
def coroutine_that_yields_a_future_whose_callback_fails(loop, implementation):
    class Broken:
        _asyncio_future_blocking = True

        def get_loop(self):
            return loop

        def add_done_callback(self, callback, *, context=None):
            raise ZeroDivisionError

    async def main():
        await yield_object(Broken())

    return is_done_after_some_turns(loop, loop.create_task(main()))


@case
def coroutine_that_yields_rubbish_and_catches_the_error(loop, implementation):
    async def main():
        try:
            await yield_object(42)
        except RuntimeError:
            return "caught"

    return loop.run_until_complete(main())


@case
def task_that_awaits_itself(loop, implementation):
    async def main():
        await asyncio.current_task()

    loop.run_until_complete(main())


@case
def task_that_awaits_a_future_of_another_loop(loop, implementation):
    other = implementation.new_event_loop()

    async def main():
        await other.create_future()

    try:
        loop.run_until_complete(main())
    finally:
        other.close()


@case
def coroutine_that_raises_stop_iteration(loop, implementation):
    async def main():
        raise StopIteration

    loop.run_until_complete(main())


@case
def coroutine_that_awaits_a_number(loop, implementation):
    async def main():
        await 42

    loop.run_until_complete(main())


@case
def coroutine_object_that_returns_rubbish_from_send(loop, implementation):
    class Coroutine:
        def send(self, value):
            return 42

        def throw(self, *args):
            raise StopIteration

        def close(self):
            pass

        def __await__(self):
            return self

        def __iter__(self):
            return self

    async def main():
        await asyncio.ensure_future(Coroutine(), loop=loop)

    loop.run_until_complete(main())


@case
def coroutine_that_is_run_by_two_tasks(loop, implementation):
    async def wait():
        await asyncio.sleep(0.001)

    async def main():
        coroutine = wait()
        await asyncio.gather(loop.create_task(coroutine), implementation.Task(coroutine, loop=loop))

    loop.run_until_complete(main())


@case
def coroutine_that_was_run_before(loop, implementation):
    coroutine = return_none()
    loop.run_until_complete(coroutine)
    loop.run_until_complete(coroutine)


@case
def coroutine_that_ignores_generator_exit(loop, implementation):
    async def main():
        raise GeneratorExit

    try:
        loop.run_until_complete(main())
    except GeneratorExit:
        return "GeneratorExit"


@case
def create_task_on_a_closed_loop(loop, implementation):
    loop.close()
    loop.create_task(return_none())


@case
def create_task_with_a_context_that_is_a_string(loop, implementation):
    coroutine = return_none()
    try:
        return is_done_after_some_turns(loop, loop.create_task(coroutine, context="context"))
    finally:
        coroutine.close()


@case
def create_task_with_an_unknown_keyword(loop, implementation):
    loop.create_task(return_none(), unknown=1)


@case
def task_whose_result_is_set_from_outside(loop, implementation):
    task = loop.create_task(return_none())
    try:
        task.set_result(1)
    finally:
        loop.run_until_complete(task)


@case
def task_factory_that_returns_rubbish(loop, implementation):
    loop.set_task_factory(lambda loop, coroutine, **options: coroutine.close() or 42)
    return loop.create_task(return_none())


@case
def task_factory_that_fails(loop, implementation):
    def factory(loop, coroutine, **options):
        coroutine.close()
        raise ZeroDivisionError

    loop.set_task_factory(factory)
    loop.create_task(return_none())


# ---- Descriptors


def closed_descriptor():
    left, right = socket.socketpair()
    fd = left.fileno()
    left.close()
    right.close()
    return fd


@case
def add_reader_with_a_closed_descriptor(loop, implementation):
    loop.add_reader(closed_descriptor(), int)


@case
def add_writer_with_a_closed_descriptor(loop, implementation):
    loop.add_writer(closed_descriptor(), int)


@case
def remove_reader_with_a_closed_descriptor(loop, implementation):
    return loop.remove_reader(closed_descriptor())


@case
def add_reader_with_a_negative_descriptor(loop, implementation):
    loop.add_reader(-1, int)


@case
def remove_reader_with_a_negative_descriptor(loop, implementation):
    loop.remove_reader(-1)


@case
def add_reader_with_a_string(loop, implementation):
    loop.add_reader("file", int)


@case
def add_reader_with_none(loop, implementation):
    loop.add_reader(None, int)


@case
def add_reader_with_a_float(loop, implementation):
    loop.add_reader(1.5, int)


@case
def add_reader_with_a_huge_number(loop, implementation):
    loop.add_reader(2**80, int)


@case
def add_reader_with_a_number_above_the_limit(loop, implementation):
    loop.add_reader(2**30, int)


@case
def add_reader_with_a_closed_socket_object(loop, implementation):
    left, right = socket.socketpair()
    left.close()
    right.close()
    loop.add_reader(left, int)


@case
def add_reader_with_an_object_whose_fileno_is_rubbish(loop, implementation):
    class File:
        def fileno(self):
            return "rubbish"

    loop.add_reader(File(), int)


@case
def add_reader_with_an_object_whose_fileno_fails(loop, implementation):
    class File:
        def fileno(self):
            raise ZeroDivisionError

    loop.add_reader(File(), int)


@case
def add_reader_without_callback(loop, implementation):
    left, right = socket.socketpair()
    try:
        loop.add_reader(left)
    finally:
        left.close()
        right.close()


@case
def add_reader_with_something_that_cannot_be_called(loop, implementation):
    left, right = socket.socketpair()
    right.send(b"x")
    try:
        loop.add_reader(left, "not callable")
        run_turns(loop, 1)
    finally:
        loop.remove_reader(left)
        left.close()
        right.close()


@case
def sock_recv_on_a_blocking_socket_in_debug_mode(loop, implementation):
    loop.set_debug(True)
    left, right = socket.socketpair()
    try:
        loop.run_until_complete(loop.sock_recv(left, 10))
    finally:
        left.close()
        right.close()


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


@case
def reader_of_a_regular_file(loop, implementation):
    # poll(2), unlike epoll, takes regular files.
    if "FASTLOOP_FORCE_POLL" in os.environ or not hasattr(select, "epoll"):
        return
    with open(__file__) as file:
        loop.add_reader(file, int)


@pytest.mark.parametrize("name", CASES)
def test_bad_input_ends_as_it_does_on_asyncios_own_loop(implementation, asyncio_implementation, no_leaks, name):
    expected = outcome_of(CASES[name], asyncio_implementation)
    assert outcome_of(CASES[name], implementation) == expected
