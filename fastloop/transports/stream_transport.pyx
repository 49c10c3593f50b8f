"""StreamTransport: TCP and Unix stream sockets.

Owns: how far the socket has been read. What must be sent is the base class's.
Promises: bytes are delivered in order and as soon as they can be; a read that comes back short is the last one until the next edge.
Driven by: the poller's edges, which queue the transport, and then the scheduler.
"""

import asyncio
import socket
from asyncio import base_events, constants

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release
from cpython.contextvars cimport PyContext_Exit
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from libc.errno cimport EBADF, errno

from fastloop.core.handle cimport call_exception_handler
from fastloop.core.interruption cimport call_again, call_uninterrupted, interrupt_soon
from fastloop.core.runnable cimport RUNNABLE_IS_AWAITED_BRIEFLY
from fastloop.core.scheduler cimport scheduler_push, scheduler_resume_later, scheduler_will_resume
from fastloop.net.receive_buffer cimport RECEIVE_BUFFER_SIZE, receive_buffer_bytes, receive_buffer_memory
from fastloop.net.sockaddr cimport sockaddr_is_kept, sockaddr_kept_t
from fastloop.net.syscalls cimport net_receive, net_set_nodelay, net_would_block
from fastloop.poll.poller cimport POLL_CLOSED, POLL_EDGE, POLL_READABLE, POLL_WRITABLE, poller_rearm
from fastloop.python.calls cimport call_enter, call_one, call_raised_exit
from fastloop.python.capi cimport get_buffer
from fastloop.python.cpython_compat cimport compat_take_exception
from fastloop.python.method_copies cimport method_copies_make
from fastloop.transports.lifecycle cimport (
    TRANSPORT_CLOSING, TRANSPORT_LOSING, TRANSPORT_OPEN, TRANSPORT_OPENING, TRANSPORT_READ_ENDED)
from fastloop.transports.output_transport cimport (
    OUTPUT_IN_CALLBACK, OUTPUT_IS_BLOCKED, OUTPUT_MAY_FLOW, OUTPUT_USES_LEVELS, OutputTransport)
from fastloop.transports.transport cimport (
    TRANSPORT_IS_ENDING, TRANSPORT_IS_QUEUED, TRANSPORT_PROTOCOL_IS_BUFFERED, TRANSPORT_READING_IS_PAUSED, Transport,
    join_server, transport_fd, transport_init, transport_reads, transport_runs_elsewhere)


cimport cython


cdef enum:
    # The answer to so much takes longer than it is worth to wait awake for: busy_poll.h.
    LEAST_AWAITED_BRIEFLY = 8192


cdef:
    int AF_INET = socket.AF_INET
    int AF_INET6 = socket.AF_INET6
    object SENDFILE_MODE = constants._SendfileMode.TRY_NATIVE
    object MINUS_ONE = -1


