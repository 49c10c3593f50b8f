"""Receiving and sending with the loop's sock_ methods: at once and later, and that cancelling and mixing loses nothing.

Connecting, accepting and closed descriptors are tested in test_raw_sockets_connecting.py, bad arguments in
test_raw_sockets_bad_input.py, sock_sendfile() in test_sendfile.py.
"""

import array
import asyncio
import functools
import gc
import inspect
import socket

import pytest

from actors.coroutines import cancel
from actors.files import pattern
from actors.kernel import settle, start
from actors.peers import fill, reset


@pytest.fixture
def datagram_pair(no_leaks):
    """Two UDP sockets of one machine."""
    with socket.socket(type=socket.SOCK_DGRAM) as left, socket.socket(type=socket.SOCK_DGRAM) as right:
        for end in left, right:
            end.bind(("127.0.0.1", 0))
            end.setblocking(False)
        yield left, right


# Receiving


async def receive_by(method, loop, sock, size):
    """Receive up to size bytes by one of the loop's methods."""
    buffer = bytearray(size)
    received = await getattr(loop, method)(sock, buffer if method.endswith("_into") else size)
    if "from" in method:
        received, _ = received
    return bytes(buffer[:received]) if method.endswith("_into") else received


@pytest.fixture(params=["sock_recv", "sock_recvfrom", "sock_recv_into", "sock_recvfrom_into"])
def receive(loop, request):
    """A coroutine function that receives from a socket, in each of the four ways."""
    return functools.partial(receive_by, request.param, loop)


async def test_data_that_is_there_is_received(left, right, receive):
    right.send(b"0123456789")
    assert await receive(left, 4) == b"0123"
    assert await receive(left, 100) == b"456789"


async def test_data_that_comes_later_is_received(loop, left, right, receive):
    for number in range(5):
        receiving = await start(receive(left, 100))
        right.send(b"data %d" % number)
        assert await receiving == b"data %d" % number


async def test_end_is_received_as_nothing(loop, left, right, receive):
    receiving = await start(receive(left, 100))
    right.close()
    assert await receiving == b""
    assert await receive(left, 100) == b""


async def test_cancelled_receiving_loses_no_data(loop, left, right, receive):
    for send_first in False, True:
        receiving = await start(receive(left, 100))
        if send_first:
            right.send(b"kept")
        await cancel(receiving)
        if not send_first:
            right.send(b"kept")
        await settle()
        assert await receive(left, 100) == b"kept"


async def test_receiving_given_up_by_wait_for_loses_no_data(left, right, receive):
    for timeout in 0, 0.001:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(receive(left, 100), timeout)
    right.send(b"kept")
    await settle()
    assert await asyncio.wait_for(receive(left, 100), 10) == b"kept"


# On asyncio's loop the second takes the first one's place, and the first waits forever.
@pytest.mark.fastloop_only
@pytest.mark.time_limit(3)
async def test_several_tasks_can_receive_on_one_socket(loop, left, right, receive):
    receiving = [await start(receive(left, 1)) for _ in range(3)]
    right.send(b"abc")
    assert sorted(await asyncio.gather(*receiving)) == [b"a", b"b", b"c"]
    receiving = [await start(receive(left, 1)) for _ in range(3)]
    receiving[1].cancel()
    right.send(b"de")
    results = await asyncio.gather(*receiving, return_exceptions=True)
    assert sorted(result for result in results if isinstance(result, bytes)) == [b"d", b"e"]


async def test_connection_that_is_reset_raises(loop):
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as left:
        left.setblocking(False)
        receiving = await start(loop.sock_recv(left, 100))
        reset(listener.accept()[0])
        with pytest.raises(ConnectionResetError):
            await receiving


async def test_recv_into_takes_any_writable_buffer(loop, left, right):
    numbers = array.array("I", [0, 0])
    right.send(array.array("I", [7, 8]).tobytes())
    assert await loop.sock_recv_into(left, numbers) == 8
    assert list(numbers) == [7, 8]
    buffer = bytearray(10)
    right.send(b"abcdef")
    assert await loop.sock_recv_into(left, memoryview(buffer)[2:5]) == 3
    assert buffer == b"\0\0abc\0\0\0\0\0"
    # The buffer is not in use any more.
    buffer.clear()


