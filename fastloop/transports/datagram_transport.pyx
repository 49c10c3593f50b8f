"""DatagramTransport: UDP, Unix datagrams, and sockets of any other family that are not streams.

Owns: what is known about the socket, and what may be read next.
Promises: one datagram a turn, as in asyncio: what datagram_received() schedules runs before the next one. An error of the socket
  goes to error_received(), and the transport stays open.
Driven by: the poller's levels, which queue the transport, and then the scheduler.
"""

import socket
from asyncio import selector_events, trsock

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.contextvars cimport PyContext_Exit
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from libc.errno cimport EBADF, errno
from libc.string cimport memcpy

from fastloop.core.interruption cimport call_again
from fastloop.core.loop_counters cimport loop_counter_add_bytes
from fastloop.core.poll_pacing cimport poll_pacing_skip_turn
from fastloop.core.runnable cimport RUNNABLE_EXPECTS_NO_ANSWER
from fastloop.core.scheduler cimport scheduler_has_other_threads
from fastloop.net.address_cache cimport address_cache_show
from fastloop.net.receive_buffer cimport RECEIVE_BUFFER_SIZE, receive_buffer_bytes, receive_buffer_memory
from fastloop.net.sockaddr cimport sockaddr_knows_family, sockaddr_storage, socklen_t
from fastloop.net.syscalls cimport iovec, net_receive_from, net_receive_from_vectors
from fastloop.poll.poller cimport POLL_CLOSED, POLL_READABLE, POLL_WRITABLE
from fastloop.python.calls cimport call_enter, call_two
from fastloop.python.method_copies cimport method_copies_make
from fastloop.transports.arrivals cimport arrivals_guess, arrivals_note
from fastloop.transports.datagram_sender cimport WOULD_BLOCK, DatagramSender, outcome_of
from fastloop.transports.descriptor_transport cimport (
    DescriptorTransport, transport_fd, transport_take_descriptor, transport_wants_data)
from fastloop.transports.flow_control_transport cimport FlowControlTransport
from fastloop.transports.lifecycle cimport TRANSPORT_LOSING
from fastloop.transports.transport cimport (
    Transport, transport_init, transport_is_reading, transport_queue, transport_unqueue)


cimport cython


cdef enum:
    # More memory than this is not kept for a transport.
    MAX_SIZE = 16777216


ctypedef int (*half_t)(DatagramTransport self) noexcept


cdef:
    # The class that isinstance() takes these transports for.
    object DATAGRAM_TRANSPORT = selector_events._SelectorDatagramTransport
    object DEFAULT_MAX_SIZE = DATAGRAM_TRANSPORT.max_size
    int AF_INET = socket.AF_INET, AF_INET6 = socket.AF_INET6
    int SOCK_DGRAM = socket.SOCK_DGRAM, SOCK_RAW = socket.SOCK_RAW


