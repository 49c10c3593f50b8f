"""A cancelled create_connection(), or a method like it, closes exactly what it opened and nothing else.

Each wait of each of them is cancelled in turn, at three moments, while other sockets take the numbers of closed
descriptors: those must stay intact, and no_leaks finds what stays open.
"""

import asyncio
import contextlib
import gc
import os
import socket
import sys
import types

import pytest

from actors.coroutines import cancel
from actors.kernel import settle, start
from actors.protocols import RecordingProtocol

MOMENTS = ["at once", "a turn later", "when done"]


@types.coroutine
def awaiting_with_cancellation(coroutine, wait_number, moment):
    task = asyncio.current_task()
    waits = 0
    resume, argument = coroutine.send, None
    while True:
        try:
            awaited = resume(argument)
        except StopIteration as stop:
            return stop.value
        waits += 1
        if waits == wait_number:
            if moment == "a turn later":
                task.get_loop().call_soon(task.cancel)
            elif moment == "when done" and awaited is not None:
                awaited.add_done_callback(lambda _: task.cancel())
            else:
                task.cancel()
        try:
            argument = yield awaited
            resume = coroutine.send
        except BaseException as error:
            resume, argument = coroutine.throw, error


async def cancelled_while_waiting(coroutine, wait_number, moment):
    """Await coroutine, and cancel the task when it waits for the wait_number-th time.

    moment: "at once", before the loop runs again; "a turn later"; or "when done", between the end of what it waits for
    and the task's next step.
    """
    return await awaiting_with_cancellation(coroutine, wait_number, moment)


@pytest.fixture
def assert_cancelled_cleanly(loop, run, bystanders):
    """A function that cancels each wait of connect(factory), which makes the transport of one connection, until one comes through.

    It opens bystanders before the cancelled code could close anything a second time. given: the sockets that connect() was given,
    which afterwards are either closed or still whole. There must be at least so many waits.
    """
    protocols = []

    def factory():
        protocols.append(RecordingProtocol())
        return protocols[-1]

    async def check_result(transport, protocol):
        assert protocol is protocols[-1]
        assert protocol.lost == []
        await protocol.close()

    async def cancel_wait(connect, wait_number, moment, given):
        """Return whether the connection came through."""
        task = loop.create_task(cancelled_while_waiting(connect(factory), wait_number, moment))
        task.add_done_callback(lambda _: bystanders.open())
        await asyncio.wait([task])
        bystanders.open()
        await settle()
        gc.collect()
        if not task.cancelled():
            await check_result(*task.result())
        for protocol in protocols:
            assert len(protocol.lost) == ("connection_made" in protocol.calls)
        for sock, inode in given:
            assert sock.fileno() == -1 or os.fstat(sock.fileno()).st_ino == inode
            sock.close()
        protocols.clear()
        await settle()
        bystanders.check()
        bystanders.close()
        bystanders._pairs.clear()
        return not task.cancelled()

    async def cancel_each_wait(connect, moment, given, least_waits):
        for wait_number in range(1, 100):
            if await cancel_wait(connect, wait_number, moment, given):
                assert wait_number > least_waits
                return
        raise AssertionError("it never came through")

    return lambda connect, moment, given=(), least_waits=1: run(cancel_each_wait(connect, moment, given, least_waits))


@pytest.fixture
def drained_listener(listener):
    """A listening socket, and what connected to it is closed at the end."""
    yield listener
    listener.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_cancelled_connection_closes_what_it_opened(loop, drained_listener, assert_cancelled_cleanly, moment, host, request):
    if host == "localhost":
        request.getfixturevalue("needs_localhost")
    port = drained_listener.getsockname()[1]
    assert_cancelled_cleanly(lambda factory: loop.create_connection(factory, host, port, family=socket.AF_INET), moment)


@pytest.mark.parametrize("moment", MOMENTS)
def test_cancelled_connection_with_several_addresses_closes_what_it_opened(
    loop, drained_listener, assert_cancelled_cleanly, resolve_to, refusing_addresses, moment
):
    resolve_to(*refusing_addresses, drained_listener.getsockname())
    assert_cancelled_cleanly(lambda factory: loop.create_connection(factory, "some.host", 1), moment, least_waits=2)


# asyncio loses a socket when it is cancelled at the moment at which one of the addresses wins.
@pytest.mark.fastloop_only
@pytest.mark.parametrize("moment", MOMENTS)
def test_cancelled_happy_eyeballs_close_what_they_opened(
    loop, drained_listener, assert_cancelled_cleanly, resolve_to, refusing_addresses, moment
):
    resolve_to(*refusing_addresses[:1], drained_listener.getsockname(), drained_listener.getsockname())
    assert_cancelled_cleanly(lambda factory: loop.create_connection(factory, "some.host", 1, happy_eyeballs_delay=0.001), moment)


@pytest.mark.parametrize("moment", MOMENTS)
def test_cancelled_connection_to_a_unix_socket_closes_what_it_opened(loop, short_folder, assert_cancelled_cleanly, moment):
    path = os.path.join(short_folder, "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(50)
        assert_cancelled_cleanly(lambda factory: loop.create_unix_connection(factory, path), moment)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("create", ["create_connection", "create_unix_connection", "connect_accepted_socket"])
def test_cancelled_connection_closes_the_given_socket_at_most_once(loop, assert_cancelled_cleanly, make_peer, moment, create):
    given = []

    def connect(factory):
        left, right = socket.socketpair()
        make_peer(right)
        given.append((left, os.fstat(left.fileno()).st_ino))
        return getattr(loop, create)(factory, sock=left)

    assert_cancelled_cleanly(connect, moment, given)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a full listener refuses")
@pytest.mark.parametrize("happy_eyeballs_delay", [None, 0.001])
async def test_connection_cancelled_while_nobody_answers_closes_what_it_opened(
    loop, unresponsive_address, resolve_to, bystanders, happy_eyeballs_delay
):
    resolve_to(unresponsive_address, unresponsive_address)
    connecting = await start(loop.create_connection(RecordingProtocol, "some.host", 1, happy_eyeballs_delay=happy_eyeballs_delay))
    await asyncio.sleep(happy_eyeballs_delay or 0)
    assert not connecting.done()
    await cancel(connecting)
    bystanders.open()
    await settle()