@cython.final
cdef class StreamTransport(OutputTransport):
    """What asyncio.Transport promises, over a stream socket; isinstance() takes it for one."""

    @property
    def _start_tls_compatible(self):
        return True

    @property
    def _sendfile_compatible(self):
        return SENDFILE_MODE

    # ---- what the kernel reports ----

    cdef int on_events(self, unsigned int events) except -1:
        if events & (POLL_READABLE | POLL_CLOSED):
            self.flags |= STREAM_MAY_READ
            if events & POLL_CLOSED:
                self.flags |= STREAM_READS_ON
        if events & (POLL_WRITABLE | POLL_CLOSED) and self.flags & OUTPUT_IS_BLOCKED:
            self.flags |= OUTPUT_MAY_FLOW
        if self.flags & OUTPUT_USES_LEVELS and not transport_reads(self):
            self.settle_interest()
        return self.queue_work()

    cdef int queue_work(self) except -1:
        """Stand in the ready queue, once, if there is something to do."""
        if self.flags & TRANSPORT_IS_QUEUED:
            return 0
        if (self.flags & STREAM_MAY_READ and transport_reads(self)) or self.flags & OUTPUT_MAY_FLOW:
            self.flags |= TRANSPORT_IS_QUEUED
            return scheduler_push(self.loop, self)
        return 0

    cdef int ask_again(self) except -1:
        """Leave the rest to the next turn, if the kernel reports it then, as asyncio does."""
        if self.flags & TRANSPORT_IS_QUEUED or not (
                (self.flags & STREAM_MAY_READ and transport_reads(self)) or self.flags & OUTPUT_MAY_FLOW):
            return 0
        if self.flags & STREAM_READS_ON and not self.flags & OUTPUT_USES_LEVELS:
            # The end of file or an error was reported. It stays, so the kernel would report it again.
            self.flags |= TRANSPORT_IS_QUEUED
            return scheduler_resume_later(self.loop, self)
        self.flags &= ~<unsigned int>(STREAM_MAY_READ | STREAM_READS_ON | OUTPUT_MAY_FLOW)
        # A level is reported anyway.
        return 0 if self.flags & OUTPUT_USES_LEVELS else self.watch_again()

    cdef int run(self) except -1:
        # The protocol may end the connection, and then the context is gone from the transport.
        context = self.context
        self.flags &= ~<unsigned int>TRANSPORT_IS_QUEUED
        if self.state >= TRANSPORT_LOSING and not self.flags & TRANSPORT_IS_ENDING:
            return 0
        return 0 if (<int (*)(StreamTransport, object) noexcept>do_work)(self, context) == 0 else self.work_failed()

    cdef int work_failed(self) except -1:
        """Report the exception like that of a callback. The loop keeps running."""
        if call_raised_exit():
            return -1
        exception = compat_take_exception()
        # At its end a transport has lost its loop: it is the one that runs here.
        return call_exception_handler(asyncio.get_running_loop(), {
            "message": f"Exception in callback of {type(self).__name__}",
            "exception": exception,
            "transport": self,
            "protocol": self.protocol,
        })

    # ---- reading ----

    cdef int begin_reading(self) except -1:
        if self.state != TRANSPORT_OPENING:
            return 0
        self.move_to(TRANSPORT_OPEN)
        self.watch_reading()
        return self.update_hold()

    cdef int watch_reading(self) except -1:
        # Watched already if connection_made() wrote more than the kernel takes.
        cdef unsigned int interest = self.interest | POLL_READABLE | POLL_EDGE
        return self.settle_interest() if self.flags & OUTPUT_USES_LEVELS else self.watch_for(interest)

    cdef bint has_work(self) noexcept:
        return transport_reads(self) or self.output.count > 0 or self.empty_waiter is not None

    cdef int read_into_buffer(self) except -1:
        cdef Py_buffer view
        cdef Py_ssize_t count
        receive, buffer_updated = self.receive, self.buffer_updated
        answer = call_one(receive, MINUS_ONE)
        try:
            buffer = owned(answer) if answer is not NULL else call_again(self.loop, receive, (MINUS_ONE,))
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            return self.fail_with(error, "Fatal error: protocol.get_buffer() call failed.")
        if get_buffer(buffer, &view, PyBUF_SIMPLE) < 0:
            return self.fail_raised("Fatal error: protocol.get_buffer() call failed.")
        if view.len == 0 or view.readonly:
            error = unusable(buffer, view.len)
            PyBuffer_Release(&view)
            return self.fail_with(error, "Fatal error: protocol.get_buffer() call failed.")
        if self.state != TRANSPORT_OPEN:
            # Closed by get_buffer().
            PyBuffer_Release(&view)
            return 0
        count = receive_into(self, <char *>view.buf, view.len)
        PyBuffer_Release(&view)
        if count <= 0:
            return self.nothing_received(count)
        answer = call_one(buffer_updated, count)
        if answer is NULL:
            return deliver_again(self, buffer_updated, count, "Fatal error: protocol.buffer_updated() call failed.")
        Py_DECREF(<object>answer)
        return 0

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
            self.flags |= STREAM_MAY_READ
            raise
        except BaseException as error:
            return self.fail_with(error, "Fatal error: protocol.eof_received() call failed.")
        if not keep_open:
            # By its name: asyncio calls it so, and finds a close() that somebody has put on this one transport.
            self.close()
        elif self.state == TRANSPORT_OPEN:
            self.move_to(TRANSPORT_READ_ENDED)
            self.update_hold()
        return 0

    cdef int log_end_of_file(self) except -1:
        try:
            base_events.logger.debug("%r received EOF", self)
        except BaseException as error:
            interrupt_soon(self.loop, error)
        return 0

    def is_reading(self):
        """Return True while data may arrive."""
        return self.state < TRANSPORT_CLOSING and not self.flags & TRANSPORT_READING_IS_PAUSED

    def pause_reading(self):
        """Have no data arrive until resume_reading(). Does nothing if reading is paused or the transport is closing."""
        if self.state >= TRANSPORT_CLOSING or self.flags & TRANSPORT_READING_IS_PAUSED:
            return
        self.flags |= TRANSPORT_READING_IS_PAUSED
        if self.flags & TRANSPORT_IS_QUEUED and not scheduler_will_resume(self.loop, self):
            self.flags |= STREAM_SKIPS_READ
        if self.loop.is_debug:
            base_events.logger.debug("%r pauses reading", self)
        self.update_hold()

    def resume_reading(self):
        """Undo pause_reading(). Does nothing if reading is not paused or the transport is closing."""
        if self.state >= TRANSPORT_CLOSING or not self.flags & TRANSPORT_READING_IS_PAUSED:
            return
        self.flags &= ~<unsigned int>TRANSPORT_READING_IS_PAUSED
        if self.loop.is_debug:
            base_events.logger.debug("%r resumes reading", self)
        # As asyncio's reader, which is a new one.
        self.take_context()
        if self.flags & OUTPUT_USES_LEVELS:
            self.settle_interest()
        self.update_hold()
        self.ask_again()

    # ---- sendfile() ----

    def _make_empty_waiter(self):
        """Return a future that is done when everything is sent; until _reset_empty_waiter() nothing can be written."""
        if self.empty_waiter is not None:
            raise RuntimeError("Empty waiter is already set")
        if self.output.count > 0 and not self.flags & OUTPUT_IS_BLOCKED:
            self.send_output()
        waiter = self.empty_waiter = self.loop.create_future()
        if self.output.count == 0:
            waiter.set_result(None)
        return waiter

    def _reset_empty_waiter(self):
        self.empty_waiter = self.writable_waiter = None

    def _open_descriptor(self):
        """The descriptor. Raises ConnectionError if the connection is gone."""
        if self.state >= TRANSPORT_LOSING:
            raise ConnectionError("Connection is closed by peer")
        return transport_fd(self)

    def _wait_writable(self):
        """Return a future that is done when it is worth trying to send past the transport again."""
        self._open_descriptor()
        self.writable_waiter = self.loop.create_future()
        self.block()
        return self.writable_waiter

    cdef int wake_sendfile(self) except -1:
        waiter, self.writable_waiter = self.writable_waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        return 0

    cdef int let_go(self, bint has_caller) except -1:
        try:
            Transport.let_go(self, has_caller)
        finally:
            if self.empty_waiter is not None or self.writable_waiter is not None:
                self.fail_sendfile()
        return 0

    cdef int fail_sendfile(self) except -1:
        for waiter in (self.empty_waiter, self.writable_waiter):
            if waiter is not None and not waiter.done():
                waiter.set_exception(ConnectionError("Connection is closed by peer"))
        return 0

    def __repr__(self):
        text = Transport.__repr__(self)
        if self.state >= TRANSPORT_LOSING or transport_runs_elsewhere(self):
            return text
        reading = "polling" if transport_reads(self) else "idle"
        writing = "polling" if self.flags & OUTPUT_IS_BLOCKED else "idle"
        return f"{text.removesuffix('>')} read={reading} write=<{writing}, bufsize={self.output.size_bytes}>>"