@pytest.mark.parametrize("size", [1000, 131_072, 131_073, 150_000])
@pytest.mark.parametrize("limit", [200_000, 1_000_000])
async def test_one_receive_takes_one_datagram_whole(loop, no_leaks, size, limit):
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with left, right:
        for end in left, right:
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1_000_000)
        left.send(pattern(size))
        left.send(b"second")
        assert await loop.sock_recv(right, limit) == pattern(size)
        assert await loop.sock_recv(right, limit) == b"second"


async def test_datagrams_come_with_their_sender(loop, datagram_pair):
    left, right = datagram_pair
    assert await loop.sock_sendto(right, b"first", left.getsockname()) == 5
    assert await loop.sock_recvfrom(left, 100) == (b"first", right.getsockname())
    receiving = await start(loop.sock_recvfrom(left, 3))
    await loop.sock_sendto(right, b"second", left.getsockname())
    assert await receiving == (b"sec", right.getsockname())
    buffer = bytearray(100)
    receiving = await start(loop.sock_recvfrom_into(left, buffer, 3))
    await loop.sock_sendto(right, b"third", left.getsockname())
    assert await receiving == (3, right.getsockname())
    assert buffer[:4] == b"thi\0"
    await loop.sock_sendto(right, b"", left.getsockname())
    assert await loop.sock_recvfrom(left, 100) == (b"", right.getsockname())


# Sending


async def receive_whole(loop, sock, size):
    received = bytearray()
    while len(received) < size:
        received += await loop.sock_recv(sock, 65536)
    return received


async def test_data_is_sent_whole(loop, left, right):
    data = pattern(3_000_000)
    assert await asyncio.gather(loop.sock_sendall(left, data), receive_whole(loop, right, len(data))) == [None, data]


@pytest.mark.parametrize("make_data", [bytes, bytearray, memoryview, lambda data: memoryview(bytearray(data))[1:-1]])
async def test_any_bytes_like_object_is_sent(loop, left, right, make_data):
    data = make_data(b"some data")
    await loop.sock_sendall(left, data)
    assert await loop.sock_recv(right, 100) == bytes(data)
    assert await loop.sock_sendall(left, data[:0]) is None


# asyncio compares bytes that were sent with elements that were given, and never ends.
@pytest.mark.fastloop_only
@pytest.mark.time_limit(3)
async def test_view_of_larger_elements_is_sent_whole(loop, left, right):
    numbers = array.array("I", range(100))
    await loop.sock_sendall(left, memoryview(numbers))
    assert await loop.sock_recv(right, 1000) == numbers.tobytes()


async def test_sending_waits_for_the_reader_and_can_be_cancelled(loop, left, right):
    size = fill(left)
    sending = await start(loop.sock_sendall(left, b"not sent"))
    await cancel(sending)
    received = 0
    while received < size:
        received += len(await loop.sock_recv(right, 1_000_000))
    await loop.sock_sendall(left, b"sent")
    assert await loop.sock_recv(right, 100) == b"sent"


async def test_sending_to_a_peer_that_left_raises(loop, left, right):
    fill(left)
    sending = await start(loop.sock_sendall(left, bytes(100_000)))
    right.close()
    with pytest.raises(ConnectionError):
        await sending


# Together


async def test_one_socket_receives_and_sends_at_the_same_time(loop, left, right):
    data = pattern(1_000_000)
    sending = loop.sock_sendall(left, data), loop.sock_sendall(right, data[::-1])
    receiving = receive_whole(loop, left, len(data)), receive_whole(loop, right, len(data))
    assert await asyncio.gather(*sending, *receiving) == [None, None, data[::-1], data]


async def test_reader_of_the_user_stays_while_the_loop_sends(loop, left, right):
    received = []
    loop.add_reader(left, lambda: received.append(left.recv(100)))
    size = fill(left)
    sending = await start(loop.sock_sendall(left, b"x" * 10))
    right.send(b"first")
    await settle()
    assert received == [b"first"]
    while size > -10:
        size -= len(await loop.sock_recv(right, 1_000_000))
    await sending
    right.send(b"second")
    await settle()
    assert received == [b"first", b"second"]
    assert loop.remove_reader(left) is True


