"""call_soon_threadsafe() and run_coroutine_threadsafe(): the only ways into the loop from another thread.

What they do under strain is in tests/threads.
"""

import asyncio
import concurrent.futures
import sys
import threading

import pytest

from actors.callbacks import StoppingCallback
from actors.coroutines import raise_error, wait_until_cancelled
from actors.kernel import until
from actors.threads import call_in_thread


@pytest.fixture
def in_thread():
    """A function that runs another one in a new thread; the test ends when all of them have."""
    threads = []

    def start(function, *args):
        thread = threading.Thread(target=function, args=args)
        threads.append(thread)
        thread.start()
        return thread

    yield start
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_callback_from_another_thread_wakes_a_loop_that_sleeps_and_runs_in_its_thread(loop, in_thread):
    callback = StoppingCallback(loop, lambda argument: (argument, threading.get_ident()))
    in_thread(loop.call_soon_threadsafe, callback, "argument")
    loop.run_forever()
    assert callback.results == [("argument", threading.get_ident())]


def test_call_from_the_loops_own_thread_works_too(loop):
    loop.call_soon(loop.call_soon_threadsafe, loop.stop)
    loop.run_forever()


def test_call_before_the_loop_runs_is_kept(loop, in_thread):
    in_thread(loop.call_soon_threadsafe, loop.stop).join()
    loop.run_forever()


def test_handle_from_another_thread_can_be_cancelled_in_the_loops(loop, run_turn):
    calls = []
    handle = loop.call_soon_threadsafe(calls.append, 1)
    assert isinstance(handle, asyncio.Handle)
    handle.cancel()
    run_turn()
    assert calls == []


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="asyncio's handle has a lock since Python 3.14")
def test_cancel_in_another_thread_does_not_wait_for_the_callback_that_runs(loop, in_thread):
    outcomes = []

    def cancel():
        handle.cancel()
        outcomes.append(handle.cancelled())
        is_cancelled.set()

    def callback():
        in_thread(cancel)
        outcomes.append(is_cancelled.wait(10))
        loop.stop()

    is_cancelled = threading.Event()
    handle = loop.call_soon_threadsafe(callback)
    loop.run_forever()
    assert outcomes == [True, True]


def test_call_on_a_closed_loop_raises_runtime_error_in_the_other_thread(loop):
    loop.close()
    with pytest.raises(RuntimeError, match="^Event loop is closed$"):
        call_in_thread(loop.call_soon_threadsafe, int)


def test_threads_that_schedule_while_the_loop_closes_get_runtime_error(new_loop, in_thread):
    loop = new_loop()
    is_started, errors = threading.Event(), []

    def schedule():
        is_started.set()
        try:
            while True:
                loop.call_soon_threadsafe(int)
        except RuntimeError as error:
            errors.append(str(error))

    thread = in_thread(schedule)
    is_started.wait(10)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    thread.join(10)
    assert errors == ["Event loop is closed"]


async def test_coroutine_of_another_thread_returns_its_result_there(loop):
    async def add(x, y):
        await asyncio.sleep(0.001)
        return x + y

    assert await asyncio.to_thread(lambda: asyncio.run_coroutine_threadsafe(add(1, 2), loop).result(10)) == 3


async def test_coroutine_of_another_thread_raises_its_exception_there(loop):
    failing = raise_error(ZeroDivisionError("in the loop"))
    error = await asyncio.to_thread(lambda: asyncio.run_coroutine_threadsafe(failing, loop).exception(10))
    assert type(error) is ZeroDivisionError


async def test_cancelling_the_concurrent_future_cancels_the_coroutine(loop):
    is_started, cancellations = threading.Event(), []

    async def wait():
        is_started.set()
        await wait_until_cancelled(cancellations)

    def submit_and_cancel():
        future = asyncio.run_coroutine_threadsafe(wait(), loop)
        assert is_started.wait(10)
        future.cancel()
        with pytest.raises(concurrent.futures.CancelledError):
            future.result(10)

    await asyncio.to_thread(submit_and_cancel)
    await until(lambda: cancellations)


def test_loops_of_two_threads_send_each_other_callbacks(new_loop, in_thread):
    here, there = new_loop(), new_loop()
    bounces = []

    def bounce(count):
        bounces.append(count)
        if count == 0:
            here.call_soon_threadsafe(here.stop)
            there.call_soon_threadsafe(there.stop)
        else:
            (here if count % 2 else there).call_soon_threadsafe(bounce, count - 1)

    in_thread(there.run_forever)
    here.call_soon(bounce, 1000)
    here.run_forever()
    assert bounces == list(range(1000, -1, -1))


def test_task_that_another_thread_starts_eagerly_does_not_disturb_the_loops_tasks(implementation, loop, in_thread):
    if implementation.name == "asyncio" and sys.version_info < (3, 14):
        pytest.skip("asyncio's tasks fail, and hang forever")
    is_asked, is_tried = threading.Event(), threading.Event()
    outcomes, steps = [], []

    async def never():
        steps.append(threading.get_ident())

    def start():
        is_asked.wait(10)
        coroutine = never()
        try:
            implementation.Task(coroutine, loop=loop, eager_start=True)
        except RuntimeError as error:
            outcomes.append(type(error))
            coroutine.close()
        is_tried.set()

    async def main():
        me = asyncio.current_task()
        is_asked.set()
        while not is_tried.is_set():
            await asyncio.sleep(0)
            assert asyncio.current_task() is me
        # Left out of the loop's record.
        assert asyncio.all_tasks() == {me}

    # asyncio says that the task was destroyed.
    loop.set_exception_handler(lambda loop, context: None)
    in_thread(start)
    loop.run_until_complete(main())
    assert is_tried.is_set()
    assert (steps, outcomes) == ([], [RuntimeError])
