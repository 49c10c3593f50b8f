"""Tracebacks of exceptions that reach the program: frames of Python code only, as with asyncio's tasks in C."""

import asyncio
import os
import socket
import traceback

import pytest

from actors.connections import tcp_pair
from actors.coroutines import raise_some_error
from actors.failures import SomeError, fail
from actors.tls import require_openssl

pytestmark = pytest.mark.skipif("FASTLOOP_DEBUG" in os.environ, reason="a debug build shows its frames")


def compiled_frames(exception):
    return [frame for frame in traceback.extract_tb(exception.__traceback__) if frame.filename.endswith(".pyx")]


async def failed_future(loop):
    future = loop.create_future()
    loop.call_soon(future.set_exception, SomeError())
    await future


async def failed_reader(loop):
    reader = asyncio.StreamReader()
    loop.call_soon(reader.set_exception, SomeError())
    await reader.read(1)


async def failed_stream(loop, read):
    left, right = tcp_pair()
    right.close()
    import fastloop

    reader, writer = await fastloop.open_connection(sock=left)
    try:
        await read(reader)
    finally:
        writer.close()
        await writer.wait_closed()


async def lost_socket(loop):
    left, right = tcp_pair()
    with left:
        right.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        left.setblocking(False)
        loop.call_soon(right.close)
        await loop.sock_recv(left, 1)


async def no_tls(loop):
    require_openssl()
    server = await asyncio.start_server(lambda reader, writer: (writer.write(b"no TLS\r\n" * 9), writer.close()), "127.0.0.1", 0)
    async with server:
        await asyncio.open_connection(*server.sockets[0].getsockname(), ssl=True)


async def never_ends(loop):
    await asyncio.wait_for(loop.create_future(), 0.001)


WAYS_TO_RAISE = {
    "task": lambda loop: asyncio.create_task(raise_some_error()),
    "gather": lambda loop: asyncio.gather(raise_some_error(), asyncio.sleep(0)),
    "timeout": never_ends,
    "future": failed_future,
    "executor": lambda loop: loop.run_in_executor(None, fail),
    "asyncio's reader": failed_reader,
    "readexactly": lambda loop: failed_stream(loop, lambda reader: reader.readexactly(1)),
    "readuntil": lambda loop: failed_stream(loop, lambda reader: reader.readuntil(b"!")),
    "sock_recv": lost_socket,
    "create_connection": lambda loop: loop.create_connection(asyncio.Protocol, "127.0.0.1", 1),
    "TLS": no_tls,
    "bad argument": lambda loop: loop.call_later("soon", fail),
}


@pytest.mark.parametrize("way", WAYS_TO_RAISE)
def test_exception_that_is_awaited_has_no_compiled_frames(loop, recwarn, way):
    async def main():
        await WAYS_TO_RAISE[way](loop)

    with pytest.raises(Exception) as caught:
        loop.run_until_complete(main())
    assert caught.traceback
    assert compiled_frames(caught.value) == []


WAYS_TO_BE_CALLED = {
    "call_soon": lambda loop, sock: loop.call_soon(fail),
    "timer": lambda loop, sock: loop.call_later(0, fail),
    "add_writer": lambda loop, sock: loop.add_writer(sock, lambda: (loop.remove_writer(sock), fail())),
    "connection_made": lambda loop, sock: connected(loop, sock, connection_made=lambda made: (made.close(), fail())),
    "data_received": lambda loop, sock: connected(loop, sock, data_received=fail),
    "get_buffer": lambda loop, sock: connected(loop, sock, asyncio.BufferedProtocol, get_buffer=fail),
    "connection_lost": lambda loop, sock: connected(loop, sock, connection_lost=fail, connection_made=lambda made: made.close()),
}


def connected(loop, sock, kind=asyncio.Protocol, **methods):
    protocol = type("Protocol", (kind,), {})()
    vars(protocol).update(methods)
    return loop.create_task(loop.create_connection(lambda: protocol, sock=sock))


@pytest.mark.parametrize("way", WAYS_TO_BE_CALLED)
def test_exception_that_is_reported_has_no_compiled_frames(loop, reported, way):
    left, right = tcp_pair()
    with left, right:
        right.send(b"data")

        async def main():
            WAYS_TO_BE_CALLED[way](loop, left)
            while not reported:
                await asyncio.sleep(0)

        loop.run_until_complete(asyncio.wait_for(main(), 10))
    exception = reported[0]["exception"]
    assert compiled_frames(exception) == []
    # The protocol keeps the transport, the traceback the protocol.
    exception.__traceback__ = None
