"""fastloop's Task and Future together with asyncio's, in every pairing, on fastloop's loop and on asyncio's own.

"own" is fastloop's class, "native" asyncio's.
"""

import asyncio
import functools
import sys

import pytest

import fastloop
from actors.coroutines import raise_some_error, return_argument, wait_for
from actors.failures import SomeError

TASKS = {"own": fastloop.Task, "native": asyncio.Task}
FUTURES = {"own": fastloop.Future, "native": asyncio.Future}


@pytest.fixture(params=TASKS)
def new_other_task(request, loop):
    """Like new_task, also for each class, for tests that need two of them."""
    return functools.partial(TASKS[request.param], loop=loop)


@pytest.fixture(params=FUTURES)
def new_future(request, loop):
    """A function that makes futures of one of the two classes on the loop."""
    return functools.partial(FUTURES[request.param], loop=loop)


@pytest.fixture
def future(new_future):
    return new_future()


def test_task_awaits_a_future(loop, new_task, future):
    task = new_task(wait_for(future))
    loop.call_soon(loop.call_soon, future.set_result, "result")
    assert loop.run_until_complete(task) == "result"


def test_task_awaits_a_future_that_is_done(loop, new_task, future):
    future.set_result("result")
    assert loop.run_until_complete(new_task(wait_for(future))) == "result"


def test_task_gets_the_exception_of_a_future(loop, new_task, future):
    task = new_task(wait_for(future))
    loop.call_soon(loop.call_soon, future.set_exception, SomeError())
    with pytest.raises(SomeError):
        loop.run_until_complete(task)


def test_task_awaits_a_task(loop, new_task, new_other_task):
    assert loop.run_until_complete(new_task(wait_for(new_other_task(return_argument("result"))))) == "result"


def test_cancelling_the_task_cancels_the_future(loop, run_turn, new_task, future):
    task = new_task(wait_for(future))
    run_turn()
    task.cancel("reason")
    run_turn()
    assert future.cancelled() and task.cancelled()
    with pytest.raises(asyncio.CancelledError, match="reason"):
        task.result()


def test_cancelling_the_future_cancels_the_task(loop, run_turn, new_task, future):
    task = new_task(wait_for(future))
    run_turn()
    future.cancel()
    run_turn()
    assert task.cancelled()


def test_cancelling_the_outer_task_cancels_the_inner_one(loop, run_turn, new_task, new_other_task):
    inner = new_other_task(wait_for(loop.create_future()))
    outer = new_task(wait_for(inner))
    run_turn()
    outer.cancel()
    run_turn(2)
    assert inner.cancelled() and outer.cancelled()


def test_what_a_task_waits_for_is_seen_as_an_asyncio_future(run_turn, new_task, future):
    task = new_task(wait_for(future))
    run_turn()
    assert task._fut_waiter is future
    assert isinstance(task._fut_waiter, asyncio.Future)
    future.set_result(None)
    run_turn()


def test_current_task_is_right_when_tasks_of_both_classes_alternate(loop, new_task, new_other_task):
    async def check():
        mine = asyncio.current_task()
        for _ in range(10):
            await asyncio.sleep(0)
            assert asyncio.current_task() is mine
        return mine

    tasks = [make(check()) for make in (new_task, new_other_task) * 5]
    loop.run_until_complete(asyncio.wait(tasks))
    assert [task.result() for task in tasks] == tasks


def test_all_tasks_sees_tasks_of_both_classes(loop, run_turn, new_task, new_other_task):
    first, second = new_task(return_argument()), new_other_task(return_argument())
    assert asyncio.all_tasks(loop) == {first, second}
    loop.run_until_complete(asyncio.wait([first, second]))
    assert asyncio.all_tasks(loop) == set()


def test_gather_mixes_tasks_futures_and_coroutines(loop, new_task, future):
    loop.call_soon(future.set_result, "future")

    async def main():
        return await asyncio.gather(new_task(return_argument("task")), future, return_argument("coroutine"))

    assert loop.run_until_complete(new_task(main())) == ["task", "future", "coroutine"]


