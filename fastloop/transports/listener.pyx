"""Listener: accepts the connections of a listening socket and makes their transports.

Owns: accepted descriptors until a transport has them. The socket belongs to the server.
Promises: waiting connections are accepted in batches, and go through the ready queue one by one, after what was in it
  before. The peer's address comes from accept(), so it is known even if the peer has left. When there are no more
  descriptors, the exception handler is told once a second, and then accepting is tried again.
Driven by: the poller, which reports the socket while connections wait.
"""

import asyncio
import os
from asyncio import base_events, constants, trsock

from cpython.contextvars cimport PyContext_Copy, PyContext_CopyCurrent, PyContext_Enter, PyContext_Exit
from libc.errno cimport EBADF, errno

from fastloop.core.interruption cimport call_uninterrupted
from fastloop.core.scheduler cimport scheduler_push
from fastloop.net.sockaddr cimport sockaddr_raw_set, sockaddr_storage, sockaddr_to_python_or_none, socklen_t
from fastloop.net.socket_object cimport socket_object_fd
from fastloop.net.syscalls cimport (
    net_accept, net_accept_error_is_passing, net_close, net_is_out_of_resources, net_set_nodelay, net_would_block)
from fastloop.poll.poller cimport POLL_READABLE
from fastloop.transports.server_clients cimport server_keep_clients
from fastloop.transports.stream_transport cimport StreamTransport, new_accepted_transport, stream_transport_join
from fastloop.transports.transport cimport transport_keep_context


cimport cython


# New in Python 3.12.
cdef object EAGER_TASK_FACTORY = getattr(asyncio, "eager_task_factory", None)

cdef enum:
    # Other callbacks and connections get their turn after so many.
    MAX_ACCEPTS_PER_TURN = 128


@cython.freelist(64)
cdef class AcceptedConnection(Runnable):
    """An accepted connection. Its protocol is made in the next turn, and connection_made() called in the one after, as in asyncio."""

    def __cinit__(self):
        self.fd = -1

    def __dealloc__(self):
        if self.fd >= 0:
            net_close(self.fd)

    cdef int run(self) except -1:
        # connection_made() sees the context variables that the factory sets. What connection_made() sets is seen later
        # only if the context was given.
        context = self.context if self.transport is None else self.transport.context_of_connection_made()
        PyContext_Enter(context)
        try:
            if self.transport is None:
                return self.make_transport()
            return self.start_transport()
        finally:
            PyContext_Exit(context)

    cdef int make_transport(self) except -1:
        cdef Listener listener = self.listener
        cdef int fd = self.fd
        try:
            protocol = call_uninterrupted(listener.loop, listener.protocol_factory)
            if listener.is_stopped:
                return self.refuse(None)
            protocol.connection_made
            self.transport = new_accepted_transport(
                listener.loop, fd, listener.family, listener.type, listener.proto, &self.raw_peername, self.peername, protocol,
                self.context)
            self.fd = -1
            if listener.has_given_context:
                transport_keep_context(self.transport)
            stream_transport_join(self.transport, listener.server)
        except (SystemExit, KeyboardInterrupt):
            if self.transport is not None:
                # An interruption: the protocol exists, and so does the connection.
                scheduler_push(listener.loop, self)
            raise
        except BaseException as error:
            return self.refuse(error)
        return scheduler_push(listener.loop, self)

    cdef int refuse(self, object exception) except -1:
        """Close the connection. Its protocol could not be made, or the server was closed in between (exception is None)."""
        if self.transport is not None:
            # The protocol was not told of the connection, and must not be told of its end.
            self.transport.protocol = None
            self.transport.begin_losing(None)
        elif self.fd >= 0:
            net_close(self.fd)
            self.fd = -1
        if exception is not None:
            self.listener.loop.call_exception_handler({
                "message": "Error on transport creation for incoming connection",
                "exception": exception,
            })
        return 0

    cdef int start_transport(self) except -1:
        cdef StreamTransport transport = self.transport
        protocol = transport.protocol
        try:
            transport.call_connection_made(None)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.listener.loop.call_exception_handler({
                "message": "Exception in callback connection_made()",
                "exception": error,
                "transport": transport,
                "protocol": protocol,
            })
        return 0

    def __repr__(self):
        return f"<AcceptedConnection of {self.listener.server!r}>"


cdef AcceptedConnection new_accepted_connection(Listener listener, int fd):
    cdef AcceptedConnection connection
    try:
        connection = AcceptedConnection.__new__(AcceptedConnection)
        connection.listener = listener
        connection.context = PyContext_Copy(listener.context)
    except BaseException:
        net_close(fd)
        raise
    connection.fd = fd
    return connection


