"""Everything that opens something, or waits for it, is cancelled in each of its turns, and closes exactly what it opened.

Meanwhile the numbers of closed descriptors are taken at once, so that a second close() would be noticed.
"""

import asyncio
import contextlib
import gc
import os
import socket
import sys
import threading

import pytest

from actors.cancelling import NumberTaker, cancelled_at_turn, turn_by_turn
from actors.cases import Cases

# How many turns an operation may need.
MOST_TURNS = 300
# More than the kernel keeps.
MUCH = bytes(4_000_000)


class Scene:
    """What an operation finds. Whatever the test opens here is closed with `closing`, after the operation has ended."""

    def __init__(self, loop, closing, folder, tls_contexts):
        self.loop = loop
        self.closing = closing
        self.path = os.path.join(folder, "socket")
        self.tls_contexts = tls_contexts
        # Transports of children. A child may outlive a cancelled wait; it is killed then.
        self.children = []

    def open_socket(self, *args):
        sock = self.closing.enter_context(socket.socket(*args))
        sock.setblocking(False)
        return sock

    def listener(self, family=socket.AF_INET):
        listener = self.open_socket(family)
        listener.bind(self.path if family == socket.AF_UNIX else ("127.0.0.1", 0))
        listener.listen(10)
        return listener

    def pair(self, kind=socket.SOCK_STREAM):
        """Two connected sockets; the second one gets something to read a moment later."""
        pair = socket.socketpair(socket.AF_UNIX, kind)
        for end in pair:
            self.closing.enter_context(end).setblocking(False)
        self.loop.call_later(0.001, self.send, pair[0], b"line\nmore")
        return pair

    def send(self, sock, data):
        with contextlib.suppress(OSError):
            sock.send(data)

    def drain_later(self, sock):
        """Read everything from a socket a moment later."""

        def drain():
            with contextlib.suppress(OSError):
                while sock.recv(1_000_000):
                    pass
            self.loop.call_later(0.001, drain)

        self.loop.call_later(0.001, drain)

    def pipe(self, mode):
        """A file of one end of a pipe."""
        reading, writing = os.pipe()
        mine, other = (reading, writing) if mode == "rb" else (writing, reading)
        self.closing.callback(os.close, other)
        return self.closing.enter_context(open(mine, mode, 0))

    async def streams(self):
        """A stream reader and writer on a pair, and the other socket."""
        other, own = self.pair()
        own = own.dup()
        try:
            reader, writer = await asyncio.open_connection(sock=own)
        except BaseException:
            # asyncio does not close what it was given.
            own.close()
            raise
        self.closing.callback(writer.close)
        return reader, writer, other


OPERATIONS = Cases()


@OPERATIONS
async def open_connection(scene, address=None):
    _, writer = await asyncio.open_connection(*(address or scene.listener().getsockname()))
    scene.closing.callback(writer.close)
    writer.write(b"x")
    await writer.drain()
    writer.close()
    await writer.wait_closed()


@OPERATIONS
async def open_connection_by_name(scene):
    await open_connection(scene, ("localhost", scene.listener().getsockname()[1]))


@OPERATIONS
async def open_unix_connection(scene):
    scene.listener(socket.AF_UNIX)
    _, writer = await asyncio.open_unix_connection(scene.path)
    scene.closing.callback(writer.close)
    writer.close()
    await writer.wait_closed()


@OPERATIONS
async def create_connection(scene):
    transport, _ = await scene.loop.create_connection(asyncio.Protocol, *scene.listener().getsockname(), local_addr=("127.0.0.1", 0))
    transport.close()


@OPERATIONS
async def create_connection_with_happy_eyeballs(scene):
    port = scene.listener().getsockname()[1]
    transport, _ = await scene.loop.create_connection(asyncio.Protocol, "localhost", port, happy_eyeballs_delay=0.001)
    transport.close()


@OPERATIONS
async def start_server(scene, start=asyncio.start_server, address=("127.0.0.1", 0)):
    server = await start(lambda reader, writer: writer.close(), *address)
    scene.closing.callback(server.close)
    async with server:
        await server.start_serving()


@OPERATIONS
async def start_unix_server(scene):
    await start_server(scene, asyncio.start_unix_server, (scene.path,))


