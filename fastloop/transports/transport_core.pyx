"""TransportCore: the loop's methods that make transports.

Owns: nothing; the scheduler's table has the transports and listeners by descriptor.
Promises: asyncio's own create_connection(), create_server() and the like get fastloop's transports. They decide everything else.
Driven by: asyncio's code, through its private hooks, and the program.
"""

import asyncio

from fastloop.net.plain_sockets cimport DATAGRAM_METHODS, LISTENER_METHODS, STREAM_METHODS, has_own_methods
from fastloop.transports.datagram_transport cimport DatagramTransport, new_datagram_transport
from fastloop.transports.listener cimport start_listening, stop_listening
from fastloop.transports.read_pipe_transport cimport new_read_pipe_transport
from fastloop.transports.stream_transport cimport StreamTransport, new_stream_transport
from fastloop.transports.transport cimport Transport, transport_keep_context
from fastloop.transports.write_pipe_transport cimport new_write_pipe_transport


cdef object SelectorEventLoop = asyncio.SelectorEventLoop


cdef class TransportCore(SocketCore):
    def _ensure_fd_no_transport(self, fd):
        # asyncio's own transports, such as those of datagrams, are in its dict. It also has the errors for objects
        # without a descriptor.
        if self._transports or not isinstance(fd, int):
            SelectorEventLoop._ensure_fd_no_transport(self, fd)
            fd = fd if isinstance(fd, int) else fd.fileno()
        found = self.watcher(fd)
        if isinstance(found, Transport) and not (<Transport>found).is_closing():
            raise RuntimeError(f"File descriptor {fd!r} is used by transport {found!r}")

    def _make_socket_transport(self, sock, protocol, waiter=None, **options):
        cdef StreamTransport transport
        if has_own_methods(sock, STREAM_METHODS):
            return SelectorEventLoop._make_socket_transport(self, sock, protocol, waiter, **options)
        self._ensure_fd_no_transport(sock)
        # As in asyncio, AttributeError if the factory returned something that is not a protocol.
        protocol.connection_made
        transport = new_stream_transport(
            self, sock, protocol, options.get("context"), options.get("extra"), options.get("server"))
        if options.get("context") is not None:
            transport_keep_context(transport)
        transport.call_soon(transport._call_connection_made, (waiter,), transport.context_of_connection_made())
        return transport

    def _make_datagram_transport(self, sock, protocol, address=None, waiter=None, extra=None):
        cdef DatagramTransport transport
        if has_own_methods(sock, DATAGRAM_METHODS):
            return SelectorEventLoop._make_datagram_transport(self, sock, protocol, address, waiter, extra)
        self._ensure_fd_no_transport(sock)
        # As in asyncio, AttributeError if the factory returned something that is not a protocol.
        protocol.connection_made
        transport = new_datagram_transport(self, sock, protocol, address, extra)
        transport.call_soon(transport._call_connection_made, (waiter,), transport.context_of_connection_made())
        return transport

    def _make_read_pipe_transport(self, pipe, protocol, waiter=None, extra=None):
        return new_read_pipe_transport(self, pipe, protocol, waiter, extra)

    def _make_write_pipe_transport(self, pipe, protocol, waiter=None, extra=None):
        return new_write_pipe_transport(self, pipe, protocol, waiter, extra)

    def _start_serving(self, protocol_factory, sock, sslcontext=None, server=None, backlog=100, *timeouts, **options):
        if sslcontext is not None or has_own_methods(sock, LISTENER_METHODS):
            return SelectorEventLoop._start_serving(
                self, protocol_factory, sock, sslcontext, server, backlog, *timeouts, **options)
        self._ensure_fd_no_transport(sock)
        start_listening(self, sock, protocol_factory, server, backlog, options.get("context"))

    def _stop_serving(self, sock):
        stop_listening(self, sock)
        SelectorEventLoop._stop_serving(self, sock)
