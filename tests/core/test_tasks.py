"""Task: its steps, cancellation, registration, factories and eager starts."""

import asyncio
import contextlib
import contextvars
import functools
import gc
import sys
import types
import weakref

import pytest

from actors.coroutines import raise_some_error, return_argument, wait_for, wait_for_ever, wait_until_cancelled
from actors.failures import SomeError


@pytest.fixture
def waiting(loop, run_turn):
    """A task that waits, until the test has ended."""
    task = loop.create_task(wait_for_ever(), name="waiting")
    run_turn()
    yield task
    task.cancel()
    run_turn()


def test_loop_creates_tasks_of_its_implementation(implementation, loop):
    task = loop.create_task(return_argument())
    assert type(task) is implementation.Task
    assert isinstance(task, asyncio.Task) and isinstance(task, asyncio.Future)
    assert issubclass(implementation.Task, implementation.Future)
    loop.run_until_complete(task)


async def test_create_task_and_ensure_future_inside_the_loop_give_the_same_class(implementation, loop):
    tasks = [asyncio.create_task(return_argument()), asyncio.ensure_future(return_argument())]
    await asyncio.gather(*tasks)
    assert {type(task) for task in tasks} == {implementation.Task}


def test_task_does_not_start_before_the_next_turn(loop, run_turn):
    order = []

    async def step():
        order.append("task")

    task = loop.create_task(step())
    order.append("created")
    run_turn()
    assert order == ["created", "task"]
    assert task.done()


async def test_tasks_take_steps_in_turn(loop):
    order = []

    async def count(name):
        for number in range(3):
            order.append((name, number))
            await asyncio.sleep(0)

    await asyncio.gather(count("a"), count("b"))
    assert order == [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", 2), ("b", 2)]


async def test_task_takes_its_turn_among_callbacks(loop):
    order = []
    loop.call_soon(order.append, "callback 1")
    task = asyncio.create_task(return_argument())
    task.add_done_callback(lambda task: order.append("task done"))
    loop.call_soon(order.append, "callback 2")
    await asyncio.sleep(0)
    order.append("main")
    await task
    assert order == ["callback 1", "callback 2", "main", "task done"]


def test_result_and_exception_of_the_coroutine_are_the_tasks(loop):
    good, bad = loop.create_task(return_argument("result")), loop.create_task(raise_some_error())
    loop.run_until_complete(asyncio.wait([good, bad]))
    assert good.result() == "result" and good.exception() is None
    assert isinstance(bad.exception(), SomeError)


def test_result_of_a_task_cannot_be_set_from_outside(loop):
    task = loop.create_task(return_argument())
    with pytest.raises(RuntimeError):
        task.set_result(1)
    with pytest.raises(RuntimeError):
        task.set_exception(SomeError())
    loop.run_until_complete(task)


def test_name_is_given_or_made_up_and_can_be_changed(loop):
    named, unnamed = loop.create_task(return_argument(), name="given"), loop.create_task(return_argument())
    assert named.get_name() == "given"
    assert unnamed.get_name().startswith("Task-")
    unnamed.set_name(12)
    assert unnamed.get_name() == "12"
    loop.run_until_complete(asyncio.wait([named, unnamed]))


@pytest.mark.parametrize("maker", ["create_task", "Task", "Task that starts eagerly"])
@pytest.mark.parametrize("culprit", ["name", "an unknown keyword"])
def test_task_that_could_not_be_made_never_runs(implementation, loop, run_turn, maker, culprit):
    class Name:
        def __str__(self):
            raise SomeError

    async def run():
        ran.append(True)

    async def main():
        arguments = {"name": Name()} if culprit == "name" else {"unknown": 1}
        make = {
            "create_task": loop.create_task,
            "Task": functools.partial(implementation.Task, loop=loop),
            "Task that starts eagerly": functools.partial(implementation.Task, loop=loop, eager_start=True),
        }[maker]
        with pytest.raises((SomeError, TypeError)):
            make(coroutine, **arguments)

    # Drops the report of a task that was destroyed before it was complete.
    loop.set_exception_handler(lambda loop, context: None)
    ran, coroutine = [], run()
    loop.run_until_complete(main())
    run_turn()
    assert ran == []
    coroutine.close()


def test_coroutine_and_context_and_stack_can_be_inspected(loop, run_turn):
    coroutine = wait_for_ever()
    task = loop.create_task(coroutine)
    run_turn()
    assert task.get_coro() is coroutine
    assert [frame.f_code.co_name for frame in task.get_stack()] == ["wait_for_ever"]
    if sys.version_info >= (3, 12):
        assert task.get_context() is not None
    task.cancel()
    run_turn()


def test_print_stack_names_the_coroutine(waiting, capsys):
    waiting.print_stack()
    assert "wait_for_ever" in capsys.readouterr().err


def test_repr_tells_name_coroutine_and_what_is_awaited(waiting, run_turn):
    assert "name='waiting'" in repr(waiting) and "wait_for_ever" in repr(waiting) and "wait_for=" in repr(waiting)
    waiting.cancel()
    run_turn()
    assert "cancelled" in repr(waiting)


def test_private_state_that_libraries_read_is_there(loop, run_turn):
    task = loop.create_task(wait_for_ever())
    assert (task._must_cancel, task._fut_waiter, task._state) == (False, None, "PENDING")
    run_turn()
    assert asyncio.isfuture(task._fut_waiter) and isinstance(task._fut_waiter, asyncio.Future)
    assert task._coro is task.get_coro()
    task.cancel()
    run_turn()
    assert task._state == "CANCELLED"


def test_class_can_be_subscripted(implementation):
    assert implementation.Task[int].__args__ == (int,)


def test_task_can_be_subclassed(implementation, loop):
    class Sub(implementation.Task):
        pass

    task = Sub(return_argument("result"), loop=loop, name="sub")
    assert loop.run_until_complete(task) == "result"
    assert task.get_name() == "sub"


# Cancellation


def test_cancel_raises_cancelled_error_where_the_task_waits(loop, run_turn):
    cancellations = []
    task = loop.create_task(wait_until_cancelled(cancellations))
    run_turn()
    assert task.cancel() is True
    assert task.cancelled() is False
    run_turn()
    assert cancellations == [()]
    assert task.cancelled() is True
    assert task.cancel() is False


def test_task_cancelled_before_its_first_step_never_starts(loop, run_turn):
    started = []

    async def start():
        started.append(True)

    task = loop.create_task(start())
    task.cancel()
    run_turn()
    assert task.cancelled()
    assert started == []


def test_cancel_message_arrives_with_the_error(loop, run_turn):
    cancellations = []
    task = loop.create_task(wait_until_cancelled(cancellations))
    run_turn()
    task.cancel(msg="reason")
    run_turn()
    assert cancellations == [("reason",)]
    with pytest.raises(asyncio.CancelledError, match="reason"):
        task.result()


def test_task_that_swallows_the_cancellation_goes_on(loop, run_turn):
    async def stubborn():
        with contextlib.suppress(asyncio.CancelledError):
            await wait_for_ever()
        return "went on"

    task = loop.create_task(stubborn())
    run_turn()
    task.cancel()
    assert loop.run_until_complete(task) == "went on"
    assert not task.cancelled()


def test_cancellation_is_counted_and_can_be_taken_back(waiting):
    assert waiting.cancelling() == 0
    waiting.cancel()
    waiting.cancel()
    assert waiting.cancelling() == 2
    assert (waiting.uncancel(), waiting.uncancel(), waiting.uncancel()) == (1, 0, 0)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="uncancel() clears the request from Python 3.13 on")
