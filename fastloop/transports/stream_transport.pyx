"""StreamTransport: TCP and Unix stream sockets.

Owns: how far the socket has been read. What must be sent belongs to the base class.
Promises: bytes are delivered in order and as soon as possible. After a short read, nothing is read until the next edge.
Driven by: the poller's events, which queue the transport, and then the scheduler.
"""

import socket
from asyncio import base_events, constants

from cpython.contextvars cimport PyContext_Exit
from cpython.object cimport PyObject, PyTypeObject, destructor

from fastloop.core.interruption cimport call_uninterrupted, interrupt_soon
from fastloop.core.runnable cimport RUNNABLE_BUSY_POLLS_BRIEFLY, Runnable
from fastloop.net.syscalls cimport net_close, net_set_nodelay, net_would_block
from fastloop.poll.poller cimport POLL_CLOSED, POLL_EDGE, POLL_READABLE, POLL_WRITABLE, poller_rearm
from fastloop.python.calls cimport call_enter
from fastloop.python.capi cimport PyObject_CallFinalizerFromDealloc
from fastloop.python.method_copies cimport method_copies_make
from fastloop.python.object_pool cimport object_pool_dealloc, object_pool_new, object_pool_open, object_pool_t
from fastloop.transports.client_ring cimport client_ring_leave
from fastloop.transports.descriptor_transport cimport (
    DescriptorTransport, transport_forget_readable, transport_note_readable, transport_wants_data)
from fastloop.transports.flow_control_transport cimport FlowControlTransport
from fastloop.transports.lifecycle cimport TRANSPORT_LOSING, TRANSPORT_OPEN, TRANSPORT_READ_ENDED
from fastloop.transports.receiver cimport receiver_for
from fastloop.transports.sending_transport cimport SendingTransport
from fastloop.transports.socket_transport cimport (
    socket_transport_find_peer, socket_transport_init, socket_transport_join)
from fastloop.transports.transport cimport (
    Transport, transport_is_reading, transport_queue, transport_queue_for_next_turn, transport_unqueue)
from fastloop.transports.write_queue cimport write_queue_clear, write_queue_open
from fastloop.transports.writing_transport cimport WritingTransport


cimport cython


cdef:
    int AF_INET = socket.AF_INET
    int AF_INET6 = socket.AF_INET6
    object SENDFILE_MODE = constants._SendfileMode.TRY_NATIVE


@cython.final
cdef class StreamTransport(SocketTransport):
    """What asyncio.Transport promises, over a stream socket; isinstance() accepts it as one.

    Use it in the loop's thread only.
    """

    @property
    def _start_tls_compatible(self):
        return True

    @property
    def _sendfile_compatible(self):
        return SENDFILE_MODE

    cdef int protocol_changed(self) except -1:
        self.receiver = receiver_for(self.protocol)
        self.receiver.attach(self, self.protocol)
        return WritingTransport.protocol_changed(self)

    # ---- its turn ----

    cdef int on_events(self, unsigned int events) except -1:
        if events & (POLL_READABLE | POLL_CLOSED):
            transport_note_readable(self, events)
        if events & (POLL_WRITABLE | POLL_CLOSED):
            self.note_writable()
        if self.bits.uses_levels and not transport_is_reading(self):
            self.update_interest()
        return transport_queue(self) if self.has_work() else 0

    cdef bint has_work(self) noexcept:
        """Whether it must go into the ready queue."""
        return not self.bits.is_queued and (
            (self.bits.may_have_data and transport_is_reading(self)) or self.bits.may_send)

    cdef int ask_again(self) except -1:
        """Leave the rest to the next turn, if the kernel reports it then, as asyncio does."""
        if not self.has_work():
            return 0
        if self.bits.peer_may_have_ended and not self.bits.uses_levels:
            # An end of file or an error was reported. It stays, so the kernel would only report it again.
            return transport_queue_for_next_turn(self)
        transport_forget_readable(self)
        self.forget_writable()
        # A level is reported anyway.
        return 0 if self.bits.uses_levels else self.watch_again()

    cdef int run(self) except -1:
        # Kept here: the protocol may end the connection, and the transport then drops its context.
        context = self.context
        transport_unqueue(self)
        if self.state >= TRANSPORT_LOSING and not self.bits.connection_lost_is_queued:
            return 0
        return 0 if (<int (*)(StreamTransport, object) noexcept>stream_transport_take_turn)(self, context) == 0 else self.turn_failed()

    # ---- reading ----

    cdef int watch_reading(self) except -1:
        # It is watched already if connection_made() wrote more than the kernel takes.
        cdef unsigned int interest = self.interest | POLL_READABLE | POLL_EDGE
        return self.update_interest() if self.bits.uses_levels else self.watch_for(interest)

    cdef bint must_stay_alive(self) noexcept:
        return transport_is_reading(self) or self.output.count > 0 or self.sendfile is not None

    cdef int nothing_received(self, Py_ssize_t answer) except -1:
        if answer == 0:
            return self.end_of_file()
        if net_would_block(-answer):
            poller_rearm(&self.loop.poller, self.fd, POLL_READABLE)
            return 0
        return self.fail_with_errno(-answer, "Fatal read error on socket transport")

    cdef int end_of_file(self) except -1:
        if self.loop.is_debug:
            self.log_end_of_file()
        try:
            keep_open = call_uninterrupted(self.loop, self.protocol.eof_received)
        except (SystemExit, KeyboardInterrupt):
            # The next read finds the end again.
            transport_note_readable(self, 0)
            raise
        except BaseException as error:
            return self.fail_with(error, "Fatal error: protocol.eof_received() call failed.")
        if not keep_open:
            # Looked up by name, as in asyncio: somebody may have replaced the close() of this one transport.
            self.close()
        elif self.state == TRANSPORT_OPEN:
            self.move_to(TRANSPORT_READ_ENDED)
            self.update_keep_alive()
        return 0

    cdef int log_end_of_file(self) except -1:
        try:
            base_events.logger.debug("%r received EOF", self)
        except BaseException as error:
            interrupt_soon(self.loop, error)
        return 0

    def is_reading(self):
        """Return True unless reading is paused or the transport is closing."""
        return transport_wants_data(self)

    def pause_reading(self):
        """Deliver no data until resume_reading(). Does nothing if reading is paused or the transport is closing."""
        self.stop_reading()

    def resume_reading(self):
        """Undo pause_reading(). Does nothing if reading is not paused or the transport is closing."""
        self.read_again()


