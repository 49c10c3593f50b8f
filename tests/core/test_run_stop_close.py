"""The life of a loop: run_forever(), run_until_complete(), stop(), close(), and what each of them leaves behind."""

import asyncio
import concurrent.futures
import contextlib
import gc
import re
import sys
import threading
import weakref

import pytest

from actors.callbacks import Callback
from actors.coroutines import raise_error, wait_until_cancelled
from actors.failures import raising
from actors.threads import call_in_thread


async def return_42():
    await asyncio.sleep(0)
    return 42


class SomeBaseException(BaseException):
    """Neither KeyboardInterrupt nor SystemExit."""


class Awaitable:
    def __await__(self):
        return return_42().__await__()


WAYS_TO_42 = {
    "coroutine": lambda loop: return_42(),
    "task": lambda loop: loop.create_task(return_42()),
    "other awaitable": lambda loop: Awaitable(),
}


@pytest.mark.parametrize("way", WAYS_TO_42)
def test_run_until_complete_returns_the_result_of_any_awaitable(loop, way):
    assert loop.run_until_complete(WAYS_TO_42[way](loop)) == 42


def test_run_until_complete_returns_the_result_of_a_future(loop, future):
    loop.call_soon(future.set_result, "result")
    assert loop.run_until_complete(future) == "result"


def test_run_until_complete_of_a_future_that_is_done_returns_its_result(loop, future):
    future.set_result("done")
    assert loop.run_until_complete(future) == "done"


def test_run_until_complete_raises_the_exception_of_the_coroutine(loop):
    with pytest.raises(ZeroDivisionError, match="message"):
        loop.run_until_complete(raise_error(ZeroDivisionError("message")))


def test_run_until_complete_raises_cancelled_error_when_its_task_is_cancelled(loop):
    task = loop.create_task(asyncio.sleep(1000))
    loop.call_soon(task.cancel)
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)


def test_run_until_complete_that_is_stopped_early_raises_runtime_error(loop, future):
    loop.call_soon(loop.stop)
    with pytest.raises(RuntimeError, match=re.escape("Event loop stopped before Future completed.")):
        loop.run_until_complete(future)


def test_run_until_complete_refuses_a_future_of_another_loop(loop, new_loop):
    with pytest.raises(ValueError):
        loop.run_until_complete(new_loop().create_future())


def test_run_until_complete_leaves_no_callback_on_the_future(loop, future):
    loop.call_soon(loop.stop)
    with pytest.raises(RuntimeError):
        loop.run_until_complete(future)
    # The first call's callback, if it were still there, would stop the second run too early.
    later = loop.create_future()
    loop.call_soon(future.set_result, None)
    loop.call_later(0.005, later.set_result, "later")
    assert loop.run_until_complete(later) == "later"


def test_stop_ends_the_run_after_the_current_turn(loop):
    order = []
    loop.call_soon(order.append, 1)
    loop.call_soon(loop.stop)
    loop.call_soon(order.append, 2)
    loop.call_soon(lambda: loop.call_soon(order.append, 3))
    loop.run_forever()
    assert order == [1, 2]


def test_no_task_is_current_after_a_last_turn_that_ended_with_a_tasks_step(loop):
    steps = []

    async def take_steps():
        while len(steps) < 3:
            steps.append(asyncio.current_task() is task)
            await asyncio.sleep(0)

    loop.call_soon(loop.stop)
    task = loop.create_task(take_steps())
    loop.run_forever()
    assert steps == [True]
    assert asyncio.current_task(loop) is None

    loop.run_until_complete(task)
    assert steps == [True] * 3
    assert asyncio.current_task(loop) is None


def test_stop_before_run_forever_makes_one_turn(loop):
    order = []
    loop.call_soon(order.append, 1)
    loop.stop()
    loop.run_forever()
    assert order == [1]


def test_stop_twice_stops_one_run_only(loop):
    loop.stop()
    loop.stop()
    loop.run_forever()
    loop.call_later(0.001, loop.stop)
    loop.run_forever()


