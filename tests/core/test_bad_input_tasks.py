"""Bad input to tasks, and coroutines that misbehave, give asyncio's own exception, and never a hang."""

import asyncio
import contextlib
import types
import warnings

import pytest

from actors.cases import Cases, run_turns
from actors.coroutines import raise_error, wait_for

case = Cases()


def is_done_after_some_turns(loop, task):
    """For tasks that asyncio's own loop never finishes."""
    run_turns(loop)
    task._log_destroy_pending = False
    return task.done()


async def return_none():
    pass


@types.coroutine
def yield_object(something):
    yield something


async def run_and_yield(something):
    await yield_object(something)


case.calls(
    coroutine_that_yields_a_number=lambda loop, _: run_and_yield(42),
    coroutine_that_yields_a_string=lambda loop, _: run_and_yield("rubbish"),
    coroutine_that_yields_a_coroutine=lambda loop, _: run_and_yield(return_none()),
    coroutine_that_yields_a_generator=lambda loop, _: run_and_yield(number for number in [1]),
    coroutine_that_yields_a_future_without_await=lambda loop, _: run_and_yield(loop.create_future()),
    coroutine_that_raises_stop_iteration=lambda loop, _: raise_error(StopIteration),
    coroutine_that_awaits_a_number=lambda loop, _: wait_for(42),
    create_task_on_a_closed_loop=lambda loop, _: loop.close() or loop.create_task(return_none()),
)


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
async def task_that_awaits_itself(loop, implementation):
    await asyncio.current_task()


@case
def coroutine_that_yields_a_broken_future(loop, implementation):
    class Broken:
        _asyncio_future_blocking = True

    return is_done_after_some_turns(loop, loop.create_task(run_and_yield(Broken())))


@case
def coroutine_that_yields_a_future_whose_callback_fails(loop, implementation):
    class Broken:
        _asyncio_future_blocking = True

        def get_loop(self):
            return loop

        def add_done_callback(self, callback, *, context=None):
            raise ZeroDivisionError

    return is_done_after_some_turns(loop, loop.create_task(run_and_yield(Broken())))


@case
async def coroutine_that_yields_rubbish_and_catches_the_error(loop, implementation):
    try:
        await yield_object(42)
    except RuntimeError:
        return "caught"


@case
async def task_that_awaits_a_future_of_another_loop(loop, implementation):
    with contextlib.closing(implementation.new_event_loop()) as other:
        await other.create_future()


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

    return wait_for(asyncio.ensure_future(Coroutine(), loop=loop))


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
    try:
        loop.run_until_complete(raise_error(GeneratorExit))
    except GeneratorExit:
        return "GeneratorExit"


@case
def create_task_with_a_context_that_is_a_string(loop, implementation):
    coroutine = return_none()
    try:
        return is_done_after_some_turns(loop, loop.create_task(coroutine, context="context"))
    finally:
        coroutine.close()


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


case.calls(
    task_of_a_number=lambda loop, implementation: implementation.Task(42, loop=loop),
    task_of_none=lambda loop, _: loop.create_task(None),
    task_of_a_coroutine_function=lambda loop, _: loop.create_task(return_none),
    task_of_a_future=lambda loop, _: loop.create_task(loop.create_future()),
    task_with_an_unknown_keyword=lambda loop, implementation: implementation.Task(return_none(), loop=loop, unknown=1),
    task_that_was_never_initialised=lambda loop, implementation: implementation.Task.__new__(implementation.Task).get_loop(),
    task_that_was_never_initialised_and_is_cancelled=lambda loop, implementation: implementation.Task.__new__(implementation.Task).cancel(),
    task_that_was_never_initialised_and_is_shown=lambda loop, implementation: bool(repr(implementation.Task.__new__(implementation.Task))),
    create_task_with_an_unknown_keyword=lambda loop, _: loop.create_task(return_none(), unknown=1),
)


@pytest.mark.parametrize("name", case)
def test_bad_input_ends_as_it_does_on_asyncios_own_loop(assert_ends_as_on_asyncio, name):
    assert_ends_as_on_asyncio(case[name])