@cython.final
cdef class DatagramTransport(DatagramSender):
    """What asyncio.DatagramTransport promises; isinstance() accepts it as one. Use it in the loop's thread only."""

    def __dealloc__(self):
        PyMem_RawFree(self.rest)

    @property
    def __class__(self):
        return DATAGRAM_TRANSPORT

    @property
    def _sock(self):
        return None if self.fd < 0 else self.owner

    cdef int protocol_changed(self) except -1:
        self.receive_method = getattr(self.protocol, "datagram_received", None)
        return 0

    # ---- its turn ----

    cdef int on_events(self, unsigned int events) except -1:
        # asyncio, too, hears of an error only where it waits for something.
        if events & (POLL_READABLE | POLL_CLOSED) and transport_is_reading(self):
            self.bits.may_have_data = True
        if events & (POLL_WRITABLE | POLL_CLOSED):
            self.note_writable()
        if self.bits.is_queued or not (self.bits.may_have_data or self.bits.may_send):
            return 0
        return transport_queue(self)

    cdef int run(self) except -1:
        cdef bint has_entered
        # Kept here: the protocol may end the connection, and the transport then drops its context.
        context = self.context
        transport_unqueue(self)
        if self.state >= TRANSPORT_LOSING and not self.bits.connection_lost_is_queued:
            return 0
        has_entered = call_enter(context)
        try:
            if self.bits.connection_lost_is_queued:
                return self.call_connection_lost_in_turn()
            # Two callbacks of asyncio's: an error in one does not keep the other from running.
            if (<half_t>datagram_transport_read)(self) < 0:
                self.turn_failed()
            if self.bits.may_send and (<half_t>datagram_transport_send)(self) < 0:
                self.turn_failed()
            if datagram_transport_may_guess(self) and arrivals_guess(&self.arrivals):
                self.bits.may_have_data = True
                poll_pacing_skip_turn(&self.loop.pacing)
                transport_queue(self)
        finally:
            if has_entered:
                PyContext_Exit(context)
        return 0

    # ---- reading ----

    @property
    def max_size(self):
        """The longest datagram that is delivered whole, in bytes."""
        return self.max_size_bytes

    @max_size.setter
    def max_size(self, size):
        # The kernel has no longer ones of this kind, whatever the program allows.
        is_short = (self.family == AF_INET or self.family == AF_INET6) and self.type in (SOCK_DGRAM, SOCK_RAW)
        self.max_size_bytes = size
        self.read_bytes = min(self.max_size_bytes, RECEIVE_BUFFER_SIZE)
        self.rest_bytes = 0 if is_short else self.max_size_bytes - self.read_bytes
        PyMem_RawFree(self.rest)
        self.rest = NULL
        # The object has the errors for sizes that make no sense.
        self.reads_by_socket_object = not 0 <= size <= MAX_SIZE or not sockaddr_knows_family(self.family)

    cdef int watch_reading(self) except -1:
        return self.update_interest()

    cdef bint must_stay_alive(self) noexcept:
        return transport_is_reading(self) or self.bits.is_blocked

    cdef int read_by_socket_object(self) except -1:
        try:
            datagram = self.owner.recvfrom(self.max_size_bytes)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            return self.tell_error(error)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            return self.fail_with(error, "Fatal read error on datagram transport")
        return self.deliver(datagram[0], datagram[1])

    cdef int nothing_received(self, Py_ssize_t answer) except -1:
        outcome = outcome_of(-answer)
        return 0 if outcome is WOULD_BLOCK else self.tell_error(outcome)

    cdef int deliver(self, object data, object address) except -1:
        cdef PyObject *answer
        # Held during the call: the protocol may set another one.
        receive = self.receive_method
        if receive is None:
            receive = self.protocol.datagram_received
        answer = call_two(receive, data, address)
        if answer is NULL:
            # If it had not even begun, it is called again, so that no datagram is lost.
            call_again(self.loop, receive, (data, address))
        else:
            Py_DECREF(<object>answer)
        return 0

    cdef Py_ssize_t receive_from(self, char *buffer, sockaddr_storage *raw, socklen_t *length) except? -2:
        cdef iovec vectors[2]
        cdef ssize_t count
        if self.rest_bytes == 0:
            count = net_receive_from(transport_fd(self), buffer, self.read_bytes, raw, length)
            loop_counter_add_bytes(&self.loop.counters.bytes_received, count)
            return count
        if self.rest is NULL:
            # Memory that no datagram reaches is never touched.
            self.rest = <char *>PyMem_RawMalloc(self.rest_bytes)
            if self.rest is NULL:
                raise MemoryError()
        vectors[0].iov_base, vectors[0].iov_len = buffer, self.read_bytes
        vectors[1].iov_base, vectors[1].iov_len = self.rest, self.rest_bytes
        count = net_receive_from_vectors(transport_fd(self), vectors, 2, raw, length)
        loop_counter_add_bytes(&self.loop.counters.bytes_received, count)
        return count

    cdef object received_bytes(self, Py_ssize_t count):
        if count <= RECEIVE_BUFFER_SIZE:
            return receive_buffer_bytes(&self.loop.receive_buffer, count)
        data = PyBytes_FromStringAndSize(NULL, count)
        memcpy(PyBytes_AS_STRING(data), receive_buffer_memory(&self.loop.receive_buffer), RECEIVE_BUFFER_SIZE)
        memcpy(PyBytes_AS_STRING(data) + RECEIVE_BUFFER_SIZE, self.rest, count - RECEIVE_BUFFER_SIZE)
        return data

    def is_reading(self):
        """Return True unless reading is paused or the transport is closing."""
        return transport_wants_data(self)

    def pause_reading(self):
        """Deliver no datagram until resume_reading(). The kernel keeps what fits into its buffer."""
        self.stop_reading()

    def resume_reading(self):
        """Undo pause_reading(). Does nothing if reading is not paused or the transport is closing."""
        self.read_again()

    def write(self, data):
        """Raise NotImplementedError, as asyncio's datagram transports do. Use sendto()."""
        raise NotImplementedError

    def writelines(self, list_of_data):
        """Raise NotImplementedError; see write()."""
        raise NotImplementedError

    def write_eof(self):
        """Raise NotImplementedError: datagrams have no end of file."""
        raise NotImplementedError

    def can_write_eof(self):
        """Raise NotImplementedError; see write_eof()."""
        raise NotImplementedError


