"""SocketCore: the loop's operations on raw sockets, and the buffer that reads go through unless the program gave one.

Owns: the receive buffer.
Promises: a socket object with methods of its own is served by asyncio's code, which calls them.
Driven by: the program.
"""

import asyncio

from fastloop.core.fd_watcher cimport wait_for_socket
from fastloop.net.plain_sockets cimport calls_own_method
from fastloop.net.receive_buffer cimport receive_buffer_close
from fastloop.net.socket_operation cimport SOCKET_RECEIVE, SOCKET_RECEIVE_INTO, SOCKET_SEND_ALL, new_socket_operation
from fastloop.poll.poller cimport POLL_READABLE, POLL_WRITABLE


cdef object SelectorEventLoop = asyncio.SelectorEventLoop


cdef class SocketCore(LoopCore):
    def __dealloc__(self):
        receive_buffer_close(&self.receive_buffer)

    def sock_recv(self, sock, n):
        """Receive up to n bytes from a non-blocking socket. Returns an awaitable for the bytes, empty at the end of file.

        A cancelled receive takes nothing from the socket. Raises OSError. Follows asyncio's loop.sock_recv().
        """
        if calls_own_method(sock, "recv"):
            return SelectorEventLoop.sock_recv(self, sock, n)
        return new_socket_operation(self, &self.receive_buffer, SOCKET_RECEIVE, sock, None, n)

    def sock_recv_into(self, sock, buf):
        """Receive from a non-blocking socket into buf, a writable buffer. Returns an awaitable for the number of bytes."""
        if calls_own_method(sock, "recv_into"):
            return SelectorEventLoop.sock_recv_into(self, sock, buf)
        return new_socket_operation(self, &self.receive_buffer, SOCKET_RECEIVE_INTO, sock, buf, 0)

    def sock_sendall(self, sock, data):
        """Send data to a non-blocking socket. Returns an awaitable that is done when everything is sent.

        After an error it is unknown how much was sent.
        """
        if calls_own_method(sock, "send"):
            return SelectorEventLoop.sock_sendall(self, sock, data)
        return new_socket_operation(self, &self.receive_buffer, SOCKET_SEND_ALL, sock, data, 0)

    def _wait_readable(self, sock):
        """Return a future that is done when another read of the socket is worth trying."""
        self._ensure_fd_no_transport(sock)
        return wait_for_socket(self, sock.fileno(), sock, POLL_READABLE)

    def _wait_writable(self, sock):
        """The same for writing."""
        self._ensure_fd_no_transport(sock)
        return wait_for_socket(self, sock.fileno(), sock, POLL_WRITABLE)
