"""Far ends of connections, which use nothing of what is under test but add_reader() and add_writer()."""

import contextlib
import socket
import struct


class Peer:
    """The far end of a connection: a plain socket that does not block."""

    def __init__(self, loop, sock):
        sock.setblocking(False)
        self._loop = loop
        self.sock = sock

    async def _ready(self, add, remove):
        ready = self._loop.create_future()
        add(self.sock, lambda: ready.done() or ready.set_result(None))
        try:
            await ready
        finally:
            remove(self.sock)

    async def readable(self):
        await self._ready(self._loop.add_reader, self._loop.remove_reader)

    async def receive_some(self, size=262144):
        while True:
            try:
                return self.sock.recv(size)
            except BlockingIOError:
                await self.readable()

    async def receive(self, size):
        """Return size bytes, or fewer if the connection ends before."""
        received = bytearray()
        while len(received) < size and (data := await self.receive_some(size - len(received))):
            received += data
        return bytes(received)

    async def receive_all(self):
        """Return what arrives until the end; a reset is an end, too."""
        received = bytearray()
        with contextlib.suppress(ConnectionResetError):
            while data := await self.receive_some():
                received += data
        return bytes(received)

    async def send(self, data):
        view = memoryview(data)
        while view:
            try:
                view = view[self.sock.send(view) :]
            except BlockingIOError:
                await self._ready(self._loop.add_writer, self._loop.remove_writer)

    async def check_echo(self):
        await self.send(b"hello")
        assert await self.receive(5) == b"hello"

    def send_end(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        reset(self.sock)

    def close(self):
        self.sock.close()


def reset(sock):
    """Close a TCP socket so that the other end gets a reset instead of an end."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def fill(sock):
    """Write to a socket until it takes no more; return how much that was."""
    size = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            size += sock.send(bytes(65536))
    return size
