"""run_in_executor() and to_thread(): blocking functions in threads, their results in the loop."""

import asyncio
import concurrent.futures
import contextvars
import threading
import time

import pytest


def divide(x, y):
    return x / y


def test_result_of_the_function_is_awaited(loop):
    assert loop.run_until_complete(loop.run_in_executor(None, divide, 6, 3)) == 2


def test_exception_of_the_function_is_raised_where_it_is_awaited(loop):
    with pytest.raises(ZeroDivisionError):
        loop.run_until_complete(loop.run_in_executor(None, divide, 6, 0))


def test_function_runs_in_another_thread(loop):
    identity = loop.run_until_complete(loop.run_in_executor(None, threading.get_ident))
    assert identity != threading.get_ident()


def test_loop_goes_on_while_the_function_blocks(loop):
    is_released = threading.Event()

    async def main():
        blocked = loop.run_in_executor(None, is_released.wait, 10)
        await asyncio.sleep(0)
        is_released.set()
        return await blocked

    assert loop.run_until_complete(main()) is True


def test_awaiting_returns_a_future_of_the_loop(loop):
    future = loop.run_in_executor(None, int)
    assert isinstance(future, asyncio.Future)
    assert future.get_loop() is loop
    assert loop.run_until_complete(future) == 0


def test_results_of_many_functions_arrive_each_at_its_own_future(loop):
    async def main():
        return await asyncio.gather(*[loop.run_in_executor(None, divide, number, 1) for number in range(500)])

    assert loop.run_until_complete(main()) == list(range(500))


def test_given_executor_is_used(loop):
    with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="given") as executor:
        name = loop.run_until_complete(loop.run_in_executor(executor, lambda: threading.current_thread().name))
    assert name.startswith("given")


def test_default_executor_can_be_set(loop):
    loop.set_default_executor(concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="set"))
    name = loop.run_until_complete(loop.run_in_executor(None, lambda: threading.current_thread().name))
    assert name.startswith("set")


def test_default_executor_that_is_no_thread_pool_is_refused(loop):
    with pytest.raises(TypeError):
        loop.set_default_executor(object())


def test_cancelling_the_future_does_not_wait_for_the_function(loop):
    is_released = threading.Event()

    async def main():
        future = loop.run_in_executor(None, is_released.wait, 10)
        await asyncio.sleep(0)
        future.cancel()
        with pytest.raises(asyncio.CancelledError):
            await future
        is_released.set()

    loop.run_until_complete(main())


def test_function_that_did_not_start_is_cancelled_with_its_future(loop):
    is_released, calls = threading.Event(), []

    async def main():
        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            blocking = loop.run_in_executor(executor, is_released.wait, 10)
            waiting = loop.run_in_executor(executor, calls.append, 1)
            waiting.cancel()
            # The concurrent future is told through the loop.
            await asyncio.sleep(0)
            is_released.set()
            await blocking

    loop.run_until_complete(main())
    assert calls == []


def test_to_thread_carries_the_context(loop):
    variable = contextvars.ContextVar("variable", default="default")

    async def main():
        variable.set("set by the task")
        return await asyncio.to_thread(variable.get)

    assert loop.run_until_complete(main()) == "set by the task"


def test_shutdown_of_the_default_executor_waits_for_its_functions(loop):
    finished = []

    def work():
        time.sleep(0.01)
        finished.append(True)

    async def main():
        future = loop.run_in_executor(None, work)
        await loop.shutdown_default_executor()
        assert finished == [True]
        await future

    loop.run_until_complete(main())


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


def test_wrapped_concurrent_future_completes_in_the_loop(loop):
    concurrent_future = concurrent.futures.Future()

    async def main():
        wrapped = asyncio.wrap_future(concurrent_future)
        thread = threading.Thread(target=concurrent_future.set_result, args=("done",))
        thread.start()
        result = await wrapped
        thread.join()
        return result

    assert loop.run_until_complete(main()) == "done"
