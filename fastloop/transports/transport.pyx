"""Transport: a descriptor with a protocol; what all transports share.

Owns: the descriptor, from its making until connection_lost() has been called. It is closed exactly once, by the socket object
  if there is one.
Promises: connection_lost() is called once, through the loop, and nothing of the protocol after it.
Driven by: the poller's events, the loop and the program's calls; lifecycle.h has the states and their edges.
"""

import asyncio
import os
import socket
import warnings
from asyncio import base_events, transports, trsock

from cpython.contextvars cimport PyContext_Copy, PyContext_CopyCurrent, PyContext_Exit
from cpython.object cimport PyObject

from fastloop.core.handle cimport call_exception_handler, call_soon_uninterrupted, new_queued_handle
from fastloop.core.inbox cimport inbox_wake
from fastloop.core.interruption cimport call_uninterrupted, call_uninterrupted_with, close_uninterrupted
from fastloop.core.scheduler cimport Scheduler, VARS_OFFSET, scheduler_push, scheduler_runs_elsewhere
from fastloop.net.sockaddr cimport sockaddr_kept_to_python, sockaddr_of_own_end
from fastloop.net.syscalls cimport net_close
from fastloop.poll.poller cimport POLL_READABLE
from fastloop.python.calls cimport call_enter, call_raised_exit
from fastloop.python.context_vars cimport context_vars_are_a_copy
from fastloop.python.cpython_compat cimport COMPAT_HAS_GIL, compat_is_last_reference, compat_take_exception
from fastloop.python.instance_dict cimport instance_dict_postpone
from fastloop.transports.client_ring cimport client_ring_leave
from fastloop.transports.lifecycle cimport (
    LIFECYCLE_EDGE_COUNT, TRANSPORT_CLOSED, TRANSPORT_CLOSING, TRANSPORT_LOSING, TRANSPORT_OPENING, lifecycle_edges,
    lifecycle_move, lifecycle_names, transport_state_t)
from fastloop.transports.server_clients cimport attach, detach, detach_elsewhere


cdef:
    object TransportSocket = trsock.TransportSocket
    object BufferedProtocol = asyncio.BufferedProtocol
    # The class of asyncio's that its own stream transports have what they do not bring themselves from.
    object BASE = transports._FlowControlMixin
    object BASE_GET_EXTRA_INFO = BASE.get_extra_info


