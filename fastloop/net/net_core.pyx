"""NetCore: the loop's methods that make transports and use sockets.

Owns: nothing; the scheduler's table knows the transports and listeners by descriptor.
Promises: asyncio's own create_connection(), create_server() and their kin, which decide everything else, get fastloop's transports.
Driven by: asyncio's code, by its private hooks, and the program.
"""

import asyncio
import socket

from fastloop.core.fd_watcher cimport wait_for_socket
from fastloop.net.listener cimport start_listening, stop_listening
from fastloop.net.socket_operation cimport (
    SOCKET_RECEIVE, SOCKET_RECEIVE_INTO, SOCKET_SEND_ALL, new_socket_operation)
from fastloop.net.stream_transport cimport StreamTransport, new_stream_transport
from fastloop.net.transport cimport Transport
from fastloop.poll.poller cimport POLL_READABLE, POLL_WRITABLE


cdef:
    object SOCKET = socket.socket
    object SelectorEventLoop = asyncio.SelectorEventLoop


cdef class NetCore(LoopCore):
    # ---- raw sockets ----

    def sock_recv(self, sock, n):
        """Receive up to n bytes from a non-blocking socket: await it for the bytes, empty at the end of file.

        A cancelled receive has taken nothing. Raises OSError. Follows asyncio's loop.sock_recv().
        """
        return new_socket_operation(self, SOCKET_RECEIVE, sock, None, n)

    def sock_recv_into(self, sock, buf):
        """Receive from a non-blocking socket into buf, a writable buffer: await it for the number of bytes."""
        return new_socket_operation(self, SOCKET_RECEIVE_INTO, sock, buf, 0)

    def sock_sendall(self, sock, data):
        """Send data to a non-blocking socket: await it until everything is sent. After an error it is not known how much was."""
        return new_socket_operation(self, SOCKET_SEND_ALL, sock, data, 0)

    def _wait_readable(self, sock):
        """A future that is done when it is worth trying to read from the socket again."""
        self._ensure_fd_no_transport(sock)
        return wait_for_socket(self, sock.fileno(), sock, POLL_READABLE)

    def _wait_writable(self, sock):
        """The same for writing."""
        self._ensure_fd_no_transport(sock)
        return wait_for_socket(self, sock.fileno(), sock, POLL_WRITABLE)

    def _ensure_fd_no_transport(self, fd):
        # asyncio's own transports, for datagrams, are in its dict; it also knows what to say of things without a descriptor.
        if self._transports or not isinstance(fd, int):
            SelectorEventLoop._ensure_fd_no_transport(self, fd)
            fd = fd if isinstance(fd, int) else fd.fileno()
        found = self.watcher(fd)
        if isinstance(found, Transport) and not (<Transport>found).is_closing():
            raise RuntimeError(f"File descriptor {fd!r} is used by transport {found!r}")

    # ---- what asyncio calls to make transports and servers ----

    def _make_socket_transport(self, sock, protocol, waiter=None, **options):
        cdef StreamTransport transport
        if not is_socket(sock):
            return SelectorEventLoop._make_socket_transport(self, sock, protocol, waiter, **options)
        self._ensure_fd_no_transport(sock)
        transport = new_stream_transport(
            self, sock, protocol, options.get("context"), options.get("extra"), options.get("server"))
        transport.call_soon(transport._call_connection_made, (waiter,))
        return transport

    def _start_serving(self, protocol_factory, sock, sslcontext=None, server=None, backlog=100, *timeouts, **options):
        if sslcontext is not None or not is_socket(sock):
            return SelectorEventLoop._start_serving(
                self, protocol_factory, sock, sslcontext, server, backlog, *timeouts, **options)
        self._ensure_fd_no_transport(sock)
        start_listening(self, sock, protocol_factory, server, backlog, options.get("context"))

    def _stop_serving(self, sock):
        stop_listening(self, sock)
        SelectorEventLoop._stop_serving(self, sock)


cdef bint is_socket(object sock) except -1:
    """Not for what only behaves like a socket, a mock for example: that is left to asyncio."""
    return issubclass(type(sock), SOCKET)
