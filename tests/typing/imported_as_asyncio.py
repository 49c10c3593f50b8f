"""A program of asyncio's that changed one line, its import; checked by `mypy --strict` and run by tests/test_typing.py."""

import socket
from collections.abc import AsyncIterator
from typing import Any, assert_type

import fastloop as asyncio


class Echo(asyncio.Protocol):
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Listener(asyncio.DatagramProtocol):
    def __init__(self, received: asyncio.Future[bytes]) -> None:
        self.received = received

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self.received.set_result(data)


async def count_to(limit: int) -> AsyncIterator[int]:
    for number in range(limit):
        yield number
        await asyncio.sleep(0)


async def work(queue: asyncio.Queue[int]) -> int:
    return sum([await queue.get() for _ in range(3)])


async def tasks() -> None:
    queue: asyncio.Queue[int] = asyncio.Queue(maxsize=1)
    worker: asyncio.Task[int] = asyncio.create_task(work(queue), name="worker")
    async for number in count_to(3):
        await queue.put(number)
    assert_type(await asyncio.wait_for(asyncio.shield(worker), timeout=5), int)

    me: asyncio.Task[Any] | None = asyncio.current_task()
    assert me in asyncio.all_tasks()
    forever: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    try:
        await asyncio.wait_for(forever, 0.001)
    except asyncio.TimeoutError:
        assert forever.cancelled()
    both: asyncio.Future[tuple[int, None]] = asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0))
    assert_type((await both)[0], int)


async def locks_and_threads() -> None:
    lock, ready = asyncio.Lock(), asyncio.Event()
    async with lock, asyncio.Semaphore(2), asyncio.timeout(5):
        ready.set()
    assert await ready.wait()
    assert_type(await asyncio.to_thread(max, 1, 2), int)
    loop = asyncio.get_running_loop()
    assert_type(await loop.run_in_executor(None, len, "abc"), int)
    submitted = asyncio.run_coroutine_threadsafe(asyncio.sleep(0, "done"), loop)
    assert_type(await asyncio.wrap_future(submitted), str)


async def connections() -> None:
    loop = asyncio.get_running_loop()
    server: asyncio.Server = await loop.create_server(Echo, "127.0.0.1", 0)
    address: tuple[str, int] = server.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(*address)
    assert_type(reader, asyncio.StreamReader)
    writer.write(b"hello\n")
    await writer.drain()
    assert await reader.readline() == b"hello\n"
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


async def datagrams() -> None:
    loop = asyncio.get_running_loop()
    received: asyncio.Future[bytes] = loop.create_future()
    listener, protocol = await loop.create_datagram_endpoint(lambda: Listener(received), ("127.0.0.1", 0))
    assert_type(protocol, Listener)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"hi", listener.get_extra_info("sockname"))
    assert_type(await asyncio.wait_for(received, 5), bytes)
    listener.close()


async def main() -> int:
    await asyncio.gather(tasks(), locks_and_threads(), connections(), datagrams())
    try:
        async with asyncio.TaskGroup() as group:
            task: asyncio.Task[int] = group.create_task(asyncio.sleep(0, 1))
    except* asyncio.CancelledError:
        raise
    try:
        asyncio.Queue[int]().get_nowait()
    except asyncio.queues.QueueEmpty:
        pass
    return task.result()


if __name__ == "__main__":
    assert_type(asyncio.run(main()), int)
