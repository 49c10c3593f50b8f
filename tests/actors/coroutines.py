"""Coroutines for tasks under test."""

import asyncio

import pytest

from actors.failures import SomeError


async def return_argument(argument=None):
    await asyncio.sleep(0)
    return argument


async def wait_for_ever():
    await asyncio.get_running_loop().create_future()


async def wait_until_cancelled(cancellations):
    """Wait, and note the arguments of the CancelledError that ends it."""
    try:
        await wait_for_ever()
    except asyncio.CancelledError as error:
        cancellations.append(error.args)
        raise


async def cancel(waiting):
    """Cancel a task or future, and see that awaiting it raises CancelledError."""
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def wait_for(awaitable):
    return await awaitable


async def raise_error(error):
    raise error


async def raise_some_error():
    await asyncio.sleep(0)
    raise SomeError