@OPERATIONS
async def start_server_of_all_interfaces(scene):
    await start_server(scene, address=(None, 0))


@OPERATIONS
async def create_datagram_endpoint(scene, **options):
    options = options or {"local_addr": ("127.0.0.1", 0), "remote_addr": ("localhost", 9)}
    transport, _ = await scene.loop.create_datagram_endpoint(asyncio.DatagramProtocol, **options)
    transport.close()


@OPERATIONS
async def create_unix_datagram_endpoint(scene):
    await create_datagram_endpoint(scene, family=socket.AF_UNIX, local_addr=scene.path)


@OPERATIONS
async def connect_read_pipe(scene):
    transport, _ = await scene.loop.connect_read_pipe(asyncio.Protocol, scene.pipe("rb"))
    transport.close()


@OPERATIONS
async def connect_write_pipe(scene):
    transport, _ = await scene.loop.connect_write_pipe(asyncio.BaseProtocol, scene.pipe("wb"))
    transport.close()


@OPERATIONS
async def start_tls(scene):
    accepted = []

    def accept(reader, writer):
        accepted.append(writer)
        scene.closing.callback(writer.transport.abort)

    context, client_context = scene.tls_contexts
    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    scene.closing.callback(server.close)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    # The transport is the connection's whatever happens to the writer.
    scene.closing.callback(writer.transport.abort)
    await writer.start_tls(client_context, server_hostname="localhost")
    writer.transport.abort()


# Subprocesses


PIPES = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}


@OPERATIONS
async def subprocess_exec(scene):
    transport, _ = await scene.loop.subprocess_exec(asyncio.SubprocessProtocol, "cat")
    scene.children.append(transport)


@OPERATIONS
async def subprocess_shell(scene):
    transport, _ = await scene.loop.subprocess_shell(asyncio.SubprocessProtocol, "exit 3", **PIPES)
    scene.children.append(transport)


@OPERATIONS
async def communicate(scene):
    process = await asyncio.create_subprocess_exec("cat", **PIPES)
    scene.children.append(process._transport)
    assert await process.communicate(bytes(200_000)) == (bytes(200_000), b"")


@OPERATIONS
async def process_wait(scene):
    process = await asyncio.create_subprocess_shell("exit 3")
    scene.children.append(process._transport)
    assert await process.wait() == 3


# Raw sockets


@OPERATIONS
async def sock_recv(scene):
    assert await scene.loop.sock_recv(scene.pair()[1], 100) == b"line\nmore"


@OPERATIONS
async def sock_recv_into(scene):
    assert await scene.loop.sock_recv_into(scene.pair()[1], bytearray(100)) == 9


@OPERATIONS
async def sock_recvfrom(scene):
    assert (await scene.loop.sock_recvfrom(scene.pair(socket.SOCK_DGRAM)[1], 100))[0] == b"line\nmore"


@OPERATIONS
async def sock_recvfrom_into(scene):
    assert (await scene.loop.sock_recvfrom_into(scene.pair(socket.SOCK_DGRAM)[1], bytearray(100)))[0] == 9


@OPERATIONS
async def sock_sendall(scene):
    left, right = scene.pair()
    scene.drain_later(right)
    await scene.loop.sock_sendall(left, MUCH)


@OPERATIONS
async def sock_sendto(scene):
    receiver = scene.open_socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(scene.path)
    sender = scene.open_socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    scene.drain_later(receiver)
    for _ in range(40):
        await scene.loop.sock_sendto(sender, bytes(1000), scene.path)


@OPERATIONS
async def sock_accept(scene):
    listener, client = scene.listener(), scene.open_socket()
    scene.loop.call_later(0.001, client.connect_ex, listener.getsockname())
    accepted, _ = await scene.loop.sock_accept(listener)
    accepted.close()


@OPERATIONS
async def sock_connect(scene):
    await scene.loop.sock_connect(scene.open_socket(), ("localhost", scene.listener().getsockname()[1]))


@OPERATIONS
async def sock_sendfile(scene):
    left, right = scene.pair()
    scene.drain_later(right)
    with open(sys.executable, "rb") as file:
        await scene.loop.sock_sendfile(left, file, 0, 1_000_000)


