"""asyncio.capture_call_graph(): which tasks wait for a task or a future, by each of asyncio's ways of waiting. New in Python 3.14."""

import asyncio
import functools
import inspect
import sys
import sysconfig

import pytest

import fastloop
from actors.coroutines import raise_error, wait_for

pytestmark = pytest.mark.skipif(sys.version_info < (3, 14), reason="call graphs are new in Python 3.14")

has_gil = not sysconfig.get_config_var("Py_GIL_DISABLED")


def awaiters(future):
    """The names of the tasks that wait for future."""
    return sorted(entry.future.get_name() for entry in asyncio.capture_call_graph(future).awaited_by)


def only_if_recorded_by(waiting):
    """Patch releases of Python 3.14 differ in what asyncio itself records."""
    if sys.version_info >= (3, 14) and "awaited_by" not in inspect.getsource(waiting):
        pytest.skip(f"in this patch release of Python {waiting.__name__}() does not record its waiter")


@pytest.fixture
def settle(run_turn):
    """A function that runs turns of the loop until all tasks wait."""

    def run():
        run_turn(6)

    return run


# Ways of waiting for a task that runs child()


async def by_await(child):
    await asyncio.create_task(child())


async def by_task_group(child):
    async with asyncio.TaskGroup() as group:
        group.create_task(child())


async def by_gather(child):
    await asyncio.gather(child(), asyncio.sleep(0))


async def by_shield(child):
    await asyncio.shield(child())


async def by_wait(child):
    await asyncio.wait([asyncio.create_task(child())])


async def by_wait_for(child):
    await asyncio.wait_for(asyncio.create_task(child()), 60)


async def by_timeout(child):
    async with asyncio.timeout(60):
        await asyncio.create_task(child())


async def by_as_completed(child):
    only_if_recorded_by(asyncio.tasks._AsCompletedIterator)
    async for earliest in asyncio.as_completed([child()]):
        await earliest


async def by_staggered_race(child):
    await asyncio.staggered.staggered_race([child], None)


WAYS = [by_await, by_task_group, by_gather, by_shield, by_wait, by_wait_for, by_timeout, by_as_completed, by_staggered_race]


def names_of_those_who_wait(loop, settle, way, new_parent):
    """Have a task called "parent" wait for a child; return the names of the tasks that wait for it according to the graph."""
    goes_on, children = loop.create_future(), []

    async def child():
        children.append(asyncio.current_task())
        await goes_on

    parent = new_parent(way(child), name="parent")
    settle()
    names = awaiters(children[0]) if children else None
    goes_on.set_result(None)
    loop.run_until_complete(parent)
    return names


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_debug", [False, True], ids=["release", "debug"])
def test_task_is_awaited_by_the_task_that_waits_for_it(loop, settle, way, is_debug):
    loop.set_debug(is_debug)
    assert names_of_those_who_wait(loop, settle, way, loop.create_task) == ["parent"]


def assert_awaited_until_the_cancellation_ends(loop, settle, new_child, new_parent):
    only_if_recorded_by(asyncio.tasks._cancel_and_wait)
    goes_on = loop.create_future()

    async def child():
        try:
            await loop.create_future()
        finally:
            await goes_on

    task = new_child(child())
    settle()
    parent = new_parent(asyncio.wait_for(task, 0), name="parent")
    settle()
    assert awaiters(task) == ["parent"]
    goes_on.set_result(None)
    with pytest.raises(TimeoutError):
        loop.run_until_complete(parent)


def test_task_that_is_cancelled_by_wait_for_is_awaited_until_it_ends(loop, settle):
    assert_awaited_until_the_cancellation_ends(loop, settle, loop.create_task, loop.create_task)


# The graph


def test_future_is_awaited_by_every_task_that_waits_for_it(loop, future, settle):
    tasks = [loop.create_task(wait_for(future), name=f"task {number}") for number in range(3)]
    settle()
    assert awaiters(future) == ["task 0", "task 1", "task 2"]
    future.set_result(None)
    loop.run_until_complete(asyncio.wait(tasks))
    assert awaiters(future) == []


