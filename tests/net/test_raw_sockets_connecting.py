"""sock_connect() and sock_accept(), and descriptors with numbers that are used again.

Receiving and sending are tested in test_raw_sockets.py.
"""

import asyncio
import os
import socket

import pytest

from actors.coroutines import cancel
from actors.kernel import settle, start
from actors.peers import fill


@pytest.fixture
def listener(no_leaks):
    """A listening socket that does not block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


async def test_connection_is_accepted_now_or_later(loop, listener):
    for is_early in True, False:
        with socket.socket() as client:
            client.setblocking(False)
            if is_early:
                assert await loop.sock_connect(client, listener.getsockname()) is None
                accepted, address = await loop.sock_accept(listener)
            else:
                accepting = await start(loop.sock_accept(listener))
                await loop.sock_connect(client, listener.getsockname())
                accepted, address = await accepting
            with accepted:
                assert address == client.getsockname()
                assert accepted.gettimeout() == 0
                await loop.sock_sendall(client, b"data")
                assert await loop.sock_recv(accepted, 100) == b"data"


async def test_cancelled_accepting_loses_no_connection(loop, listener):
    for connect_first in False, True:
        with socket.socket() as client:
            accepting = await start(loop.sock_accept(listener))
            if connect_first:
                client.connect(listener.getsockname())
            await cancel(accepting)
            if not connect_first:
                client.connect(listener.getsockname())
            await settle()
            accepted, address = await loop.sock_accept(listener)
            accepted.close()
            assert address == client.getsockname()


@pytest.mark.usefixtures("needs_localhost")
async def test_connecting_resolves_names(loop, listener):
    with socket.socket() as client:
        client.setblocking(False)
        await loop.sock_connect(client, ("localhost", listener.getsockname()[1]))
        assert client.getpeername() == listener.getsockname()


async def test_refusal_names_the_address(loop, refusing_addresses, short_folder):
    with socket.socket() as client:
        client.setblocking(False)
        with pytest.raises(ConnectionRefusedError) as caught:
            await loop.sock_connect(client, refusing_addresses[0])
        assert f"Connect call failed {refusing_addresses[0]}" in str(caught.value)
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        with pytest.raises(FileNotFoundError):
            await loop.sock_connect(client, os.path.join(short_folder, "nothing"))


async def test_cancelled_connecting_leaves_the_socket_to_its_owner(loop, unresponsive_address):
    with socket.socket() as client:
        client.setblocking(False)
        connecting = await start(loop.sock_connect(client, unresponsive_address))
        await cancel(connecting)
        assert client.fileno() != -1
        assert loop.remove_writer(client) is False


# Descriptors


async def test_number_of_a_closed_socket_can_be_used_by_the_next(loop, no_leaks):
    numbers = set()
    for number in range(20):
        left, right = socket.socketpair()
        with left, right:
            numbers.add(left.fileno())
            left.setblocking(False)
            receiving = await start(loop.sock_recv(left, 100))
            if number % 3 == 0:
                await cancel(receiving)
            else:
                right.send(b"%d" % number)
                assert await receiving == b"%d" % number
                fill(left)
                sending = await start(loop.sock_sendall(left, b"x"))
                sending.cancel()
                await asyncio.wait([sending])
    assert len(numbers) < 5


# asyncio still has the number registered, and raises FileNotFoundError.
@pytest.mark.fastloop_only
@pytest.mark.time_limit(5)
async def test_number_can_be_used_at_once_by_the_next_after_a_cancellation(loop, no_leaks):
    for _ in range(10):
        left, right = socket.socketpair()
        left.setblocking(False)
        receiving = await start(loop.sock_recv(left, 100))
        fd = left.fileno()
        receiving.cancel()
        left.close()
        right.close()
        next_left, next_right = socket.socketpair()
        with next_left, next_right:
            assert fd in (next_left.fileno(), next_right.fileno())
            for end in next_left, next_right:
                end.setblocking(False)
            expected = [loop.create_task(loop.sock_recv(end, 100)) for end in (next_left, next_right)]
            await settle()
            next_right.send(b"to the left")
            next_left.send(b"to the right")
            assert await asyncio.gather(*expected) == [b"to the left", b"to the right"]


async def test_socket_of_a_transport_is_refused(loop, connections):
    left, right = socket.socketpair()
    protocol, _, _ = await connections.over(left, right)
    with pytest.raises(RuntimeError, match="is used by transport"):
        await loop.sock_recv(left, 100)
    await protocol.close()