method_copies_make(DatagramTransport, DatagramSender)
method_copies_make(DatagramTransport, FlowControlTransport)
method_copies_make(DatagramTransport, DescriptorTransport)
method_copies_make(DatagramTransport, Transport)


cdef inline bint datagram_transport_may_guess(DatagramTransport self) noexcept:
    """HOT. Whether nobody could tell if the next turn reads without asking the kernel first: it has read, nothing else is watched or
    ready, and no other thread waits for the GIL.
    """
    return (self.has_read and transport_is_reading(self) and not self.bits.is_queued and not self.bits.is_blocked
            and self.loop.watches.count == 1 and self.loop.ready.count == 0 and self.loop.next_turn.count == 0
            and self.loop.bypasses_call_soon and not scheduler_has_other_threads())


# ---- the two halves of a turn ----

cdef int datagram_transport_read(DatagramTransport self) except -1:
    """HOT. Read one datagram and deliver it."""
    cdef sockaddr_storage raw
    cdef socklen_t length = 0
    cdef Py_ssize_t count
    cdef int error
    cdef bint is_guess = self.arrivals.is_guess
    cdef bint is_due = self.bits.may_have_data and not self.bits.skips_read and transport_is_reading(self)
    self.bits.may_have_data = self.bits.skips_read = False
    if not is_due:
        return 0
    if self.reads_by_socket_object:
        return self.read_by_socket_object()
    count = self.receive_from(receive_buffer_memory(&self.loop.receive_buffer), &raw, &length)
    arrivals_note(&self.arrivals, count >= 0)
    if count < 0:
        self.has_read = False
        error = EBADF if transport_fd(self) < 0 else errno
        # The kernel reports nothing of a descriptor that the program has closed.
        return 0 if is_guess and error == EBADF else self.nothing_received(-error)
    self.has_read = True
    # Unless the protocol answers it.
    self.flags |= RUNNABLE_EXPECTS_NO_ANSWER
    return self.deliver(self.received_bytes(count), address_cache_show(&self.addresses, &raw, length))


cdef int datagram_transport_send(DatagramTransport self) except -1:
    return self.send_again()


cdef DatagramTransport new_datagram_transport(SocketCore loop, object sock, object protocol, object address, dict extra):
    cdef DatagramTransport transport = DatagramTransport.__new__(DatagramTransport)
    cdef int fd = sock.fileno()
    extra = {} if extra is None else extra
    extra["socket"] = trsock.TransportSocket(sock)
    extra["sockname"] = address_or_none(sock.getsockname)
    if "peername" not in extra:
        extra["peername"] = address_or_none(sock.getpeername)
    transport.bits.uses_levels = True
    transport.family, transport.type = sock.family, sock.type
    transport.max_size = DEFAULT_MAX_SIZE
    transport.has_named_peer = bool(extra["peername"])
    transport.is_connected = extra["peername"] is not None
    transport._address = address
    transport_init(transport, loop, protocol, None, extra)
    # INVARIANT: nothing fails after the transport has the descriptor, so the caller knows whether it still owns it.
    transport_take_descriptor(transport, sock, fd)
    return transport


cdef object address_or_none(object ask):
    try:
        return ask()
    except OSError:
        return None
