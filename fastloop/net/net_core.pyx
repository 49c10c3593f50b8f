"""NetCore: the loop's methods that make transports and use sockets.

Owns: nothing; the scheduler's table knows the transports and listeners by descriptor.
Promises: asyncio's own create_connection(), create_server() and their kin, which decide everything else, get fastloop's transports.
Driven by: asyncio's code, by its private hooks, and the program.
"""

import asyncio

from fastloop.core.fd_watcher cimport wait_for_socket
from fastloop.net.listener cimport start_listening, stop_listening
from fastloop.net.plain_sockets cimport LISTENER_METHODS, STREAM_METHODS, calls_own_method, has_own_methods
from fastloop.net.socket_operation cimport (
    SOCKET_RECEIVE, SOCKET_RECEIVE_INTO, SOCKET_SEND_ALL, new_socket_operation)
from fastloop.net.stream_transport cimport StreamTransport, new_stream_transport
from fastloop.net.transport cimport TRANSPORT_HAS_GIVEN_CONTEXT, Transport
from fastloop.poll.poller cimport POLL_READABLE, POLL_WRITABLE


cdef object SelectorEventLoop = asyncio.SelectorEventLoop


cdef class NetCore(LoopCore):
    # ---- raw sockets ----

    def sock_recv(self, sock, n):
        """Receive up to n bytes from a non-blocking socket: await it for the bytes, empty at the end of file.

        A cancelled receive has taken nothing. Raises OSError. Follows asyncio's loop.sock_recv().
        """
        if calls_own_method(sock, "recv"):
            return SelectorEventLoop.sock_recv(self, sock, n)
        return new_socket_operation(self, SOCKET_RECEIVE, sock, None, n)

    def sock_recv_into(self, sock, buf):
        """Receive from a non-blocking socket into buf, a writable buffer: await it for the number of bytes."""
        if calls_own_method(sock, "recv_into"):
            return SelectorEventLoop.sock_recv_into(self, sock, buf)
        return new_socket_operation(self, SOCKET_RECEIVE_INTO, sock, buf, 0)

    def sock_sendall(self, sock, data):
        """Send data to a non-blocking socket: await it until everything is sent. After an error it is not known how much was."""
        if calls_own_method(sock, "send"):
            return SelectorEventLoop.sock_sendall(self, sock, data)
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
        if has_own_methods(sock, STREAM_METHODS):
            return SelectorEventLoop._make_socket_transport(self, sock, protocol, waiter, **options)
        self._ensure_fd_no_transport(sock)
        # As on asyncio, AttributeError if the factory returned something that is not a protocol.
        protocol.connection_made
        transport = new_stream_transport(
            self, sock, protocol, options.get("context"), options.get("extra"), options.get("server"))
        if options.get("context") is not None:
            transport.flags |= TRANSPORT_HAS_GIVEN_CONTEXT
        transport.call_soon(transport._call_connection_made, (waiter,), transport.first_context())
        return transport

    def _start_serving(self, protocol_factory, sock, sslcontext=None, server=None, backlog=100, *timeouts, **options):
        if sslcontext is not None or has_own_methods(sock, LISTENER_METHODS):
            return SelectorEventLoop._start_serving(
                self, protocol_factory, sock, sslcontext, server, backlog, *timeouts, **options)
        self._ensure_fd_no_transport(sock)
        start_listening(self, sock, protocol_factory, server, backlog, options.get("context"))

    def _stop_serving(self, sock):
        stop_listening(self, sock)
        SelectorEventLoop._stop_serving(self, sock)
