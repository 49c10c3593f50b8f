"""Waiting for the kernel: no test sleeps to give it time."""

import asyncio
import socket


async def settle():
    """Return when the kernel was asked a few times, and its answers were handled."""
    loop = asyncio.get_running_loop()
    left, right = socket.socketpair()
    with left, right:
        for _ in range(5):
            answered = loop.create_future()
            loop.add_reader(left, lambda answered=answered: answered.done() or answered.set_result(None))
            right.send(b"x")
            await answered
            loop.remove_reader(left)
            left.recv(1)


async def until(condition):
    """Return in the turn in which condition() holds."""
    while not condition():
        await asyncio.sleep(0)


async def until_still(value):
    """Return when value() has not changed for hundreds of turns."""
    seen = None
    while seen != (seen := value()):
        for _ in range(500):
            await asyncio.sleep(0)


async def start(coroutine):
    """Return a task of a coroutine that waits."""
    task = asyncio.create_task(coroutine)
    await settle()
    assert not task.done()
    return task
