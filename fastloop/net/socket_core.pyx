"""SocketCore: the loop's operations on raw sockets, and the buffer that reads go through unless the program gave one.

Owns: the receive buffer, and the addresses of datagrams that were seen last.
Promises: a socket object with methods of its own is served by asyncio's code, which calls them.
Driven by: the program.
"""

import asyncio

from cpython.exc cimport PyErr_Clear, PyErr_Occurred

from fastloop.core.fd_watcher cimport wait_for_socket
from fastloop.net.address_cache cimport address_cache_close
from fastloop.net.plain_sockets cimport calls_own_method
from fastloop.net.receive_buffer cimport receive_buffer_close
from fastloop.net.socket_operation cimport (
    SOCKET_RECEIVE, SOCKET_RECEIVE_FROM, SOCKET_RECEIVE_FROM_INTO, SOCKET_RECEIVE_INTO, SOCKET_SEND_ALL, SOCKET_SEND_TO,
    new_socket_operation, socket_operation_use_addresses)
from fastloop.poll.poller cimport POLL_READABLE, POLL_WRITABLE
from fastloop.python.capi cimport int_as_size


cdef object SelectorEventLoop = asyncio.SelectorEventLoop


cdef class SocketCore(LoopCore):
    def __dealloc__(self):
        receive_buffer_close(&self.receive_buffer)
        address_cache_close(&self.addresses)

    def sock_recv(self, sock, n):
        """Receive up to n bytes from a non-blocking socket. Returns an awaitable for the bytes, empty at the end of file.

        A cancelled receive takes nothing from the socket. Raises OSError. Follows asyncio's loop.sock_recv().
        """
        if calls_own_method(sock, "recv") or not is_size(n):
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

    def sock_recvfrom(self, sock, bufsize):
        """Receive a datagram of up to bufsize bytes from a non-blocking socket. Returns an awaitable for (bytes, address)."""
        if calls_own_method(sock, "recvfrom") or not is_size(bufsize):
            return SelectorEventLoop.sock_recvfrom(self, sock, bufsize)
        operation = new_socket_operation(self, &self.receive_buffer, SOCKET_RECEIVE_FROM, sock, None, bufsize)
        return socket_operation_use_addresses(operation, &self.addresses, None)

    def sock_recvfrom_into(self, sock, buf, nbytes=0):
        """Receive a datagram into buf, up to nbytes if that is not 0. Returns an awaitable for (number of bytes, address)."""
        if calls_own_method(sock, "recvfrom_into") or not is_size(nbytes):
            return SelectorEventLoop.sock_recvfrom_into(self, sock, buf, nbytes)
        operation = new_socket_operation(self, &self.receive_buffer, SOCKET_RECEIVE_FROM_INTO, sock, buf, nbytes)
        return socket_operation_use_addresses(operation, &self.addresses, None)

    def sock_sendto(self, sock, data, address):
        """Send data as one datagram to address. Returns an awaitable for the number of bytes sent."""
        if calls_own_method(sock, "sendto"):
            return SelectorEventLoop.sock_sendto(self, sock, data, address)
        operation = new_socket_operation(self, &self.receive_buffer, SOCKET_SEND_TO, sock, data, 0)
        return socket_operation_use_addresses(operation, &self.addresses, address)

    def _wait_readable(self, sock):
        """Return a future that is done when another read of the socket is worth trying."""
        self._ensure_fd_no_transport(sock)
        return wait_for_socket(self, sock.fileno(), sock, POLL_READABLE)

    def _wait_writable(self, sock):
        """The same for writing."""
        self._ensure_fd_no_transport(sock)
        return wait_for_socket(self, sock.fileno(), sock, POLL_WRITABLE)


cdef inline bint is_size(object number) noexcept:
    """HOT. Whether it is an int that fits. What is wrong with others is raised by asyncio's methods, when they are awaited."""
    if type(number) is not int:
        return False
    if int_as_size(number) == -1 and PyErr_Occurred() is not NULL:
        PyErr_Clear()
        return False
    return True