async def test_uncancel_to_zero_takes_back_a_cancellation_that_was_not_delivered(loop):
    asyncio.current_task().cancel()
    asyncio.current_task().uncancel()
    await asyncio.sleep(0)


def test_task_that_cancels_itself_is_cancelled_at_its_next_await(loop):
    events = []

    async def main():
        asyncio.current_task().cancel()
        events.append("before")
        await asyncio.sleep(0)
        events.append("after")

    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(main())
    assert events == ["before"]


def test_cancel_after_the_awaited_future_was_set_still_cancels(loop, future, run_turn):
    task = loop.create_task(wait_for(future))
    run_turn()
    future.set_result(None)
    task.cancel()
    run_turn(2)
    assert task.cancelled()


# Registration


def test_current_task_is_the_task_that_runs(loop):
    async def main():
        assert asyncio.current_task() is main_task
        await asyncio.gather(*[check() for _ in range(3)])
        assert asyncio.current_task() is main_task

    async def check():
        mine = asyncio.current_task()
        assert mine is not main_task
        await asyncio.sleep(0)
        assert asyncio.current_task() is mine

    main_task = loop.create_task(main())
    loop.run_until_complete(main_task)
    assert asyncio.current_task(loop) is None


async def test_current_task_is_none_in_callbacks(loop):
    seen = []
    loop.call_soon(lambda: seen.append(asyncio.current_task()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert seen == [None]


def test_all_tasks_are_those_that_are_not_done(loop):
    async def main():
        pending, finished = asyncio.create_task(wait_for_ever()), asyncio.create_task(return_argument())
        await finished
        assert asyncio.all_tasks() == {asyncio.current_task(), pending}
        pending.cancel()
        await asyncio.wait([pending])

    loop.run_until_complete(main())
    assert asyncio.all_tasks(loop) == set()


def test_tasks_of_another_loop_are_not_among_all_tasks(loop, new_loop):
    other = new_loop()
    task = other.create_task(return_argument())

    async def main():
        return asyncio.all_tasks()

    assert task not in loop.run_until_complete(main())
    assert asyncio.all_tasks(other) == {task}
    other.run_until_complete(task)


def test_finished_task_is_freed_when_nobody_refers_to_it(loop):
    task = loop.create_task(return_argument())
    loop.run_until_complete(task)
    reference = weakref.ref(task)
    del task
    gc.collect()
    assert reference() is None


def test_task_that_failed_is_freed_with_its_exception(loop):
    task = loop.create_task(raise_some_error())
    with pytest.raises(SomeError):
        loop.run_until_complete(task)
    reference = weakref.ref(task)
    del task
    gc.collect()
    assert reference() is None


# Steps


async def test_bare_yield_gives_up_one_turn(loop):
    @types.coroutine
    def give_up_a_turn():
        yield

    order = []
    loop.call_soon(order.append, "callback")
    await give_up_a_turn()
    order.append("main")
    assert order == ["callback", "main"]


def test_deep_chain_of_awaits_returns_its_result(loop):
    async def descend(depth):
        if depth == 0:
            await asyncio.sleep(0)
            return 0
        return 1 + await descend(depth - 1)

    assert loop.run_until_complete(descend(200)) == 200


async def test_ten_thousand_tasks_finish(loop):
    assert sum(await asyncio.gather(*[return_argument(1) for _ in range(10_000)])) == 10_000


def test_task_awaiting_a_task_awaiting_a_task_passes_the_result_up(loop):
    async def nest(depth):
        return depth if depth == 0 else await asyncio.create_task(nest(depth - 1))

    assert loop.run_until_complete(nest(100)) == 0


async def test_generator_based_coroutine_can_be_a_task(loop):
    @types.coroutine
    def generator():
        yield from asyncio.sleep(0).__await__()
        return "result"

    assert await asyncio.create_task(wait_for(generator())) == "result"


def test_factory_makes_the_tasks(loop):
    made = []

    def factory(loop, coroutine, **options):
        made.append(options)
        return asyncio.Task(coroutine, loop=loop, **options)

    assert loop.get_task_factory() is None
    loop.set_task_factory(factory)
    assert loop.get_task_factory() is factory
    assert loop.run_until_complete(loop.create_task(return_argument("result"))) == "result"
    loop.set_task_factory(None)
    assert len(made) == 1


def test_factory_gets_exactly_what_asyncio_passes_it(loop):
    received = []

    def factory(loop, coroutine, **options):
        received.append(sorted(options))
        return asyncio.Task(coroutine, loop=loop, **options)

    def native_answer():
        native = asyncio.SelectorEventLoop()
        ask(native)
        native.close()
        answer = list(received)
        received.clear()
        return answer

    def ask(asked_loop):
        asked_loop.set_task_factory(factory)
        context = contextvars.copy_context()
        for options in ({}, {"name": "n"}, {"context": context}, {"name": "n", "context": context}):
            asked_loop.run_until_complete(asked_loop.create_task(return_argument(), **options))

    expected = native_answer()
    ask(loop)
    assert received == expected


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are new in Python 3.12")
async def test_eager_task_runs_until_its_first_wait_when_it_is_made(implementation, loop):
    order = []

    async def child(name):
        order.append(name)
        await asyncio.sleep(0)
        order.append(name + " again")

    task = implementation.Task(child("eager"), loop=loop, eager_start=True)
    order.append("main")
    await task
    assert order == ["eager", "main", "eager again"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are new in Python 3.12")
async def test_eager_task_that_never_waits_is_done_when_it_is_made(implementation, loop):
    async def child():
        return asyncio.current_task()

    task = implementation.Task(child(), loop=loop, eager_start=True)
    assert task.done()
    assert task.result() is task
    assert asyncio.current_task() is not task
    assert (asyncio.all_tasks() == {asyncio.current_task()}) is True


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are new in Python 3.12")
async def test_eager_task_factory_of_asyncio_works_on_the_loop(loop):
    loop.set_task_factory(asyncio.eager_task_factory)
    order = []

    async def child():
        order.append("child")

    task = asyncio.create_task(child())
    order.append("main")
    await task
    loop.set_task_factory(None)
    assert order == ["child", "main"]


@pytest.mark.skipif(sys.version_info < (3, 14), reason="eager_start of create_task() is new in Python 3.14")
async def test_eager_start_can_be_asked_of_create_task(loop):
    async def finish_at_once():
        pass

    assert loop.create_task(finish_at_once(), eager_start=True).done()
    lazy = loop.create_task(finish_at_once(), eager_start=False)
    assert not lazy.done()
    await lazy


def test_name_given_to_the_constructor_is_no_call_of_set_name(implementation, loop):
    class Labelled(implementation.Task):
        def __init__(self, *args, **keywords):
            super().__init__(*args, **keywords)
            self.labels = []

        def set_name(self, value):
            self.labels.append(value)
            super().set_name(value)

    task = Labelled(return_argument(), loop=loop, name="given")
    assert (task.get_name(), task.labels) == ("given", [])
    task.set_name("set")
    assert (task.get_name(), task.labels) == ("set", ["set"])
    loop.run_until_complete(task)