method_copies_make(StreamTransport, OutputTransport)
method_copies_make(StreamTransport, Transport)


cdef int do_work(StreamTransport self, object context) except -1:
    """HOT. One turn of the transport."""
    cdef bint has_entered = call_enter(context)
    try:
        if self.flags & TRANSPORT_IS_ENDING:
            self.flags &= ~<unsigned int>TRANSPORT_IS_ENDING
            return self.end_in_turn()
        self.flags |= OUTPUT_IN_CALLBACK
        if self.flags & STREAM_SKIPS_READ:
            self.flags &= ~<unsigned int>STREAM_SKIPS_READ
        elif self.flags & STREAM_MAY_READ and transport_reads(self):
            if self.flags & TRANSPORT_PROTOCOL_IS_BUFFERED:
                self.read_into_buffer()
            else:
                read_bytes(self)
        self.callback_returned()
        if self.flags & OUTPUT_MAY_FLOW and self.state < TRANSPORT_LOSING:
            self.flags &= ~<unsigned int>(OUTPUT_MAY_FLOW | OUTPUT_IS_BLOCKED)
            self.wake_sendfile()
            self.send_output()
    finally:
        self.flags &= ~<unsigned int>OUTPUT_IN_CALLBACK
        # Also when KeyboardInterrupt ends the loop for now.
        if self.flags & (STREAM_MAY_READ | OUTPUT_MAY_FLOW) and self.state < TRANSPORT_LOSING:
            self.ask_again()
        if has_entered:
            PyContext_Exit(context)
    return 0


