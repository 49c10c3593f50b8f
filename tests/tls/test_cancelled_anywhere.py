"""Everything that opens a TLS connection is cancelled in each of its turns, and leaves no descriptor, task or report."""

import asyncio
import contextlib
import gc
import socket

import pytest

from actors.cancelling import NumberTaker, cancelled_at_turn, turn_by_turn
from actors.cases import Cases
from actors.kernel import settle
from actors.leftovers import unclosed_expected
from actors.protocols import RecordingProtocol

# How many turns an operation may need.
MOST_TURNS = 300
OPERATIONS = Cases()


class Scene:
    """What an operation finds: a server that speaks TLS, or in clear. Everything is closed after the operation has ended."""

    def __init__(self, loop, contexts, closing, closing_last):
        self.loop = loop
        self.contexts = contexts
        self.closing = closing
        # For sockets that a transport may own.
        self.closing_last = closing_last

    async def serve(self, **options):
        """Start a server; return its address."""

        async def handle(reader, writer):
            try:
                if not options:
                    writer.write(b"r")
                    await writer.start_tls(self.contexts[0])
                writer.write(b"x")
                await reader.read()
            except (OSError, asyncio.IncompleteReadError):
                # The client is gone.
                pass
            finally:
                writer.transport.abort()

        server = await self.loop.create_server(lambda: self.protocol(handle), "127.0.0.1", 0, **options)
        self.closing.callback(server.close)
        return server.sockets[0].getsockname()

    def protocol(self, handle):
        reader = asyncio.StreamReader(loop=self.loop)
        return asyncio.StreamReaderProtocol(reader, handle, loop=self.loop)

    def client_options(self):
        return {"ssl": self.contexts[1], "server_hostname": "localhost"}


@OPERATIONS
async def create_connection(scene):
    address = await scene.serve(ssl=scene.contexts[0])
    transport, _ = await scene.loop.create_connection(asyncio.Protocol, *address, **scene.client_options())
    transport.abort()


@OPERATIONS
async def open_connection(scene):
    address = await scene.serve(ssl=scene.contexts[0])
    reader, writer = await asyncio.open_connection(*address, **scene.client_options())
    scene.closing.callback(writer.transport.abort)
    assert await reader.readexactly(1) == b"x"
    writer.write(b"y")
    await writer.drain()
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@OPERATIONS
async def start_tls(scene):
    address = await scene.serve()
    transport, protocol = await scene.loop.create_connection(RecordingProtocol, *address)
    scene.closing.callback(transport.abort)
    # Now the server is ready.
    await protocol.until_received(1)
    transport = await scene.loop.start_tls(transport, protocol, scene.contexts[1], server_hostname="localhost")
    transport.abort()


@OPERATIONS
async def start_tls_of_a_stream(scene):
    address = await scene.serve()
    reader, writer = await asyncio.open_connection(*address)
    scene.closing.callback(writer.transport.abort)
    # Now the server is ready.
    assert await reader.readexactly(1) == b"r"
    await writer.start_tls(scene.contexts[1], server_hostname="localhost")
    assert await reader.readexactly(1) == b"x"
    writer.transport.abort()


@OPERATIONS
async def tls_in_tls(scene):
    address = await scene.serve(ssl=scene.contexts[0])
    outer, protocol = await scene.loop.create_connection(asyncio.Protocol, *address, **scene.client_options())
    scene.closing.callback(outer.abort)
    with contextlib.suppress(OSError, TimeoutError):
        options = {"server_hostname": "localhost", "ssl_handshake_timeout": 0.01}
        await scene.loop.start_tls(outer, protocol, scene.contexts[1], **options)


@OPERATIONS
async def connect_accepted_socket(scene):
    left, right = socket.socketpair()
    scene.closing_last.enter_context(left), scene.closing_last.enter_context(right)
    accepting = scene.loop.create_task(scene.loop.connect_accepted_socket(asyncio.Protocol, left, ssl=scene.contexts[0]))

    def end():
        # What it has returned is lost if this task is cancelled.
        if not accepting.cancel() and not accepting.cancelled():
            accepting.result()[0].abort()

    scene.closing.callback(end)
    transport, _ = await scene.loop.create_connection(asyncio.Protocol, sock=right, **scene.client_options())
    scene.closing.callback(transport.abort)
    transport, _ = await accepting
    transport.abort()


async def quiet(loop):
    """What was cancelled and closed has had its turns."""
    await settle()
    if left := asyncio.all_tasks(loop) - {asyncio.current_task()}:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=20)
    await settle()


def run_and_cancel(loop_class, contexts, operation, turn):
    """Cancel the operation before that turn; return whether it ended before."""
    reports, taker = [], NumberTaker()
    with contextlib.closing(taker), contextlib.closing(turn_by_turn(loop_class)()) as loop:
        loop.set_exception_handler(lambda _, context: reports.append((context["message"], context.get("exception"))))
        with contextlib.ExitStack() as closing_last:
            with contextlib.ExitStack() as closing:
                task = cancelled_at_turn(loop, operation(Scene(loop, contexts, closing, closing_last)), turn, taker)
                has_ended = not task.cancelled()
                if has_ended:
                    task.result()
            loop.run_until_complete(quiet(loop))
        del task
        loop.close()
        gc.collect()
        assert (*taker.check(), reports) == ({}, set(), []), f"cancelled before turn {turn}"
    return has_ended


def ends_by_itself(implementation, contexts, operation):
    return any(run_and_cancel(implementation.EventLoop, contexts, OPERATIONS[operation], turn) for turn in range(MOST_TURNS))


# asyncio's TLS cannot close the outer connection for an error of the inner one.
@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name != "tls_in_tls"])
def test_an_operation_that_is_cancelled_in_any_turn_leaves_no_descriptor(implementation, contexts, operation, no_leaks):
    # asyncio's TLS leaves some transports to the collector.
    with unclosed_expected():
        assert ends_by_itself(implementation, contexts, operation)


@pytest.mark.fastloop_only
@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_that_is_cancelled_in_any_turn_closes_exactly_what_it_opened(implementation, contexts, operation, no_leaks):
    assert ends_by_itself(implementation, contexts, operation)