cdef class Transport(Runnable):
    """What asyncio.BaseTransport promises, over a descriptor of fastloop's loop. Not made by hand: the loop makes transports."""

    def __cinit__(self, *args, **kwargs):
        self.fd = -1
        self.state = TRANSPORT_OPENING

    def __init__(self):
        raise TypeError(f"{type(self).__name__} is made by the loop's methods, such as create_connection()")

    def __dealloc__(self):
        client_ring_leave(&self.link)
        if self.fd >= 0 and self.sock is None:
            net_close(self.fd)

    def __del__(self):
        if self.fd < 0:
            self.leave_server()
            wake_elsewhere(self.loop)
            return
        # First, whatever fails below: the table must not keep what dies now.
        if COMPAT_HAS_GIL and self.loop is not None:
            self.stop_watching()
        warning = f"unclosed transport {self!r}"
        self.close_descriptor(self.loop if COMPAT_HAS_GIL else None)
        self.leave_server()
        wake_elsewhere(self.loop)
        # Last: it may be an error.
        warnings.warn(warning, ResourceWarning, source=self)

    # ---- what asyncio.BaseTransport has ----

    def get_extra_info(self, name, default=None):
        """Return what is known under name, or default: "socket", "peername", "sockname" and what TLS adds.

        It still answers after the connection is gone.
        """
        self.settle_output()
        if BASE.get_extra_info is not BASE_GET_EXTRA_INFO:
            # As it was called most likely: a mock tells its arguments.
            method = patched(self, "get_extra_info")
            return method(name) if default is None else method(name, default)
        if name == "peername":
            return self.known_peername()
        if name == "socket":
            return self.socket_for_users()
        if name == "sockname":
            return self.sockname()
        return default if self.extra is None else self.extra.get(name, default)

    @property
    def _extra(self):
        known = {"socket": self.socket_for_users(), "sockname": self.sockname(), "peername": self.known_peername()}
        return known if self.extra is None else known | self.extra

    def is_closing(self):
        """Return True once the transport is closed or about to be."""
        self.settle_output()
        return self.state >= TRANSPORT_CLOSING

    def set_protocol(self, protocol):
        """Have protocol called from now on. Its methods are looked up here, not again for each call."""
        self.settle_output()
        self.protocol = protocol
        if isinstance(protocol, BufferedProtocol):
            self.flags |= TRANSPORT_PROTOCOL_IS_BUFFERED
            self.receive = protocol.get_buffer
            self.buffer_updated = protocol.buffer_updated
        else:
            self.flags &= ~<unsigned int>TRANSPORT_PROTOCOL_IS_BUFFERED
            self.receive = getattr(protocol, "data_received", None)
            self.buffer_updated = None
        self.note_protocol()

    def get_protocol(self):
        """Return the protocol; None once connection_lost() has been called."""
        return self.protocol

    def _force_close(self, exc):
        self.lose(exc)

    def _fatal_error(self, exc, message="Fatal error on transport"):
        self.fail_with(exc, message)

    # ---- names that libraries and asyncio read ----

    @property
    def _loop(self):
        return self.loop

    @property
    def _sock(self):
        self.settle_output()
        return None if self.fd < 0 else self.socket_object()

    @property
    def _sock_fd(self):
        self.settle_output()
        return self.fd

    @property
    def _protocol(self):
        return self.protocol

    @property
    def _closing(self):
        return self.state >= TRANSPORT_CLOSING

    @property
    def _conn_lost(self):
        return (self.state >= TRANSPORT_LOSING) + self.lost_writes

    @property
    def _server(self):
        return self.server

    @property
    def _paused(self):
        return bool(self.flags & TRANSPORT_READING_IS_PAUSED)

    # ---- the life of a transport ----

    cdef int move_to(self, transport_state_t state) except -1:
        return lifecycle_move(&self.state, state)

    cdef int call_soon(self, object callback, tuple args, object context) except -1:
        if self.loop.is_direct:
            scheduler_push(self.loop, new_queued_handle(self.loop, callback, args, context))
        else:
            call_soon_uninterrupted(self.loop, callback, args, context)
        return 0

    def _call_connection_made(self, waiter):
        """Runs as a callback of the loop."""
        self.begin(waiter)

    cdef int begin(self, object waiter) except -1:
        try:
            # It may be closed already, by whoever was faster than this turn.
            call_uninterrupted_with(self.loop, self.protocol.connection_made, self)
        finally:
            self.begin_reading()
            if waiter is not None and not waiter.done():
                waiter.set_result(None)
        return 0

    cdef int begin_reading(self) except -1:
        return 0

    def _call_connection_lost(self, exc):
        """Runs as a callback of the loop."""
        self.end(exc)

    cdef int end(self, object exception) except -1:
        try:
            if self.protocol is not None:
                call_uninterrupted_with(self.loop, self.protocol.connection_lost, exception)
        finally:
            self.let_go(True)
        return 0

    cdef int end_in_turn(self) except -1:
        try:
            if self.protocol is not None:
                call_uninterrupted_with(self.loop, self.protocol.connection_lost, None)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.loop.call_exception_handler({
                "message": "Exception in callback connection_lost()",
                "exception": error,
                "transport": self,
                "protocol": self.protocol,
            })
        finally:
            self.let_go(False)
        return 0

    cdef int let_go(self, bint has_caller) except -1:
        loop = self.loop
        self.move_to(TRANSPORT_CLOSED)
        self.protocol = self.receive = self.buffer_updated = self.loop = self.context = None
        try:
            # get_extra_info() still answers; but mostly nobody is left by now who could ask.
            if has_caller or not compat_is_last_reference(self):
                self.sockname()
        finally:
            try:
                self.close_descriptor(loop)
            finally:
                self.leave_server()
        return 0

    cdef int leave_server(self) except -1:
        server, self.server = self.server, None
        if server is not None and transport_runs_elsewhere(self):
            return detach_elsewhere(self.loop, server, self)
        if server is not None:
            return detach(server, self, &self.link)
        client_ring_leave(&self.link)
        return 0

    cdef int take_context(self) except -1:
        """From here on the protocol is called in a copy of the current context, as with a new callback of asyncio's."""
        if self.flags & TRANSPORT_HAS_GIVEN_CONTEXT:
            return 0
        if VARS_OFFSET == 0 or not context_vars_are_a_copy(self.context, VARS_OFFSET):
            self.context = PyContext_CopyCurrent()
        return 0

    cdef object first_context(self):
        return self.context if self.flags & TRANSPORT_HAS_GIVEN_CONTEXT else PyContext_Copy(self.context)

    cdef int lose(self, object exception) except -1:
        if self.state >= TRANSPORT_LOSING:
            return 0
        self.move_to(TRANSPORT_LOSING)
        self.take_context()
        self.drop_output()
        self.stop_watching()
        if exception is None and self.loop.is_direct and not self.flags & TRANSPORT_IS_QUEUED:
            self.flags |= TRANSPORT_IS_QUEUED | TRANSPORT_IS_ENDING
            return scheduler_push(self.loop, self)
        return self.call_soon(self._call_connection_lost, (exception,), self.context)

    cdef int note_protocol(self) except -1:
        return 0

    cdef int settle_output(self) except -1:
        return 0

    cdef int drop_output(self) except -1:
        return 0

    cdef int watch_for(self, unsigned int interest) except -1:
        if interest == self.interest:
            return 0
        return self.set_interest(interest)

    cdef int watch_again(self) except -1:
        """Have an edge reported once more if it is ready: the last one was not used up."""
        return self.set_interest(self.interest)

    cdef int set_interest(self, unsigned int interest) except -1:
        try:
            self.loop.watch(self.fd, self, self.interest, interest)
            self.interest = interest
        except OSError as error:
            self.fail_with(error, "Fatal error: the socket cannot be watched")
        return 0

    cdef int stop_watching(self) except -1:
        # If somebody closed the descriptor, its number may be watched for another by now.
        if self.loop.watcher(self.fd) is self:
            self.loop.unwatch(self.fd)
        self.interest = 0
        return 0

    cdef int update_hold(self) except -1:
        if not COMPAT_HAS_GIL:
            return self.update_watch()
        if self.loop.watcher(self.fd) is self:
            self.loop.hold_watcher(self.fd, self.has_work())
        return 0

    cdef int update_watch(self) except -1:
        """A transport that nobody holds may die in any thread, and the loop's must not meet it in the table: without work it leaves."""
        if not self.has_work():
            return self.stop_watching()
        if transport_reads(self) and not self.interest & POLL_READABLE:
            return self.watch_reading()
        return 0

    cdef int watch_reading(self) except -1:
        return 0

    cdef bint has_work(self) noexcept:
        return True

    cdef int close_descriptor(self, SocketCore loop) except -1:
        sock, fd = self.sock, self.fd
        self.fd = -1
        if sock is not None:
            close_uninterrupted(loop, sock)
        elif fd >= 0:
            net_close(fd)
        return 0

    # ---- failures ----

    cdef int fail_raised(self, str message) except -1:
        if call_raised_exit():
            return -1
        return self.fail_with(compat_take_exception(), message)

    cdef int fail_with_errno(self, int error, str message) except -1:
        return self.fail_with(OSError(error, os.strerror(error)), message)

    cdef int fail_with(self, object exception, str message) except -1:
        loop = self.loop
        if loop is None:
            return 0
        try:
            if not isinstance(exception, OSError):
                call_exception_handler(
                    loop, {"message": message, "exception": exception, "transport": self, "protocol": self.protocol})
            elif loop.is_debug:
                base_events.logger.debug("%r: %s", self, message, exc_info=exception)
        finally:
            self.lose(exception)
        return 0

    cdef int tell_protocol(self, str method) except -1:
        cdef bint has_entered
        protocol = self.protocol
        context = self.context
        if protocol is None:
            return 0
        # It is the current one already if the protocol itself, in one of its callbacks, has caused this.
        has_entered = call_enter(context)
        try:
            call_uninterrupted(self.loop, getattr(protocol, method))
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            if self.loop is not None:
                self.loop.call_exception_handler({
                    "message": f"protocol.{method}() failed",
                    "exception": error,
                    "transport": self,
                    "protocol": protocol,
                })
        finally:
            if has_entered:
                PyContext_Exit(context)
        return 0

    # ---- the descriptor, and what is known of it ----

    cdef object socket_object(self):
        if self.sock is None and self.fd >= 0:
            self.sock = socket.socket(self.family, self.type, self.proto, self.fd)
        return self.sock

    cdef object socket_for_users(self):
        if self.transport_socket is None:
            sock = self.socket_object()
            if sock is None:
                # Asked for the first time when the connection is gone: a socket that is closed, as asyncio has it.
                sock = socket.socket(self.family, self.type, self.proto)
                sock.close()
            self.transport_socket = TransportSocket(sock)
        return self.transport_socket

    cdef object known_peername(self):
        if self.peername is None:
            self.peername = sockaddr_kept_to_python(&self.peer_address)
        return self.peername

    cdef object sockname(self):
        if self.own_address is None and transport_fd(self) >= 0:
            self.own_address = sockaddr_of_own_end(self.fd)
            if self.own_address is None:
                try:
                    self.own_address = self.socket_object().getsockname()
                except OSError:
                    pass
        return self.own_address

    def __repr__(self):
        info = [type(self).__name__]
        state = self.state
        if state == TRANSPORT_CLOSED:
            info.append("closed")
        elif state >= TRANSPORT_CLOSING:
            info.append("closing")
        info.append(f"fd={self.fd}")
        return f"<{' '.join(info)}>"


