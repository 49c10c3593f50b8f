"""Coroutines for tasks under test."""

import asyncio

from actors.failures import SomeError


async def return_argument(argument=None):
    await asyncio.sleep(0)
    return argument


async def wait_for_ever():
    await asyncio.get_running_loop().create_future()


async def wait_for(awaitable):
    return await awaitable


async def raise_some_error():
    await asyncio.sleep(0)
    raise SomeError