method_copies_make(StreamTransport, SocketTransport)
method_copies_make(StreamTransport, WritingTransport)
method_copies_make(StreamTransport, SendingTransport)
method_copies_make(StreamTransport, FlowControlTransport)
method_copies_make(StreamTransport, DescriptorTransport)
method_copies_make(StreamTransport, Transport)


cdef int stream_transport_take_turn(StreamTransport self, object context) except -1:
    """HOT. One turn of the transport: read once, send once."""
    cdef bint has_entered = call_enter(context)
    try:
        if self.bits.connection_lost_is_queued:
            return self.call_connection_lost_in_turn()
        self.bits.is_receiving = True
        if self.bits.skips_read:
            self.bits.skips_read = False
        elif self.bits.may_have_data and transport_is_reading(self):
            self.receiver.read(self)
        self.learn_from_return()
        if self.bits.may_send:
            self.send_again()
    finally:
        self.bits.is_receiving = False
        # Also when KeyboardInterrupt interrupts the loop.
        if (self.bits.may_have_data or self.bits.may_send) and self.state < TRANSPORT_LOSING:
            self.ask_again()
        if has_entered:
            PyContext_Exit(context)
    return 0


# ---- made and destroyed ----

cdef object_pool_t pool


cdef StreamTransport new_transport(int family, int type, int proto):
    cdef StreamTransport transport = <StreamTransport>object_pool_new(&pool)
    write_queue_open(&transport.output)
    transport.family, transport.type, transport.proto = family, type, proto
    if family == AF_INET or family == AF_INET6:
        transport.bits.is_tcp = True
        transport.flags |= RUNNABLE_BUSY_POLLS_BRIEFLY
    else:
        # A read of a Unix socket is also short where descriptors were sent, and no edge reports the data behind them.
        transport.bits.uses_levels = True
    return transport


cdef void stream_transport_dealloc(PyObject *self) noexcept:
    """Do what the destructors of the base classes do, in one function."""
    # Once it is released, __del__() has nothing left to do.
    if (<StreamTransport>self).loop is not None and PyObject_CallFinalizerFromDealloc(self) < 0:
        return
    client_ring_leave(&(<StreamTransport>self).link)
    write_queue_clear(&(<StreamTransport>self).output)
    if (<StreamTransport>self).fd >= 0 and (<StreamTransport>self).owner is None:
        net_close((<StreamTransport>self).fd)
    object_pool_dealloc(&pool, self)


object_pool_open(
    &pool, StreamTransport.__new__(StreamTransport), (<PyTypeObject *>Runnable).tp_basicsize + 2 * sizeof(PyObject *), 13,
    <destructor>stream_transport_dealloc)
# Nothing is reused: a dead transport would keep its values. Each is made from the template.
pool.capacity = 0


cdef StreamTransport new_stream_transport(SocketCore loop, object sock, object protocol, object context, dict extra, object server):
    cdef StreamTransport transport = new_transport(sock.family, sock.type, sock.proto)
    socket_transport_init(transport, loop, sock, sock.fileno(), protocol, context, extra)
    net_set_nodelay(transport.fd, transport.family, transport.type)
    if extra is not None and "peername" in extra:
        transport.peername = extra["peername"]
    else:
        socket_transport_find_peer(transport)
    socket_transport_join(transport, server)
    return transport


cdef StreamTransport new_accepted_transport(
        SocketCore loop, int fd, int family, int type, int proto, const sockaddr_raw_t *peer, object peername, object protocol,
        object context):
    cdef StreamTransport transport = new_transport(family, type, proto)
    transport.raw_peername = peer[0]
    transport.peername = peername
    socket_transport_init(transport, loop, None, fd, protocol, context, None)
    return transport


cdef int stream_transport_join(StreamTransport transport, object server) except -1:
    socket_transport_join(transport, server)
    return socket_transport_find_peer(transport)