def test_loop_can_run_again_after_stop(loop):
    order = []
    for number in range(3):
        loop.call_soon(order.append, number)
        loop.call_soon(loop.stop)
        loop.run_forever()
    assert order == [0, 1, 2]


def test_is_running_is_true_inside_and_false_outside(loop, run_turn):
    seen = []
    assert loop.is_running() is False
    loop.call_soon(lambda: seen.append(loop.is_running()))
    run_turn()
    assert seen == [True]
    assert loop.is_running() is False


def test_running_loop_is_known_inside_callbacks_and_tasks_only(loop):
    seen = []

    async def in_task():
        seen.append(asyncio.get_running_loop())

    loop.call_soon(lambda: seen.append(asyncio.get_running_loop()))
    loop.run_until_complete(in_task())
    assert seen == [loop, loop]
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


def test_running_loop_is_forgotten_when_a_run_ends_with_an_exception(loop):
    loop.call_soon(raising(SystemExit(3)))
    with pytest.raises(SystemExit):
        loop.run_forever()
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
    assert not loop.is_running()


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit])
def test_exceptions_that_end_programs_leave_run_forever(loop, run_turn, exception):
    order = []
    loop.call_soon(raising(exception))
    loop.call_soon(order.append, "after")
    with pytest.raises(exception):
        loop.run_forever()
    run_turn()
    assert order == ["after"]


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit])
def test_exceptions_that_end_programs_leave_run_until_complete_out_of_a_task(loop, exception):
    with pytest.raises(exception):
        loop.run_until_complete(raise_error(exception))


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit])
def test_exception_that_ended_the_run_counts_as_retrieved_after_the_next_one(loop, reported, exception, debug):
    loop.set_debug(debug)
    # A Runner also makes the task itself.
    task = loop.create_task(raise_error(exception))
    with pytest.raises(exception):
        loop.run_until_complete(task)
    loop.run_until_complete(asyncio.sleep(0))
    del task
    gc.collect()
    assert reported == []


def test_other_base_exceptions_are_reported_and_do_not_end_the_run(loop, run_turn, reported):
    loop.call_soon(raising(SomeBaseException))
    run_turn()
    assert [type(context["exception"]) for context in reported] == [SomeBaseException]


@pytest.fixture
def refuses_nested_run_forever(implementation):
    """Skip on the Pythons in which asyncio's loop forgets that it runs when it refuses a nested run_forever()."""
    if implementation.name == "asyncio" and sys.version_info[:3] in [(3, 13, 0), (3, 13, 1)]:
        pytest.skip("defect of asyncio in Python 3.13.0")


async def test_run_until_complete_of_a_loop_that_runs_raises_runtime_error(loop):
    with contextlib.closing(return_42()) as coroutine:
        with pytest.raises(RuntimeError, match="already running"):
            loop.run_until_complete(coroutine)


async def test_run_forever_of_a_loop_that_runs_raises_runtime_error(loop, refuses_nested_run_forever):
    with pytest.raises(RuntimeError, match="already running"):
        loop.run_forever()
    assert loop.is_running()
    assert asyncio.get_running_loop() is loop


def test_running_another_loop_inside_a_running_one_raises_runtime_error(loop, new_loop, refuses_nested_run_forever):
    other = new_loop()

    async def run_other():
        with pytest.raises(RuntimeError, match="another loop is running"):
            other.run_forever()
        assert asyncio.get_running_loop() is loop

    loop.run_until_complete(run_other())
    assert not other.is_running()
    assert other.run_until_complete(return_42()) == 42


def test_two_loops_run_in_turn(new_loop):
    first, second = new_loop(), new_loop()
    for _ in range(5):
        assert first.run_until_complete(return_42()) == 42
        assert second.run_until_complete(return_42()) == 42