def test_wait_mixes_tasks_and_futures(loop, new_task, new_future):
    future, task = new_future(), new_task(return_argument())
    loop.call_soon(future.set_result, None)

    async def main():
        done, pending = await asyncio.wait([future, task])
        return done == {future, task} and not pending

    assert loop.run_until_complete(new_task(main())) is True


def test_shield_protects_a_task_from_the_cancellation_of_another(loop, run_turn, new_task, new_other_task):
    inner = new_other_task(return_argument("survived"))

    async def outer():
        await asyncio.shield(inner)

    task = new_task(outer())
    run_turn()
    task.cancel()
    assert loop.run_until_complete(inner) == "survived"
    run_turn()
    assert task.cancelled()


def test_timeout_and_wait_for_work_in_a_task(loop, new_task, new_future):
    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await new_future()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(new_future(), 0.001)
        async with asyncio.timeout(10):
            await asyncio.sleep(0)
        return asyncio.current_task().cancelling()

    assert loop.run_until_complete(new_task(main())) == 0


def test_task_group_runs_in_a_task(loop, new_task):
    async def main():
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(return_argument(number)) for number in range(20)]
        return [task.result() for task in tasks]

    assert loop.run_until_complete(new_task(main())) == list(range(20))


def test_task_group_in_a_task_is_cancelled_by_a_failing_child(loop, new_task):
    async def main():
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                waiting = group.create_task(wait_for(loop.create_future()))
                group.create_task(raise_some_error())
        assert [type(error) for error in caught.value.exceptions] == [SomeError]
        return waiting.cancelled()

    assert loop.run_until_complete(new_task(main())) is True


async def test_factory_that_makes_one_class_works_on_the_loop(loop, new_task):
    loop.set_task_factory(lambda loop, coroutine, **options: new_task(coroutine, **options))
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(0), name="named")
    assert await asyncio.gather(*[return_argument(number) for number in range(5)]) == [0, 1, 2, 3, 4]


async def test_locks_hand_over_between_tasks_of_both_classes(loop, new_task, new_other_task):
    lock, order, inside = asyncio.Lock(), [], []

    async def enter(number):
        async with lock:
            inside.append(number)
            assert len(inside) == 1
            await asyncio.sleep(0)
            order.append(inside.pop())

    tasks = [(new_task, new_other_task)[number % 2](enter(number)) for number in range(10)]
    await asyncio.gather(*tasks)
    assert order == list(range(10))


def test_done_callbacks_of_both_classes_get_the_future(run_turn, new_task, new_future):
    received = []
    future, task = new_future(), new_task(return_argument())
    future.add_done_callback(received.append)
    task.add_done_callback(received.append)
    future.set_result(None)
    run_turn(3)
    assert received == [future, task]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are new in Python 3.12")
def test_eager_task_of_one_class_starts_inside_a_task_of_the_other(loop, new_task, new_other_task):
    order = []

    async def child():
        order.append(asyncio.current_task())
        await asyncio.sleep(0)
        order.append(asyncio.current_task())

    async def main():
        mine = asyncio.current_task()
        task = new_other_task(child(), eager_start=True)
        assert asyncio.current_task() is mine
        await task
        return order == [task, task]

    assert loop.run_until_complete(new_task(main())) is True


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are new in Python 3.12")
def test_eager_factory_for_one_class_works_in_a_task_of_the_other(loop, new_task):
    async def main():
        loop.set_task_factory(asyncio.create_eager_task_factory(fastloop.Task))
        task = asyncio.create_task(return_at_once())
        loop.set_task_factory(asyncio.eager_task_factory)
        native = asyncio.create_task(return_at_once())
        loop.set_task_factory(None)
        return task.done(), native.done()

    async def return_at_once():
        pass

    assert loop.run_until_complete(new_task(main())) == (True, True)


@pytest.mark.skipif(sys.version_info < (3, 14), reason="call graphs are new in Python 3.14")
def test_call_graph_goes_through_tasks_of_the_same_class(loop, new_task):
    async def inner():
        await asyncio.sleep(0)
        return [waiter.future.get_name() for waiter in asyncio.capture_call_graph().awaited_by]

    async def main():
        return await new_task(inner(), name="inner")

    assert loop.run_until_complete(new_task(main(), name="outer")) == ["outer"]
