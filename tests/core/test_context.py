"""contextvars: which context a callback, a task, a timer or a watcher runs in."""

import asyncio
import contextvars
import signal
import sys
import weakref

import pytest

from actors.callbacks import StoppingCallback
from actors.threads import in_thread

variable = contextvars.ContextVar("variable", default="default")


@pytest.fixture
def other_context():
    """A context in which the variable is "other"."""
    context = contextvars.copy_context()
    context.run(variable.set, "other")
    return context


def test_callback_runs_in_a_copy_of_the_context_that_scheduled_it(loop, run_turn):
    seen = []

    def in_context():
        variable.set("scheduled")
        loop.call_soon(lambda: seen.append(variable.get()))
        variable.set("changed afterwards")

    contextvars.copy_context().run(in_context)
    run_turn()
    assert seen == ["scheduled"]
    assert variable.get() == "default"


@pytest.mark.parametrize("method, when", [("call_soon", []), ("call_later", [0]), ("call_at", [0]), ("call_soon_threadsafe", [])])
def test_callback_runs_in_the_context_that_is_given(loop, other_context, method, when):
    seen = []

    def callback():
        seen.append(variable.get())
        variable.set("changed by the callback")
        loop.stop()

    getattr(loop, method)(*when, callback, context=other_context)
    loop.run_forever()
    assert seen == ["other"]
    assert other_context[variable] == "changed by the callback"
    assert variable.get() == "default"


def test_change_in_one_callback_is_not_seen_by_another_with_its_own_copy(loop, run_turn):
    seen = []
    loop.call_soon(variable.set, "changed", context=contextvars.copy_context())
    loop.call_soon(lambda: seen.append(variable.get()), context=contextvars.copy_context())
    run_turn()
    assert seen == ["default"]


def test_callbacks_that_share_a_context_see_each_others_changes(loop, run_turn, other_context):
    seen = []
    loop.call_soon(variable.set, "changed", context=other_context)
    loop.call_soon(lambda: seen.append(variable.get()), context=other_context)
    run_turn()
    assert seen == ["changed"]


def test_failing_callback_leaves_the_context(loop, run_turn, other_context):
    loop.set_exception_handler(lambda loop, context: None)
    loop.call_soon(lambda: 1 / 0, context=other_context)
    run_turn()
    assert variable.get() == "default"
    other_context.run(int)


def test_exception_handler_runs_in_the_context_of_the_callback(loop, run_turn, other_context):
    seen = []
    loop.set_exception_handler(lambda loop, context: seen.append(variable.get()))
    loop.call_soon(lambda: 1 / 0, context=other_context)
    run_turn()
    # asyncio does this from Python 3.12 on.
    assert seen == ["other" if sys.version_info >= (3, 12) else "default"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Handle.get_context() is new in Python 3.12")
def test_handle_tells_its_context(loop, other_context):
    handle, timer = loop.call_soon(int, context=other_context), loop.call_later(10, int, context=other_context)
    assert handle.get_context() is other_context
    assert timer.get_context() is other_context
    handle.cancel()
    timer.cancel()


def test_task_runs_in_a_copy_of_the_context_that_made_it(loop):
    async def change():
        before = variable.get()
        variable.set("changed by the task")
        await asyncio.sleep(0)
        return before, variable.get()

    async def main():
        variable.set("set by main")
        task = asyncio.create_task(change())
        variable.set("changed by main")
        return await task, variable.get()

    assert loop.run_until_complete(main()) == (("set by main", "changed by the task"), "changed by main")
    assert variable.get() == "default"


def test_task_runs_in_the_context_that_is_given(loop, other_context):
    async def read():
        before = variable.get()
        await asyncio.sleep(0)
        variable.set("changed by the task")
        return before

    assert loop.run_until_complete(loop.create_task(read(), context=other_context)) == "other"
    assert other_context[variable] == "changed by the task"


async def test_tasks_that_interleave_keep_their_own_values(loop):
    async def count(name):
        for number in range(20):
            variable.set((name, number))
            await asyncio.sleep(0)
            assert variable.get() == (name, number)

    await asyncio.gather(*[count(name) for name in range(20)])


def test_done_callback_runs_in_the_context_that_added_it(loop, run_turn, other_context):
    seen = []
    future = loop.create_future()
    other_context.run(future.add_done_callback, lambda future: seen.append(variable.get()))
    future.add_done_callback(lambda future: seen.append(variable.get()))
    future.add_done_callback(lambda future: seen.append(variable.get()), context=other_context)
    future.set_result(None)
    run_turn()
    assert seen == ["other", "default", "other"]


def test_reader_runs_in_the_context_that_added_it(loop, left, right, other_context):
    read = StoppingCallback(loop, variable.get)
    other_context.run(loop.add_reader, left, read)
    right.send(b"x")
    loop.run_forever()
    loop.remove_reader(left)
    assert read.results == ["other"]


def test_signal_handler_runs_in_the_context_that_added_it(loop, other_context):
    handler = StoppingCallback(loop, variable.get)
    other_context.run(loop.add_signal_handler, signal.SIGUSR1, handler)
    loop.call_soon(signal.raise_signal, signal.SIGUSR1)
    loop.run_forever()
    loop.remove_signal_handler(signal.SIGUSR1)
    assert handler.results == ["other"]


def test_callback_of_another_thread_runs_in_that_threads_context(loop):
    callback = StoppingCallback(loop, variable.get)

    def set_and_call():
        variable.set("set in the thread")
        loop.call_soon_threadsafe(callback)

    with in_thread(set_and_call):
        loop.run_forever()
    assert callback.results == ["set in the thread"]


def test_context_is_released_when_the_callback_ran(loop, run_turn):
    class Value:
        pass

    value = Value()
    reference = weakref.ref(value)
    context = contextvars.copy_context()
    context.run(variable.set, value)
    loop.call_soon(int, context=context)
    del value, context
    assert reference() is not None
    run_turn()
    assert reference() is None