cdef inline Py_ssize_t receive_into(StreamTransport self, char *buffer, Py_ssize_t size) noexcept:
    """HOT. Read once; no Python code runs. Returns the number of bytes, 0 at the end of file, or -errno."""
    cdef Py_ssize_t count
    cdef int fd = transport_fd(self)
    if fd < 0:
        return -EBADF
    count = net_receive(fd, buffer, size)
    if count < 0:
        count = -errno
    if self.flags & OUTPUT_USES_LEVELS:
        if count < LEAST_AWAITED_BRIEFLY:
            self.flags &= ~<unsigned int>RUNNABLE_IS_AWAITED_BRIEFLY
        else:
            self.flags |= RUNNABLE_IS_AWAITED_BRIEFLY
    if count <= 0:
        self.flags &= ~<unsigned int>(STREAM_MAY_READ | STREAM_READS_ON)
    elif count < size and not self.flags & STREAM_READS_ON:
        self.flags &= ~<unsigned int>STREAM_MAY_READ
        poller_rearm(&self.loop.poller, fd, POLL_READABLE)
    return count


cdef inline int deliver(StreamTransport self, object data) except -1:
    # Held for the call: the protocol may set another one meanwhile.
    receive = self.receive
    if receive is None:
        return self.fail_with(
            AttributeError(f"{type(self.protocol).__name__!r} object has no attribute 'data_received'"),
            "Fatal error: protocol.data_received() call failed.")
    answer = call_one(receive, data)
    if answer is NULL:
        return deliver_again(self, receive, data, "Fatal error: protocol.data_received() call failed.")
    Py_DECREF(<object>answer)
    return 0


cdef int deliver_again(StreamTransport self, object receive, object data, str message) except -1:
    """A method of the protocol has raised: if it had not even begun, what was received is not lost for that."""
    try:
        call_again(self.loop, receive, (data,))
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        return self.fail_with(error, message)
    return 0


cdef inline int read_bytes(StreamTransport self) except -1:
    cdef Py_ssize_t count = receive_into(self, receive_buffer_memory(&self.loop.receive_buffer), RECEIVE_BUFFER_SIZE)
    if count <= 0:
        return self.nothing_received(count)
    return deliver(self, receive_buffer_bytes(&self.loop.receive_buffer, count))


cdef object unusable(object buffer, Py_ssize_t size):
    if size == 0:
        return RuntimeError("get_buffer() returned an empty buffer")
    return TypeError(f"get_buffer() returned a read-only buffer, {type(buffer).__name__!r}")


cdef inline object owned(PyObject *reference):
    """The object of a new reference, which passes to the result."""
    result = <object>reference
    Py_DECREF(result)
    return result


cdef StreamTransport new_stream_transport(SocketCore loop, object sock, object protocol, object context, dict extra, object server):
    cdef StreamTransport transport = StreamTransport.__new__(StreamTransport)
    transport.family, transport.type, transport.proto = sock.family, sock.type, sock.proto
    note_family(transport)
    transport_init(transport, loop, sock, sock.fileno(), protocol, context, extra)
    net_set_nodelay(transport.fd, transport.family, transport.type)
    if extra is not None and "peername" in extra:
        transport.peername = extra["peername"]
    else:
        note_peername(transport)
    if server is not None:
        join_server(transport, server)
    return transport


cdef int note_family(StreamTransport transport) except -1:
    if transport.family in (AF_INET, AF_INET6):
        transport.flags |= RUNNABLE_IS_AWAITED_BRIEFLY
    else:
        # A read of a Unix socket also comes back short where descriptors were sent, and no edge tells of the data behind them.
        transport.flags |= OUTPUT_USES_LEVELS
    return 0


cdef StreamTransport new_accepted_transport(
        SocketCore loop, int fd, int family, int type, int proto, const sockaddr_kept_t *peer, object peername, object protocol,
        object context):
    cdef StreamTransport transport = StreamTransport.__new__(StreamTransport)
    transport.family, transport.type, transport.proto = family, type, proto
    note_family(transport)
    transport.peer_address = peer[0]
    transport.peername = peername
    transport_init(transport, loop, None, fd, protocol, context, None)
    return transport


cdef int stream_transport_join(StreamTransport transport, object server) except -1:
    if server is not None:
        join_server(transport, server)
    if transport.peername is None and not sockaddr_is_kept(&transport.peer_address):
        note_peername(transport)
    return 0


cdef int note_peername(StreamTransport transport) except -1:
    try:
        transport.peername = transport.socket_object().getpeername()
    except OSError:
        # The peer has left already.
        pass
    return 0