cdef object patched(Transport transport, str name):
    """The method that somebody has put in the place of asyncio's own, in one of its classes, as asyncio's transports find it."""
    attribute = next(vars(cls)[name] for cls in BASE.__mro__ if name in vars(cls))
    bind = getattr(type(attribute), "__get__", None)
    return attribute if bind is None else bind(attribute, transport, BASE)


cdef int transport_init(
        Transport transport, SocketCore loop, object sock, int fd, object protocol, object context, dict extra) except -1:
    instance_dict_postpone(<PyObject *>transport)
    transport.loop = loop
    transport.context = PyContext_CopyCurrent() if context is None else context
    transport.extra = extra
    transport.set_protocol(protocol)
    # INVARIANT: nothing fails once the transport has the descriptor, so that the caller knows whose it is.
    transport.sock = sock
    transport.fd = fd
    return 0


cdef int join_server(Transport transport, object server) except -1:
    attach(transport.loop, server, transport, &transport.link)
    transport.server = server
    return 0


def lifecycle():
    """The table of lifecycle.h: (state, next state, cause) for each edge."""
    return [
        (lifecycle_names[<int>lifecycle_edges[i].from_state].decode(), lifecycle_names[<int>lifecycle_edges[i].to].decode(),
         lifecycle_edges[i].cause.decode())
        for i in range(LIFECYCLE_EDGE_COUNT)
    ]


cdef int wake_elsewhere(Scheduler loop) except -1:
    """Something died in another thread than its loop's: poll(2) may hold on to the descriptor, and a server may have been told."""
    if loop is not None and scheduler_runs_elsewhere(loop):
        inbox_wake(&loop.inbox)
    return 0
