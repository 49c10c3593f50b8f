"""Debug mode: what it checks, what it remembers, what it reports."""

import asyncio
import logging
import os
import sys
import time

import pytest

from actors.programs import run_python
from actors.threads import call_in_thread


@pytest.fixture
def debug_loop(loop):
    loop.set_debug(True)
    return loop


@pytest.fixture
def slow_callback_log(debug_loop):
    """The warnings about slow callbacks, with a threshold of 5 ms."""

    class Collector(logging.Handler):
        def emit(self, record):
            if "took" in record.getMessage():
                messages.append(record.getMessage())

    messages = []
    collector = Collector(logging.WARNING)
    debug_loop.slow_callback_duration = 0.005
    logging.getLogger("asyncio").addHandler(collector)
    yield messages
    logging.getLogger("asyncio").removeHandler(collector)


async def a_coroutine():
    pass


def test_debug_mode_is_off_unless_asked_for(loop):
    assert loop.get_debug() is bool(sys.flags.dev_mode or os.environ.get("PYTHONASYNCIODEBUG"))


def test_debug_mode_can_be_switched(loop):
    loop.set_debug(True)
    assert loop.get_debug() is True
    # Libraries read it.
    assert loop._debug is True
    loop.set_debug(False)
    assert (loop.get_debug(), loop._debug) == (False, False)


@pytest.mark.parametrize("environment, options", [({"PYTHONASYNCIODEBUG": "1"}, []), ({}, ["-X", "dev"])], ids=["variable", "dev mode"])
def test_environment_switches_debug_mode_on(implementation, tmp_path, environment, options):
    make = {"fastloop": "fastloop.new_event_loop()", "asyncio": "asyncio.new_event_loop()"}[implementation.name]
    program = f"import asyncio, {implementation.name}; loop = {make}; print(loop.get_debug()); loop.close()"
    finished = run_python(*options, "-c", program, folder=tmp_path, env={**os.environ, **environment})
    assert (finished.stdout, finished.stderr) == ("True\n", "")


def test_slow_callback_is_logged_with_its_duration(debug_loop, slow_callback_log, run_turn):
    def a_slow_callback():
        time.sleep(0.01)

    debug_loop.call_soon(a_slow_callback)
    run_turn()
    (message,) = slow_callback_log
    assert "a_slow_callback" in message
    assert float(message.rpartition("took ")[2].split()[0]) >= 0.01


def test_slow_step_of_a_task_is_logged(debug_loop, slow_callback_log):
    async def a_slow_coroutine():
        time.sleep(0.01)

    debug_loop.run_until_complete(a_slow_coroutine())
    assert len(slow_callback_log) == 1
    assert "a_slow_coroutine" in slow_callback_log[0]


def test_slow_timer_is_logged(debug_loop, slow_callback_log):
    debug_loop.call_later(0, time.sleep, 0.01)
    debug_loop.call_later(0.001, debug_loop.stop)
    debug_loop.run_forever()
    assert len(slow_callback_log) == 1


def test_quick_callback_is_not_logged(debug_loop, slow_callback_log, run_turn):
    debug_loop.slow_callback_duration = 10
    debug_loop.call_soon(int)
    run_turn()
    assert slow_callback_log == []


def test_slow_callback_without_debug_mode_is_not_logged(loop, slow_callback_log, run_turn):
    loop.set_debug(False)
    loop.call_soon(time.sleep, 0.01)
    run_turn()
    assert slow_callback_log == []


def test_threshold_of_slow_callbacks_is_a_tenth_of_a_second(loop):
    assert loop.slow_callback_duration == 0.1


@pytest.mark.parametrize("method, when", [("call_soon", []), ("call_later", [10]), ("call_at", [1e9])])
async def test_scheduling_from_another_thread_raises_runtime_error(debug_loop, method, when):
    with pytest.raises(RuntimeError, match="Non-thread-safe operation"):
        await debug_loop.run_in_executor(None, getattr(debug_loop, method), *when, int)


async def test_scheduling_from_another_thread_is_not_checked_without_debug_mode(loop):
    loop.set_debug(False)
    await loop.run_in_executor(None, loop.call_soon, int)


