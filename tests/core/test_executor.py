"""run_in_executor() and to_thread(): blocking functions in threads, their results in the loop."""

import asyncio
import concurrent.futures
import contextlib
import contextvars
import functools
import gc
import threading
import time
from unittest import mock

import pytest

from actors.coroutines import cancel
from actors.failures import raising
from actors.threads import in_thread


def divide(x, y):
    return x / y


def test_exception_of_the_function_is_raised_where_it_is_awaited(loop):
    with pytest.raises(ZeroDivisionError):
        loop.run_until_complete(loop.run_in_executor(None, divide, 6, 0))


def test_exception_that_nobody_awaits_is_reported_as_that_of_a_future(loop, reported):
    async def main():
        work = loop.run_in_executor(None, divide, 6, 0)
        assert repr(work).startswith("<Future ")
        while not work.done():
            await asyncio.sleep(0.001)

    loop.run_until_complete(main())
    gc.collect()
    assert [context["message"] for context in reported] == ["Future exception was never retrieved"]


def test_function_runs_in_another_thread(loop):
    identity = loop.run_until_complete(loop.run_in_executor(None, threading.get_ident))
    assert identity != threading.get_ident()


async def test_loop_goes_on_while_the_function_blocks(loop):
    is_released = threading.Event()
    blocked = loop.run_in_executor(None, is_released.wait, 10)
    await asyncio.sleep(0)
    is_released.set()
    assert await blocked is True


def test_awaiting_returns_a_future_of_the_loop(loop):
    future = loop.run_in_executor(None, int)
    assert isinstance(future, asyncio.Future)
    assert future.get_loop() is loop
    assert loop.run_until_complete(future) == 0


async def test_results_of_many_functions_arrive_each_at_its_own_future(loop):
    assert await asyncio.gather(*[loop.run_in_executor(None, divide, number, 1) for number in range(500)]) == list(range(500))


@pytest.mark.parametrize("is_default", [False, True], ids=["given", "default"])
def test_executor_that_is_given_or_set_as_default_is_used(loop, is_default):
    with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="own") as executor:
        if is_default:
            loop.set_default_executor(executor)
        name = loop.run_until_complete(loop.run_in_executor(None if is_default else executor, lambda: threading.current_thread().name))
    assert name.startswith("own")


def test_default_executor_that_is_no_thread_pool_is_refused(loop):
    with pytest.raises(TypeError):
        loop.set_default_executor(object())


async def test_cancelling_the_future_does_not_wait_for_the_function(loop):
    is_released = threading.Event()
    future = loop.run_in_executor(None, is_released.wait, 10)
    await asyncio.sleep(0)
    await cancel(future)
    is_released.set()


async def test_function_that_did_not_start_is_cancelled_with_its_future(loop):
    is_released, calls = threading.Event(), []
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        blocking = loop.run_in_executor(executor, is_released.wait, 10)
        waiting = loop.run_in_executor(executor, calls.append, 1)
        waiting.cancel()
        # The concurrent future is cancelled through the loop.
        await asyncio.sleep(0)
        is_released.set()
        await blocking
    assert calls == []


async def test_to_thread_carries_the_context(loop):
    variable = contextvars.ContextVar("variable", default="default")
    variable.set("set by the task")
    assert await asyncio.to_thread(variable.get) == "set by the task"


async def test_shutdown_of_the_default_executor_waits_for_its_functions(loop):
    finished = []

    def work():
        time.sleep(0.01)
        finished.append(True)

    future = loop.run_in_executor(None, work)
    await loop.shutdown_default_executor()
    assert finished == [True]
    await future


def test_default_executor_cannot_be_used_after_its_shutdown(loop):
    loop.run_until_complete(loop.run_in_executor(None, int))
    loop.run_until_complete(loop.shutdown_default_executor())
    with pytest.raises(RuntimeError, match="shutdown"):
        loop.run_in_executor(None, int)


def test_function_that_ends_after_the_loop_closed_harms_nobody(new_loop, logged_errors):
    loop = new_loop()
    is_released, is_finished = threading.Event(), threading.Event()

    def work():
        is_released.wait(10)
        is_finished.set()

    executor = concurrent.futures.ThreadPoolExecutor(1)
    future = loop.run_in_executor(executor, work)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    is_released.set()
    executor.shutdown(wait=True)
    assert is_finished.is_set()
    assert not future.done()