cdef class Listener(Runnable):
    cdef int on_events(self, unsigned int events) except -1:
        if not self.flags & LISTENER_IS_QUEUED:
            self.flags |= LISTENER_IS_QUEUED
            scheduler_push(self.loop, self)
        return 0

    cdef int run(self) except -1:
        cdef int left = self.max_accepts_per_turn
        self.flags &= ~<unsigned int>LISTENER_IS_QUEUED
        while left > 0 and not self.is_stopped and self.accept_one():
            left -= 1
        return 0

    cdef bint accept_one(self) except -1:
        """Accept one connection. Return False if none waits, or none can be accepted now."""
        cdef sockaddr_storage address
        cdef socklen_t length
        cdef int fd, error
        if socket_object_fd(self.sock) != self.fd:
            # Closed behind the server's back: the number may belong to another file.
            self.stop()
            return False
        fd = net_accept(self.fd, &address, &length)
        if fd >= 0:
            if self.backlog_may_lack_nodelay:
                net_set_nodelay(fd, self.family, self.type)
            self.take_in(fd, &address, length)
            return True
        error = errno
        if net_would_block(error):
            self.backlog_may_lack_nodelay = False
            return False
        if net_accept_error_is_passing(error):
            return True
        self.pause(error)
        return False

    cdef int take_in(self, int fd, const sockaddr_storage *peer, socklen_t peer_size) except -1:
        """The descriptor passes to the accepted connection, or is closed."""
        cdef AcceptedConnection connection = new_accepted_connection(self, fd)
        if not sockaddr_raw_set(&connection.raw_peername, peer, peer_size):
            connection.peername = sockaddr_to_python_or_none(peer, peer_size)
        if starts_eagerly(self.loop._task_factory):
            connection.run()
        else:
            scheduler_push(self.loop, connection)
        # Last: it runs Python code, which a signal handler may interrupt.
        if self.loop.is_debug:
            base_events.logger.debug("%r got a new connection from %r", self.server, sockaddr_to_python_or_none(peer, peer_size))
        return 0

    cdef int pause(self, int error) except -1:
        """accept() failed. Try again in a second if there were too few descriptors or too little memory."""
        cdef bint is_short = net_is_out_of_resources(error)
        self.loop.unwatch(self.fd)
        try:
            self.loop.call_exception_handler({
                "message": "socket.accept() out of system resource" if is_short else "socket.accept() failed, the server stops",
                "exception": OSError(error, os.strerror(error)),
                "socket": trsock.TransportSocket(self.sock),
            })
        finally:
            if is_short and not self.is_stopped:
                self.loop.call_later(constants.ACCEPT_RETRY_DELAY, self._resume, context=self.context)
        return 0

    def _resume(self):
        if not self.is_stopped and socket_object_fd(self.sock) == self.fd:
            self.listen()

    cdef int listen(self) except -1:
        # Level-triggered: what one batch leaves is reported again.
        return self.loop.watch(self.fd, self, 0, POLL_READABLE)

    cdef int stop(self) except -1:
        self.is_stopped = True
        if self.loop.watcher(self.fd) is self:
            self.loop.unwatch(self.fd)
        return 0

    def __repr__(self):
        return f"<Listener fd={self.fd} of {self.server!r}>"


cdef bint starts_eagerly(object task_factory) except -1:
    """asyncio makes the protocol in a task, which an eager factory starts at once. Every such factory has the same code."""
    return (EAGER_TASK_FACTORY is not None and task_factory is not None
            and getattr(task_factory, "__code__", None) is EAGER_TASK_FACTORY.__code__)


cdef int start_listening(
        SocketCore loop, object sock, object protocol_factory, object server, int backlog, object context) except -1:
    cdef Listener listener = Listener.__new__(Listener)
    listener.loop = loop
    listener.sock = sock
    listener.fd = sock.fileno()
    listener.family, listener.type, listener.proto = sock.family, sock.type, sock.proto
    listener.protocol_factory = protocol_factory
    listener.server = server
    listener.context = PyContext_CopyCurrent() if context is None else context
    listener.has_given_context = context is not None
    listener.backlog_may_lack_nodelay = True
    listener.max_accepts_per_turn = min(max(backlog, 1), MAX_ACCEPTS_PER_TURN)
    if listener.fd < 0:
        raise OSError(EBADF, os.strerror(EBADF))
    server_keep_clients(server)
    # Once for all connections: accepted sockets inherit it.
    net_set_nodelay(listener.fd, listener.family, listener.type)
    return listener.listen()


cdef int stop_listening(SocketCore loop, object sock) except -1:
    found = loop.watcher(sock.fileno())
    if isinstance(found, Listener):
        (<Listener>found).stop()
    return 0
