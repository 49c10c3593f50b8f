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
from actors.kernel import settle
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
def cancel_while_waiting(loop, bystanders):
    """A coroutine function that awaits make() again and again, cancels each of its waits once, and returns how many there are.

    It opens bystanders before the cancelled code could close anything a second time. check(result) gets None for each
    run that was cancelled, and then the result of the run that was not.
    """

    async def cancel_each_wait(make, check, moment):
        for wait_number in range(1, 100):
            task = loop.create_task(cancelled_while_waiting(make(), wait_number, moment))
            task.add_done_callback(lambda _: bystanders.open())
            await asyncio.wait([task])
            bystanders.open()
            await settle()
            gc.collect()
            result = None if task.cancelled() else task.result()
            await check(result)
            await settle()
            bystanders.check()
            bystanders.close()
            bystanders._pairs.clear()
            if result is not None:
                return wait_number - 1
        raise AssertionError("it never came through")

    return cancel_each_wait


@pytest.fixture
def assert_cancelled_cleanly(run, cancel_while_waiting, bystanders):
    """A function that cancels each wait of connect(factory), which makes the transport of one connection.

    given: the sockets that connect() was given, which afterwards are either closed or still whole.
    """

    def check(connect, moment, given):
        protocols = []

        def factory():
            protocols.append(RecordingProtocol())
            return protocols[-1]

        async def check_one(result):
            if result is not None:
                transport, protocol = result
                assert protocol is protocols[-1]
                assert protocol.lost == []
                await protocol.close()
            for protocol in protocols:
                assert len(protocol.lost) == ("connection_made" in protocol.calls)
            for sock, inode in given:
                assert sock.fileno() == -1 or os.fstat(sock.fileno()).st_ino == inode
                sock.close()
            given.clear()
            protocols.clear()
            bystanders.check()

        return run(cancel_while_waiting(lambda: connect(factory), check_one, moment))

    return check


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
    waits = assert_cancelled_cleanly(lambda factory: loop.create_connection(factory, host, port, family=socket.AF_INET), moment, [])
    assert waits >= 1


@pytest.mark.parametrize("moment", MOMENTS)
def test_cancelled_connection_with_several_addresses_closes_what_it_opened(
    loop, drained_listener, assert_cancelled_cleanly, resolve_to, refusing_addresses, moment
):
    resolve_to(*refusing_addresses, drained_listener.getsockname())
    waits = assert_cancelled_cleanly(lambda factory: loop.create_connection(factory, "some.host", 1), moment, [])
    assert waits >= 2


# asyncio loses a socket when it is cancelled at the moment at which one of the addresses wins.
@pytest.mark.fastloop_only
@pytest.mark.parametrize("moment", MOMENTS)
def test_cancelled_happy_eyeballs_close_what_they_opened(
    loop, drained_listener, assert_cancelled_cleanly, resolve_to, refusing_addresses, moment
):
    resolve_to(*refusing_addresses[:1], drained_listener.getsockname(), drained_listener.getsockname())
    waits = assert_cancelled_cleanly(
        lambda factory: loop.create_connection(factory, "some.host", 1, happy_eyeballs_delay=0.001), moment, []
    )
    assert waits >= 1


@pytest.mark.parametrize("moment", MOMENTS)
def test_cancelled_connection_to_a_unix_socket_closes_what_it_opened(loop, short_folder, assert_cancelled_cleanly, moment):
    path = os.path.join(short_folder, "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(50)
        waits = assert_cancelled_cleanly(lambda factory: loop.create_unix_connection(factory, path), moment, [])
    assert waits >= 1


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("create", ["create_connection", "create_unix_connection", "connect_accepted_socket"])
def test_cancelled_connection_closes_the_given_socket_at_most_once(loop, assert_cancelled_cleanly, make_peer, moment, create):
    given = []

    def connect(factory):
        left, right = socket.socketpair()
        make_peer(right)
        given.append((left, os.fstat(left.fileno()).st_ino))
        return getattr(loop, create)(factory, sock=left)

    waits = assert_cancelled_cleanly(connect, moment, given)
    assert waits >= 1


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a full listener refuses")
@pytest.mark.parametrize("happy_eyeballs_delay", [None, 0.001])
async def test_connection_cancelled_while_nobody_answers_closes_what_it_opened(
    loop, unresponsive_address, resolve_to, bystanders, happy_eyeballs_delay
):
    resolve_to(unresponsive_address, unresponsive_address)
    connecting = loop.create_task(loop.create_connection(RecordingProtocol, "some.host", 1, happy_eyeballs_delay=happy_eyeballs_delay))
    await settle()
    await asyncio.sleep(happy_eyeballs_delay or 0)
    assert not connecting.done()
    await cancel(connecting)
    bystanders.open()
    await settle()