async def test_wrapped_concurrent_future_completes_in_the_loop(loop):
    concurrent_future = concurrent.futures.Future()
    wrapped = asyncio.wrap_future(concurrent_future)
    with in_thread(concurrent_future.set_result, "done"):
        assert await wrapped == "done"


# Exceptions that asyncio's futures convert


def skip_where_asyncio_hangs(implementation, loop):
    """Until 3.11.7 and 3.12.1 asyncio's future refuses StopIteration, and one that waits for an executor stays pending."""
    if implementation.name == "asyncio":
        future = implementation.Future(loop=loop)
        try:
            future.set_exception(StopIteration())
        except TypeError:
            pytest.skip("asyncio's future stays pending forever")
        assert isinstance(future.exception(), RuntimeError)


@pytest.mark.parametrize("function", [functools.partial(next, iter([])), raising(StopIteration(5))], ids=["next", "with a value"])
async def test_stop_iteration_becomes_runtime_error(implementation, loop, function):
    skip_where_asyncio_hangs(implementation, loop)
    with pytest.raises(RuntimeError, match="StopIteration interacts badly") as caught:
        await loop.run_in_executor(None, function)
    assert isinstance(caught.value.__cause__, StopIteration)
    with pytest.raises(RuntimeError, match="StopIteration interacts badly"):
        await asyncio.wait_for(asyncio.to_thread(function), 10)


@pytest.mark.parametrize(
    "error, expected",
    [
        (concurrent.futures.CancelledError("message"), asyncio.CancelledError),
        (concurrent.futures.TimeoutError("message"), asyncio.TimeoutError),
        (concurrent.futures.InvalidStateError("message"), asyncio.InvalidStateError),
        (asyncio.CancelledError("message"), asyncio.CancelledError),
        (asyncio.InvalidStateError("message"), asyncio.InvalidStateError),
        (concurrent.futures.BrokenExecutor("message"), concurrent.futures.BrokenExecutor),
        (StopAsyncIteration("message"), StopAsyncIteration),
        (GeneratorExit("message"), GeneratorExit),
    ],
    ids=lambda value: type(value).__module__ + "." + type(value).__name__ if isinstance(value, BaseException) else "",
)
async def test_exceptions_of_concurrent_futures_become_asyncios(loop, error, expected):
    future = loop.run_in_executor(None, raising(error))
    # Not `await future`: where the work takes longer, a task throws GeneratorExit into the outermost coroutine. Python then closes
    # the coroutine that this one awaits with a GeneratorExit of its own.
    await asyncio.wait([future])
    with pytest.raises(expected) as caught:
        future.result()
    assert type(caught.value) is expected
    assert caught.value.args == ("message",)


def executor_that_returns(future):
    return mock.Mock(submit=lambda function, *args: future)


def test_future_of_asyncios_from_an_executor_is_returned_as_it_is(loop, future):
    assert loop.run_in_executor(executor_that_returns(future), int) is future


@pytest.mark.skipif(not __debug__, reason="asyncio asserts")
def test_executor_that_returns_no_future_is_refused(loop):
    with pytest.raises(AssertionError, match="concurrent.futures.Future is expected"):
        loop.run_in_executor(executor_that_returns(5), int)


@pytest.mark.fastloop_only
def test_exception_that_is_none_fails_the_future(loop):
    work = concurrent.futures.Future()
    work.set_exception("no exception")
    with pytest.raises(TypeError):
        loop.run_until_complete(loop.run_in_executor(executor_that_returns(work), int))


def test_exception_class_from_an_executor_becomes_an_instance(loop):
    work = concurrent.futures.Future()
    work.set_exception(ValueError)
    with pytest.raises(ValueError):
        loop.run_until_complete(loop.run_in_executor(executor_that_returns(work), int))


class ExecutorInTheSameThread:
    """Runs what it is given at once."""

    def submit(self, function, *args):
        future = concurrent.futures.Future()
        future.set_running_or_notify_cancel()
        future.set_result(function(*args))
        return future


def test_work_that_ended_in_the_loops_thread_is_there_as_soon_as_on_asyncio(implementation, asyncio_implementation):
    async def turns_until_done():
        turns = 0
        future = asyncio.get_running_loop().run_in_executor(ExecutorInTheSameThread(), int, "5")
        while not future.done():
            turns += 1
            await asyncio.sleep(0)
        assert future.result() == 5
        return turns

    turns = []
    for make_loop in implementation.new_event_loop, asyncio_implementation.new_event_loop:
        with contextlib.closing(make_loop()) as loop:
            turns.append(loop.run_until_complete(turns_until_done()))
    assert turns[0] == turns[1]