async def test_writer_of_the_user_stays_while_the_loop_receives(loop, left, right):
    calls = []
    loop.add_writer(left, calls.append, None)
    receiving = await start(loop.sock_recv(left, 100))
    right.send(b"data")
    assert await receiving == b"data"
    calls.clear()
    await settle()
    assert calls
    assert loop.remove_writer(left) is True


async def test_results_can_be_gathered_waited_for_and_made_tasks_of(loop, left, right):
    assert asyncio.iscoroutine(loop_call := loop.sock_recv(left, 1))
    task = asyncio.create_task(loop_call)
    await asyncio.wait_for(loop.sock_sendall(right, b"abc"), 10)
    assert await task == b"a"
    assert await asyncio.gather(loop.sock_recv(left, 1), asyncio.shield(loop.sock_sendall(left, b"x"))) == [b"b", None]
    async with asyncio.TaskGroup() as group:
        task = group.create_task(loop.sock_recv(left, 1), name="a name")
    assert task.result() == b"c"


async def test_nothing_happens_before_the_result_is_awaited(loop, left, right):
    right.send(b"ab")
    first = loop.sock_recv(left, 1)
    sending = loop.sock_sendall(left, b"not yet")
    await settle()
    assert await loop.sock_recv(left, 1) == b"a"
    assert await first == b"b"
    with pytest.raises(BlockingIOError):
        right.recv(100)
    await sending
    assert right.recv(100) == b"not yet"


@pytest.mark.parametrize("name", ["sock_recv", "sock_sendall", "sock_accept", "sock_connect", "sock_recv_into", "sock_recvfrom"])
def test_result_that_nobody_awaits_warns(loop, pair, name):
    arguments = {"sock_sendall": [b""], "sock_accept": [], "sock_connect": ["address"], "sock_recv_into": [bytearray(1)]}.get(name, [1])
    with pytest.warns(RuntimeWarning, match=f"{name}' was never awaited"):
        getattr(loop, name)(pair[0], *arguments)
        gc.collect()


def test_result_can_be_closed_unused(loop, pair):
    unused = loop.sock_recv(pair[0], 1)
    unused.close()
    assert inspect.isawaitable(unused)


@pytest.mark.parametrize("name", ["sock_recv", "sock_recv_into"])
async def test_nothing_is_received_at_once_where_nothing_is_asked_for(loop, datagram_pair, name):
    left, right = datagram_pair
    assert await receive_by(name, loop, right, 0) == b""
    left.sendto(b"datagram", right.getsockname())
    assert await receive_by(name, loop, right, 0) == b""
    assert await receive_by(name, loop, right, 20) in (b"datagram", b"datagram".ljust(20, b"\0"))


async def test_empty_datagram_is_sent(loop, datagram_pair):
    left, right = datagram_pair
    left.connect(right.getsockname())
    await loop.sock_sendall(left, b"")
    assert await loop.sock_recv(right, 20) == b""


async def test_sending_nothing_tells_of_a_socket_that_cannot_send(loop):
    with socket.socket() as unconnected:
        unconnected.setblocking(False)
        with pytest.raises(OSError):
            await loop.sock_sendall(unconnected, b"")


async def test_two_tasks_that_await_one_coroutine_do_not_disturb_its_wait(loop, left, right):
    coroutine = loop.sock_recv(left, 5)
    tasks = [asyncio.ensure_future(coroutine) for _ in range(2)]
    await asyncio.sleep(0)
    right.send(b"hello")
    first, second = await asyncio.gather(*tasks, return_exceptions=True)
    assert first == b"hello"
    assert "cannot reuse" in str(second)


async def test_stop_iteration_that_is_thrown_into_the_wait_is_the_end(loop, left):
    coroutine = loop.sock_recv(left, 5)
    coroutine.send(None)
    with pytest.raises(StopIteration) as stopped:
        coroutine.throw(StopIteration(b"result"))
    assert stopped.value.value == b"result"
