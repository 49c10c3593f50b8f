"""Connections that are refused or cancelled leave nothing that only the collector of cycles could free.

A client that tries again and again would grow by exceptions, frames, tasks and sockets from one collection to the next.
"""

import asyncio
import gc
import socket

import pytest

ATTEMPTS = 3


@pytest.fixture
def garbage_of(loop, run):
    """A function that runs attempt() several times and returns the types of what only the collector finds afterwards."""

    async def try_and_collect(attempt):
        await attempt()
        await asyncio.sleep(0.001)
        gc.collect()
        gc.disable()
        try:
            for _ in range(ATTEMPTS):
                await attempt()
                # The last task is released in its own turn.
                await asyncio.sleep(0.001)
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            kinds = (BaseException, asyncio.Future, asyncio.Transport, socket.socket)
            return [type(found).__name__ for found in gc.garbage if isinstance(found, kinds)]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()

    return lambda attempt: run(try_and_collect(attempt))


@pytest.fixture
def refused(loop, refusing_addresses, resolve_to, short_folder):
    """By name: functions that make the coroutine of a connection that is refused."""
    resolve_to(*refusing_addresses)
    address = refusing_addresses[0]

    async def connect_raw():
        with socket.socket() as sock:
            sock.setblocking(False)
            await loop.sock_connect(sock, address)

    return {
        "streams": lambda: asyncio.open_connection(*address),
        "one address": lambda: loop.create_connection(asyncio.Protocol, *address),
        "several addresses": lambda: loop.create_connection(asyncio.Protocol, "some.host", 1),
        "own address": lambda: loop.create_connection(asyncio.Protocol, *address, local_addr=("127.0.0.1", 0)),
        "happy eyeballs": lambda: loop.create_connection(asyncio.Protocol, "some.host", 1, happy_eyeballs_delay=0.1),
        "Unix": lambda: asyncio.open_unix_connection(f"{short_folder}/nobody"),
        "raw socket": connect_raw,
    }


def check_refused(garbage_of, connect):
    async def attempt():
        try:
            await connect()
        except OSError:
            return
        pytest.fail("the connection was not refused")

    assert garbage_of(attempt) == []


@pytest.mark.parametrize("how", ["streams", "one address", "several addresses", "own address", "Unix", "raw socket"])
def test_refused_connection_leaves_no_cycles(garbage_of, refused, how):
    check_refused(garbage_of, refused[how])


# The race of older versions of asyncio leaves some.
@pytest.mark.fastloop_only
def test_refused_happy_eyeballs_leave_no_cycles(garbage_of, refused):
    check_refused(garbage_of, refused["happy eyeballs"])


@pytest.mark.fastloop_only
@pytest.mark.parametrize("turns", range(8))
@pytest.mark.parametrize("how", ["several addresses", "happy eyeballs"])
def test_connection_cancelled_after_some_turns_leaves_no_cycles(garbage_of, refused, how, turns):
    async def attempt():
        connecting = asyncio.ensure_future(refused[how]())
        for _ in range(turns):
            await asyncio.sleep(0)
        connecting.cancel()
        try:
            await connecting
        except (asyncio.CancelledError, OSError):
            pass
        finally:
            # Its exception has come through this frame.
            del connecting

    assert garbage_of(attempt) == []


@pytest.mark.fastloop_only
def test_happy_eyeballs_that_win_after_a_refusal_leave_no_cycles(garbage_of, loop, resolve_to, refusing_addresses):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        resolve_to(refusing_addresses[0], listener.getsockname())

        async def attempt():
            transport, _ = await loop.create_connection(asyncio.Protocol, "some.host", 1, happy_eyeballs_delay=0.1)
            transport.abort()
            listener.accept()[0].close()

        assert garbage_of(attempt) == []