def test_loops_run_in_many_threads_at_once(new_loop):
    are_all_there = threading.Barrier(8)

    async def count():
        are_all_there.wait(30)
        for _ in range(200):
            await asyncio.sleep(0)
        return threading.get_ident()

    with concurrent.futures.ThreadPoolExecutor(8) as executor:
        threads = list(executor.map(lambda loop: loop.run_until_complete(count()), [new_loop() for _ in range(8)]))
    assert len(set(threads)) == 8


def test_loop_made_in_one_thread_can_run_in_another(new_loop):
    loop = new_loop()
    assert call_in_thread(lambda: loop.run_until_complete(return_42())) == 42


def test_close_makes_is_closed_true(loop):
    assert loop.is_closed() is False
    loop.close()
    assert loop.is_closed() is True


def test_second_close_does_nothing(loop):
    loop.close()
    loop.close()


async def test_closing_a_loop_that_runs_raises_runtime_error(loop):
    with pytest.raises(RuntimeError, match="Cannot close a running event loop"):
        loop.close()
    assert not loop.is_closed()


METHODS = {"call_soon": [int], "call_soon_threadsafe": [int], "call_later": [1, int], "call_at": [1, int]}
METHODS |= {"run_forever": [], "run_in_executor": [None, int], "add_reader": [0, int], "add_writer": [0, int]}


@pytest.mark.parametrize("method", METHODS)
def test_closed_loop_raises_runtime_error(loop, method):
    loop.close()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        getattr(loop, method)(*METHODS[method])


@pytest.mark.parametrize("method", ["run_until_complete", "create_task"])
def test_closed_loop_refuses_a_coroutine(loop, method):
    loop.close()
    with contextlib.closing(return_42()) as coroutine:
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            getattr(loop, method)(coroutine)


def test_callbacks_left_at_close_never_run_and_are_freed(new_loop):
    loop = new_loop()
    ready, timer = Callback(), Callback()
    calls = ready.calls, timer.calls
    references = weakref.ref(ready), weakref.ref(timer)
    loop.call_soon(ready)
    loop.call_later(0, timer)
    del ready, timer
    loop.close()
    gc.collect()
    assert [reference() for reference in references] == [None, None]
    assert calls == ([], [])


def test_handles_left_at_close_can_still_be_cancelled(new_loop):
    loop = new_loop()
    handles = [loop.call_soon(int), loop.call_later(10, int)]
    loop.close()
    for handle in handles:
        handle.cancel()
    assert [handle.cancelled() for handle in handles] == [True, True]


def use_callbacks(loop):
    loop.call_soon(loop.stop)
    loop.call_later(10, loop.stop)
    loop.run_forever()


def use_tasks(loop):
    loop.run_until_complete(asyncio.wait([loop.create_task(return_42()) for _ in range(10)]))


@pytest.mark.parametrize("use", [use_callbacks, use_tasks])
def test_closed_loop_is_freed_when_nobody_refers_to_it(implementation, no_leaks, use):
    loop = implementation.new_event_loop()
    use(loop)
    loop.close()
    reference = weakref.ref(loop)
    del loop
    gc.collect()
    assert reference() is None


def test_loop_that_was_never_closed_warns_when_it_is_freed(implementation, no_leaks):
    loop = implementation.new_event_loop()
    with pytest.warns(ResourceWarning, match="unclosed event loop"):
        del loop
        gc.collect()


def test_repr_tells_the_state(loop):
    loop.set_debug(False)
    assert re.search(r"running=False closed=False debug=False", repr(loop))
    loop.close()
    assert "closed=True" in repr(loop)


def test_runner_closes_its_loop(implementation, no_leaks):
    with asyncio.Runner(loop_factory=implementation.new_event_loop) as runner:
        assert type(runner.get_loop()) is implementation.EventLoop
        assert runner.run(return_42()) == 42
        loop = runner.get_loop()
    assert loop.is_closed()


def test_runner_cancels_the_tasks_that_are_left(implementation, no_leaks):
    cancellations = []

    async def main():
        asyncio.get_running_loop().keep = asyncio.create_task(wait_until_cancelled(cancellations))
        await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=implementation.new_event_loop) as runner:
        runner.run(main())
    assert len(cancellations) == 1