# Names


@OPERATIONS
async def getaddrinfo(scene):
    await asyncio.gather(*[scene.loop.getaddrinfo("localhost", 80) for _ in range(2)])


@OPERATIONS
async def getnameinfo(scene):
    await scene.loop.getnameinfo(("127.0.0.1", 80))


# Streams


@OPERATIONS
async def stream_reads(scene):
    reader, _, other = await scene.streams()
    assert await reader.readline() == b"line\n"
    assert await reader.readexactly(2) == b"mo"
    assert await reader.readuntil(b"e") == b"re"
    scene.loop.call_later(0.001, other.close)
    assert await reader.read() == b""


@OPERATIONS
async def stream_drain(scene):
    _, writer, other = await scene.streams()
    writer.write(MUCH)
    scene.drain_later(other)
    await writer.drain()
    writer.close()
    await writer.wait_closed()


@OPERATIONS
async def stream_sendfile(scene):
    _, writer, other = await scene.streams()
    scene.drain_later(other)
    with open(sys.executable, "rb") as file:
        await scene.loop.sendfile(writer.transport, file, 0, 1_000_000)


# The driver


def ended_threads():
    """Wait for threads that outlive a cancelled call: lookups, and those that wait for children."""
    for thread in threading.enumerate():
        if thread.name.startswith(("fastloop-lookup", "waitpid", "asyncio")):
            thread.join(20)


def no_children():
    try:
        return os.waitpid(-1, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return True


async def quiet(loop, children):
    """What was cancelled and closed has had its turns, and children were reaped."""
    for transport in children:
        transport.close()
        await transport._wait()
    await loop.shutdown_default_executor()
    for _ in range(5):
        await asyncio.sleep(0)
    if left := asyncio.all_tasks(loop) - {asyncio.current_task()}:
        _, pending = await asyncio.wait(left, timeout=20)
        assert not pending


class Driver:
    def __init__(self, loop_class, folder, tls_contexts):
        self._loop_class = turn_by_turn(loop_class)
        self._folder = folder
        self._tls_contexts = tls_contexts

    def run(self, operation, turn):
        """Cancel the operation before that turn; return whether it ended before. Raises AssertionError if something is left."""
        reports = []
        taker = NumberTaker()
        with contextlib.closing(taker), contextlib.closing(self._loop_class()) as loop, contextlib.ExitStack() as closing:
            loop.set_exception_handler(lambda _, context: reports.append(context["message"]))
            scene = Scene(loop, closing, self._folder, self._tls_contexts)
            task = cancelled_at_turn(loop, operation(scene), turn, taker)
            has_ended = not task.cancelled()
            if has_ended:
                task.result()
            closing.close()
            loop.run_until_complete(quiet(loop, scene.children))
            del task, scene
            loop.close()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self._folder, "socket"))
            ended_threads()
            gc.collect()
            assert (*taker.check(), reports, no_children()) == ({}, set(), [], True), f"cancelled before turn {turn}"
        return has_ended


@pytest.fixture
def driver(implementation, short_folder, tls_contexts, no_leaks):
    return Driver(implementation.EventLoop, short_folder, tls_contexts)


LISTENS_ON = "a server that is cancelled in the turn after it began to listen keeps listening"
# What asyncio leaves behind, to the garbage collector or forever.
ASYNCIO_LEAVES = {
    "create_connection_with_happy_eyeballs": "a socket that is cancelled at the moment at which it wins",
    "start_server": LISTENS_ON,
    "start_unix_server": LISTENS_ON,
    "start_server_of_all_interfaces": LISTENS_ON,
    "start_tls": LISTENS_ON,
    "sock_accept": "a connection that is cancelled in the turn after it was accepted",
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_that_is_cancelled_in_any_turn_closes_exactly_what_it_opened(implementation, driver, operation, needs_localhost):
    if implementation.name == "asyncio" and operation in ASYNCIO_LEAVES:
        pytest.skip(ASYNCIO_LEAVES[operation])
    for turn in range(MOST_TURNS):
        if driver.run(OPERATIONS[operation], turn):
            return
    raise AssertionError("it never ended by itself")
