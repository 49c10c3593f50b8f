"""SocketMethods: the operations on raw sockets that are not hot.

Owns: nothing. What receives and sends is in net/socket_operation.pyx.
Promises: asyncio's semantics and errors. Each operation is tried first, and waits only if it would block. A cancelled one
  has taken nothing. An object that has its own method for an operation is served by asyncio's code, which is
  level-triggered. Such a method may say that it would block while the kernel has something.
Driven by: the program's tasks, and asyncio's create_connection().
"""

import asyncio
import errno
import socket

from fastloop.net.plain_sockets import has_own_methods
from fastloop.net.socket_operation import check_socket

# The first and the longest pause before another attempt to connect to a Unix socket with a full backlog.
MIN_PAUSE_S = 0.001
MAX_PAUSE_S = 0.05


class SocketMethods:
    """The part of the loop that connects and accepts."""

    async def sock_accept(self, sock):
        """Accept a connection. Returns (a non-blocking socket, the peer's address)."""
        if has_own_methods(sock, ("accept",)):
            return await super().sock_accept(sock)
        check_socket(self, sock)
        while True:
            try:
                connection, address = sock.accept()
            except (BlockingIOError, InterruptedError):
                await self._wait_readable(sock)
            else:
                connection.setblocking(False)
                return connection, address

    async def sock_connect(self, sock, address):
        """Connect to address. Its host is resolved first if necessary. Raises OSError if that fails."""
        if has_own_methods(sock, ("connect",)):
            return await super().sock_connect(sock, address)
        check_socket(self, sock)
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            resolved = await self._ensure_resolved(address, family=sock.family, type=sock.type, proto=sock.proto, loop=self)
            address = resolved[0][4]
        if await self._begin_connecting(sock, address):
            return
        await self._wait_writable(sock)
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error != 0:
            raise OSError(error, f"Connect call failed {address}")

    async def _begin_connecting(self, sock, address):
        """Return whether the socket is connected at once."""
        pause_s = MIN_PAUSE_S
        while True:
            try:
                sock.connect(address)
                return True
            except InterruptedError:
                return False
            except BlockingIOError as error:
                if error.errno != errno.EAGAIN or sock.family != socket.AF_UNIX:
                    return False
            # The backlog of a Unix server is full. The kernel has not begun to connect, and will not report when it could.
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, MAX_PAUSE_S)