def test_graph_of_the_current_task_has_the_frames_of_those_who_wait(loop):
    async def inner():
        await asyncio.sleep(0)
        return asyncio.capture_call_graph()

    async def middle():
        return await asyncio.create_task(inner())

    async def outer():
        async with asyncio.TaskGroup() as group:
            task = group.create_task(middle())
        return task.result()

    graph = loop.run_until_complete(outer())
    names = []
    while True:
        names.append([entry.frame.f_code.co_name for entry in graph.call_stack])
        if not graph.awaited_by:
            break
        (graph,) = graph.awaited_by
    assert names == [["inner"], ["middle"], ["_aexit", "__aexit__", "outer"]]


def test_graph_is_printed_as_text(loop, future, settle):
    task = loop.create_task(wait_for(future), name="the task")
    settle()
    text = asyncio.format_call_graph(future)
    assert f"* Future(id={id(future):#x})\n  + Awaited by:\n    * Task(name='the task', id={id(task):#x})" in text
    assert "async wait_for()" in text
    future.set_result(None)
    loop.run_until_complete(task)


def test_callback_that_wakes_no_task_is_nobody_who_waits(loop, settle):
    future, task = loop.create_future(), loop.create_task(wait_for(loop.create_future()))

    def callback(future, cur_task=task):
        pass

    settle()
    for other_callback in (callback, functools.partial(callback), [].append, task.cancel, type("Callable", (), {"__call__": callback})()):
        future.add_done_callback(other_callback)
    assert awaiters(future) == []
    future.cancel()
    task.cancel()
    settle()


# The end of waiting


def test_task_that_outlives_gather_is_awaited_by_nobody(loop, settle):
    only_if_recorded_by(asyncio.tasks.gather)
    if not hasattr(asyncio.tasks, "_discard_awaited_by"):
        pytest.skip("in this patch release of Python a failed gather() is still recorded as waiting")

    async def outer():
        with pytest.raises(ValueError):
            await asyncio.gather(task, raise_error(ValueError))
        return awaiters(task)

    task = loop.create_task(wait_for(loop.create_future()))
    assert loop.run_until_complete(outer()) == []
    task.cancel()
    settle()


def test_task_that_outlives_wait_is_awaited_by_nobody(loop, settle):
    task = loop.create_task(wait_for(loop.create_future()))
    loop.run_until_complete(asyncio.wait([task], timeout=0.001))
    assert awaiters(task) == []
    task.cancel()
    settle()


def test_task_that_outlives_its_shield_is_awaited_by_nobody(loop, settle):
    task = loop.create_task(wait_for(loop.create_future()))
    parent = loop.create_task(wait_for(by_shield(lambda: task)), name="parent")
    settle()
    assert awaiters(task) == ["parent"]
    parent.cancel()
    settle()
    assert awaiters(task) == []
    task.cancel()
    settle()


# Both kinds of tasks


def test_future_of_the_loop_is_awaited_by_a_task_of_either_kind(implementation, loop, settle, new_task):
    if implementation.name == "asyncio" and new_task.func is fastloop.Task and not has_gil:
        pytest.skip("without the GIL asyncio's C futures record only asyncio's own tasks as waiters")
    future = loop.create_future()
    task = new_task(wait_for(future), name="task")
    settle()
    assert awaiters(future) == ["task"]
    future.set_result(None)
    loop.run_until_complete(task)


@pytest.mark.parametrize("way", WAYS)
def test_own_task_is_awaited_by_a_task_of_either_kind(loop, settle, new_task, way):
    loop.set_task_factory(lambda loop, coroutine, **options: fastloop.Task(coroutine, loop=loop, **options))
    assert names_of_those_who_wait(loop, settle, way, new_task) == ["parent"]


def test_wait_for_out_of_time_is_seen_from_a_task_of_either_kind(loop, settle, new_task):
    assert_awaited_until_the_cancellation_ends(loop, settle, functools.partial(fastloop.Task, loop=loop), new_task)


@pytest.mark.skipif(not has_gil, reason="without the GIL asyncio's C futures record only asyncio's own tasks as waiters")
def test_own_task_that_waits_for_a_native_future_is_seen(loop, settle):
    future = asyncio.Future(loop=loop)
    task = fastloop.Task(wait_for(future), loop=loop, name="own")
    settle()
    assert awaiters(future) == ["own"]
    future.set_result(None)
    loop.run_until_complete(task)


def test_task_written_in_python_does_not_break_the_graph(implementation, loop, settle):
    future = implementation.Future(loop=loop)
    task = asyncio.tasks._PyTask(wait_for(future), loop=loop)
    settle()
    assert asyncio.capture_call_graph(future).awaited_by == ()
    future.set_result(None)
    loop.run_until_complete(task)
