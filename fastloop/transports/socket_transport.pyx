"""SocketTransport: what is known about a transport's socket.

Owns: the socket object, once somebody has asked for it; the addresses; the place among the server's clients.
Promises: get_extra_info() still knows the addresses when the connection is gone.
Driven by: the questions of the program and the server.
"""

import socket
from asyncio import trsock

from cpython.object cimport PyObject

from fastloop.net.sockaddr cimport sockaddr_local, sockaddr_raw_is_set, sockaddr_raw_to_python
from fastloop.python.capi cimport Py_REFCNT
from fastloop.python.cpython_compat cimport compat_is_last_reference
from fastloop.transports.client_ring cimport client_ring_leave
from fastloop.transports.descriptor_transport cimport DescriptorTransport, transport_fd, transport_take_descriptor
from fastloop.transports.server_clients cimport server_attach, server_detach, server_detach_elsewhere
from fastloop.transports.transport cimport Transport, transport_init, transport_runs_elsewhere


cdef object TransportSocket = trsock.TransportSocket


cdef class SocketTransport(WritingTransport):
    def __dealloc__(self):
        client_ring_leave(&self.link)

    # ---- what get_extra_info() says ----

    cdef object extra_info(self, object name, object default):
        if name == "peername":
            return self.make_peername()
        if name == "socket":
            return self.make_sock_for_users()
        if name == "sockname":
            return self.make_sockname()
        return Transport.extra_info(self, name, default)

    @property
    def _extra(self):
        known = {"socket": self.make_sock_for_users(), "sockname": self.make_sockname(), "peername": self.make_peername()}
        return known if self.extra is None else known | self.extra

    @property
    def _sock(self):
        self.send_held()
        return None if self.fd < 0 else self.make_sock()

    @property
    def _server(self):
        return self.server

    cdef object make_sock(self):
        if self.owner is None and self.fd >= 0:
            self.owner = socket.socket(self.family, self.type, self.proto, self.fd)
        return self.owner

    cdef object make_sock_for_users(self):
        if self.sock_for_users is None:
            sock = self.make_sock()
            if sock is None:
                # First asked for when the connection is gone: a closed socket, as in asyncio.
                sock = socket.socket(self.family, self.type, self.proto)
                sock.close()
            self.sock_for_users = TransportSocket(sock)
        return self.sock_for_users

    cdef object make_peername(self):
        if self.peername is None:
            self.peername = sockaddr_raw_to_python(&self.raw_peername)
        return self.peername

    cdef object make_sockname(self):
        if self.sockname is None and transport_fd(self) >= 0:
            self.sockname = sockaddr_local(self.fd)
            if self.sockname is None:
                try:
                    self.sockname = self.make_sock().getsockname()
                except OSError:
                    pass
        return self.sockname

    cdef bint owner_is_shared(self) noexcept:
        cdef Py_ssize_t own_references = 1
        if self.sock_for_users is not None:
            if Py_REFCNT(<PyObject *>self.sock_for_users) > 1:
                return True
            own_references = 2
        return self.owner is not None and Py_REFCNT(<PyObject *>self.owner) > own_references

    # ---- the end ----

    cdef int release_descriptor(self, SocketCore loop, bint has_caller) except -1:
        try:
            # "sockname" must stay available after the descriptor is closed. So look it up now, unless nobody but the
            # scheduler can still hold the transport.
            if has_caller or not compat_is_last_reference(self):
                self.make_sockname()
        finally:
            try:
                DescriptorTransport.release_descriptor(self, loop, has_caller)
            finally:
                self.leave_server()
        return 0

    cdef int leave_server(self) except -1:
        server, self.server = self.server, None
        if server is not None and transport_runs_elsewhere(self):
            return server_detach_elsewhere(self.loop, server, self)
        if server is not None:
            return server_detach(server, self, &self.link)
        client_ring_leave(&self.link)
        return 0


cdef int socket_transport_init(
        SocketTransport transport, SocketCore loop, object sock, int fd, object protocol, object context, dict extra) except -1:
    transport_init(transport, loop, protocol, context, extra)
    # INVARIANT: nothing fails after the transport has the descriptor, so the caller knows whether it still owns it.
    transport_take_descriptor(transport, sock, fd)
    return 0


cdef int socket_transport_find_peer(SocketTransport transport) except -1:
    if transport.peername is None and not sockaddr_raw_is_set(&transport.raw_peername):
        try:
            transport.peername = transport.make_sock().getpeername()
        except OSError:
            # The peer is gone already.
            pass
    return 0


cdef int socket_transport_join(SocketTransport transport, object server) except -1:
    if server is not None:
        server_attach(transport.loop, server, transport, &transport.link)
        transport.server = server
    return 0