def test_call_soon_threadsafe_is_allowed_from_another_thread(debug_loop):
    debug_loop.run_until_complete(debug_loop.run_in_executor(None, debug_loop.call_soon_threadsafe, int))


def test_scheduling_before_the_loop_runs_is_allowed_from_any_thread(debug_loop, run_turn):
    call_in_thread(debug_loop.call_soon, int)
    run_turn()


@pytest.mark.parametrize("method, when", [("call_soon", []), ("call_soon_threadsafe", []), ("call_later", [0]), ("call_at", [0])])
def test_coroutine_function_as_callback_raises_type_error(debug_loop, method, when):
    with pytest.raises(TypeError, match="coroutines cannot be used with"):
        getattr(debug_loop, method)(*when, a_coroutine)


def test_coroutine_as_callback_raises_type_error(debug_loop):
    coroutine = a_coroutine()
    with pytest.raises(TypeError, match="coroutines cannot be used with call_soon"):
        debug_loop.call_soon(coroutine)
    coroutine.close()


def test_coroutine_function_in_the_executor_raises_type_error(debug_loop):
    with pytest.raises(TypeError, match="coroutines cannot be used with run_in_executor"):
        debug_loop.run_in_executor(None, a_coroutine)


def test_what_cannot_be_called_raises_type_error(debug_loop):
    with pytest.raises(TypeError, match="a callable object was expected by call_soon"):
        debug_loop.call_soon("not callable")


@pytest.mark.parametrize("method, args", [("call_soon", [int]), ("call_later", [0, int]), ("create_future", [])])
def test_handle_timer_and_future_remember_where_they_were_made(debug_loop, run_turn, method, args):
    made = getattr(debug_loop, method)(*args)
    # The trace of asyncio's own future ends with create_future(), which is Python code there.
    innermost = made._source_traceback[-2:] if method == "create_future" else made._source_traceback[-1:]
    assert "test_handle_timer_and_future_remember_where_they_were_made" in [frame.name for frame in innermost]
    assert "created at" in repr(made)
    assert method == "create_future" or "test_debug_mode.py" in repr(made)
    run_turn()


def test_task_remembers_where_it_was_made(debug_loop):
    task = debug_loop.create_task(a_coroutine())
    assert task._source_traceback[-1].name == "test_task_remembers_where_it_was_made"
    debug_loop.run_until_complete(task)


def test_nothing_is_remembered_without_debug_mode(loop, run_turn):
    loop.set_debug(False)
    handle, future, task = loop.call_soon(int), loop.create_future(), loop.create_task(a_coroutine())
    assert handle._source_traceback is None
    assert future._source_traceback is None
    assert task._source_traceback is None
    run_turn()


def test_report_of_a_failed_callback_tells_where_it_was_made(debug_loop, run_turn, reported):
    debug_loop.call_soon(lambda: 1 / 0)
    run_turn()
    (context,) = reported
    assert context["source_traceback"][-1].name == "test_report_of_a_failed_callback_tells_where_it_was_made"


def test_cancelled_handle_still_tells_what_it_was(debug_loop, run_turn):
    def a_callback_with_a_name():
        pass

    handle = debug_loop.call_soon(a_callback_with_a_name)
    handle.cancel()
    assert "a_callback_with_a_name" in repr(handle)
    run_turn()


def test_debug_mode_tracks_where_coroutines_were_made_while_it_runs(debug_loop):
    async def main():
        return sys.get_coroutine_origin_tracking_depth()

    depth_outside = sys.get_coroutine_origin_tracking_depth()
    assert debug_loop.run_until_complete(main()) > 0
    assert sys.get_coroutine_origin_tracking_depth() == depth_outside


def test_debug_mode_switched_on_while_running_tracks_coroutines_from_then_on(loop):
    loop.set_debug(False)

    async def main():
        loop.set_debug(True)
        await asyncio.sleep(0.001)
        depth = sys.get_coroutine_origin_tracking_depth()
        loop.set_debug(False)
        await asyncio.sleep(0.001)
        return depth, sys.get_coroutine_origin_tracking_depth()

    on, off = loop.run_until_complete(main())
    assert on > 0
    assert off == 0
