"""__context__ of exceptions that come out of a future: the exception that was being handled, as with asyncio's futures."""

import asyncio
import itertools

import pytest

from actors.cases import Cases
from actors.coroutines import wait_for

scene = Cases()


async def fail_while_handling():
    try:
        raise OSError("inner")
    except OSError:
        raise KeyError("task") from None


async def fail():
    raise KeyError("task")


async def awaited(future):
    return await future


async def result_of(future):
    return future.result()


async def exception_of(future):
    return future.exception()


FUTURES = {
    "failed": lambda loop, future: future.set_exception(KeyError(1)),
    "cancelled": lambda loop, future: future.cancel("message"),
    "that fails later": lambda loop, future: loop.call_soon(future.set_exception, KeyError(1)),
    "that is cancelled later": lambda loop, future: loop.call_soon(future.cancel, "message"),
}


def register_futures():
    """Each way to ask a future that is done or pending; exception() of one that has failed raises nothing."""
    for (state, prepare), ask in itertools.product(FUTURES.items(), (awaited, result_of, exception_of)):
        if (state, ask) != ("failed", exception_of):

            def ask_future(loop, future, prepare=prepare, ask=ask):
                prepare(loop, future)
                return ask(future)

            scene[f"{ask.__name__} a future {state}"] = ask_future


register_futures()


@scene
async def result_of_a_failed_task(loop, future):
    task = loop.create_task(fail_while_handling())
    await asyncio.wait([task])
    task.result()


@scene
async def await_of_a_failed_task(loop, future):
    task = loop.create_task(fail())
    await asyncio.wait([task])
    await task


@scene
async def await_of_a_task_that_fails_later(loop, future):
    await loop.create_task(fail_while_handling())


@scene
async def result_of_a_cancelled_task(loop, future):
    task = loop.create_task(wait_for(future))
    await asyncio.sleep(0)
    task.cancel("message")
    await asyncio.wait([task])
    task.result()


@scene
async def await_of_a_task_that_is_cancelled_later(loop, future):
    task = loop.create_task(wait_for(future))
    await asyncio.sleep(0)
    task.cancel("message")
    await task


@scene
async def gather_of_failing_tasks(loop, future):
    await asyncio.gather(fail(), fail_while_handling())


@scene
async def timeout(loop, future):
    await asyncio.wait_for(future, 0.001)


@scene
async def shield(loop, future):
    await asyncio.shield(fail())


@scene
async def exception_that_has_a_context_already(loop, future):
    error = KeyError(1)
    error.__context__ = OSError(2)
    future.set_exception(error)
    future.result()


@scene
async def exception_thrown_into_an_await(loop, future):
    awaiting = future.__await__()
    next(awaiting)
    awaiting.throw(KeyError(1))


def chain_of(error):
    """The error and what was handled when it was raised, and so on."""
    chain = []
    while error is not None and len(chain) < 10:
        chain.append(f"{error!r} suppressed={error.__suppress_context__}")
        error = error.__context__
    return chain


def chains_of(scene, loop):
    """The chain as the scene is awaited in an except block, and again outside of one."""

    async def main(handled):
        future = loop.create_future()
        try:
            if handled is None:
                await scene(loop, future)
            try:
                raise handled
            except ValueError:
                await scene(loop, future)
        except BaseException as error:
            chain = chain_of(error)
            error.__context__ = None
            return chain

    try:
        return [loop.run_until_complete(main(handled)) for handled in (ValueError("handled"), None)]
    finally:
        loop.close()


@pytest.mark.parametrize("name", scene)
def test_context_is_the_one_that_asyncio_gives(implementation, asyncio_implementation, name):
    expected = chains_of(scene[name], asyncio_implementation.new_event_loop())
    assert chains_of(scene[name], implementation.new_event_loop()) == expected
    if name != "exception_thrown_into_an_await":
        assert any("handled" in link for link in expected[0])


@pytest.mark.parametrize("name", scene)
def test_context_is_the_one_that_asyncio_gives_where_the_whole_loop_runs_in_an_except_block(implementation, asyncio_implementation, name):
    try:
        raise LookupError("around the loop")
    except LookupError:
        expected = chains_of(scene[name], asyncio_implementation.new_event_loop())
        assert chains_of(scene[name], implementation.new_event_loop()) == expected


def test_exception_that_is_being_handled_itself_gets_no_context(loop, future):
    error = KeyError(1)
    future.set_exception(error)
    try:
        raise error
    except KeyError:
        with pytest.raises(KeyError) as caught:
            future.result()
    assert caught.value is error
    assert error.__context__ is None
