"""The task API: asyncio's functions, and the generator-based coroutines that asyncio no longer has.

Owns: coroutine(), which Python removed in 3.11.
Promises: everything but coroutine() is asyncio's own object, so code may mix both imports.
"""

import functools
import inspect
import types
from asyncio import create_task, ensure_future, gather, isfuture, shield, sleep, wait, wait_for

__all__ = ["coroutine", "create_task", "ensure_future", "gather", "shield", "sleep", "wait", "wait_for"]


def coroutine(function):
    """Turn a generator function with `yield from`, or a plain function, into a coroutine function.

    The result is awaited, scheduled and recognised like any `async def`. Inside the generator, `yield from` takes futures, tasks
    and coroutines. If a plain function returns an awaitable, that is awaited. An `async def` function is returned unchanged.
    """
    if inspect.iscoroutinefunction(function):
        return function
    steps = types.coroutine(function) if inspect.isgeneratorfunction(function) else _steps_of_plain(function)

    @functools.wraps(function)
    async def wrapper(*args, **kwargs):
        return await steps(*args, **kwargs)

    return wrapper


def _steps_of_plain(function):
    async def steps(*args, **kwargs):
        result = function(*args, **kwargs)
        if inspect.isgenerator(result):
            return await _drive(result)
        if isfuture(result) or inspect.isawaitable(result):
            return await result
        return result

    return steps


@types.coroutine
def _drive(generator):
    return (yield from generator)
