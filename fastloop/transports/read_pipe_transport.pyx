"""ReadPipeTransport: reads from a pipe, a FIFO, a socket or a character device.

Owns: the file object, which it closes once.
Promises: the steps of asyncio's transport, in its turns. What the protocol raises is reported, and reading goes on. No Python code runs
  between a read and the protocol's method.
Driven by: a callback that waits for the descriptor, like those of add_reader().
"""

import errno
from asyncio import base_events, unix_events

from cpython.bytes cimport PyBytes_AS_STRING
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from libc.errno cimport errno as last_error
from libc.string cimport memcpy

from fastloop.core.exception_handler cimport call_exception_handler
from fastloop.core.handle cimport call_soon_uninterrupted
from fastloop.core.interruption cimport call_uninterrupted_with
from fastloop.core.loop_counters cimport loop_counter_add
from fastloop.net.receive_buffer cimport RECEIVE_BUFFER_SIZE, receive_buffer_bytes, receive_buffer_memory
from fastloop.net.syscalls cimport net_read, net_would_block
from fastloop.poll.poller cimport POLL_READABLE
from fastloop.python.capi cimport _PyBytes_Resize, bytes_of
from fastloop.transports.lifecycle cimport TRANSPORT_CLOSING, TRANSPORT_LOSING, TRANSPORT_OPEN, TRANSPORT_OPENING
from fastloop.transports.pipe_descriptor cimport (
    pipe_add_reader, pipe_announce, pipe_describe, pipe_forget, pipe_give, pipe_note_end, pipe_remove_reader,
    pipe_take)
from fastloop.transports.transport cimport Transport, transport_closes_elsewhere


cdef enum:
    # As in asyncio. More than the receive buffer, so what fills that is followed by a second read.
    MAX_READ_BYTES = 262144


cimport cython


cdef:
    object BASE = unix_events._UnixReadPipeTransport
    str NAME = BASE.__name__
    int EIO = errno.EIO


@cython.final
cdef class ReadPipeTransport(DescriptorTransport):
    """What asyncio.ReadTransport promises, over a pipe; isinstance() accepts it as one.

    Use it in the loop's thread only.
    """

    max_size = MAX_READ_BYTES

    @property
    def __class__(self):
        return BASE

    @property
    def _pipe(self):
        return None if self.fd < 0 else self.owner

    @_pipe.setter
    def _pipe(self, value):
        pipe_give(self, value)

    @property
    def _fileno(self):
        return self.number

    # ---- reading ----

    cdef int protocol_changed(self) except -1:
        self.receive_method = getattr(self.protocol, "data_received", None)
        return 0

    def _add_reader(self, fd, callback):
        """Runs as a callback of the loop, after connection_made()."""
        if self.state == TRANSPORT_OPENING:
            self.move_to(TRANSPORT_OPEN)
        if self.is_reading():
            pipe_add_reader(self, callback)

    def _read_ready(self):
        """Runs as a callback of the loop while there is something to read."""
        cdef char *memory
        cdef Py_ssize_t count
        if self.fd < 0 or self.loop is None:
            return
        memory = receive_buffer_memory(&self.loop.receive_buffer)
        count = net_read(self.fd, memory, RECEIVE_BUFFER_SIZE)
        if count > 0:
            loop_counter_add(&self.loop.counters.bytes_received, count)
            self.receive(memory, count)
        elif count == 0:
            self.end_of_file()
        elif not net_would_block(last_error):
            self.fail_with_errno(last_error, "Fatal read error on pipe transport")

    cdef int receive(self, char *memory, Py_ssize_t count) except -1:
        if count < RECEIVE_BUFFER_SIZE:
            data = receive_buffer_bytes(&self.loop.receive_buffer, count)
        else:
            data = read_rest(self.fd, memory)
            loop_counter_add(&self.loop.counters.bytes_received, len(<bytes>data) - RECEIVE_BUFFER_SIZE)
        method = self.receive_method
        call_uninterrupted_with(self.loop, self.protocol.data_received if method is None else method, data)
        return 0

    cdef int end_of_file(self) except -1:
        if not pipe_note_end(self):
            return 0
        call_soon_uninterrupted(self.loop, self.protocol.eof_received, (), None)
        return self.begin_losing(None)

    def is_reading(self):
        """Return True unless reading is paused or the transport is closing."""
        return self.state < TRANSPORT_CLOSING and not self.bits.reading_is_paused

    def pause_reading(self):
        """Deliver no data until resume_reading(). Does nothing if reading is paused or the transport is closing."""
        if not self.is_reading():
            return
        self.bits.reading_is_paused = True
        pipe_remove_reader(self)
        if self.loop.is_debug:
            base_events.logger.debug("%r pauses reading", self)

    def resume_reading(self):
        """Undo pause_reading(). Does nothing if reading is not paused or the transport is closing."""
        if self.state >= TRANSPORT_CLOSING or not self.bits.reading_is_paused:
            return
        self.bits.reading_is_paused = False
        pipe_add_reader(self, self._read_ready)
        if self.loop.is_debug:
            base_events.logger.debug("%r resumes reading", self)

    # ---- the end ----

    def close(self):
        """Close the pipe. No more data arrives, and connection_lost(None) is called in the next turn."""
        if transport_closes_elsewhere(self):
            return
        self.begin_losing(None)

    def _close(self, exc):
        self.begin_losing(exc)

    def _fatal_error(self, exc, message="Fatal error on pipe transport"):
        self.fail_with(exc, message)

    cdef int fail_with(self, object exception, str message) except -1:
        loop = self.loop
        # A pseudo-terminal whose other end was closed has EIO instead of an end of file.
        if loop is None or (isinstance(exception, OSError) and exception.errno == EIO):
            return Transport.fail_with(self, exception, message)
        try:
            call_exception_handler(
                loop, {"message": message, "exception": exception, "transport": self, "protocol": self.protocol})
        finally:
            self.begin_losing(exception)
        return 0

    cdef int begin_losing(self, object exception) except -1:
        if self.state >= TRANSPORT_LOSING:
            return 0
        self.move_to(TRANSPORT_LOSING)
        pipe_remove_reader(self)
        return call_soon_uninterrupted(self.loop, self._call_connection_lost, (exception,), None)

    cdef int release_descriptor(self, SocketCore loop, bint has_caller) except -1:
        pipe_forget(self, loop)
        return DescriptorTransport.release_descriptor(self, loop, has_caller)

    def __repr__(self):
        return f"<{' '.join(pipe_describe(self, NAME, self.number, POLL_READABLE))}>"


cdef object read_rest(int fd, const char *memory):
    """The receive buffer is full: return its content and what else one read of asyncio's would have got."""
    cdef PyObject *data = bytes_of(NULL, MAX_READ_BYTES)
    cdef char *start = PyBytes_AS_STRING(<object>data)
    cdef Py_ssize_t count
    memcpy(start, memory, RECEIVE_BUFFER_SIZE)
    count = net_read(fd, start + RECEIVE_BUFFER_SIZE, MAX_READ_BYTES - RECEIVE_BUFFER_SIZE)
    # An end or an error will be found again.
    _PyBytes_Resize(&data, RECEIVE_BUFFER_SIZE + max(count, 0))
    result = <object>data
    Py_DECREF(result)
    return result


cdef ReadPipeTransport new_read_pipe_transport(SocketCore loop, object pipe, object protocol, object waiter, object extra):
    cdef ReadPipeTransport transport = ReadPipeTransport.__new__(ReadPipeTransport)
    pipe_take(transport, loop, pipe, protocol, extra, "Pipe transport is for pipes/sockets only.")
    transport.number = transport.fd
    pipe_announce(transport, transport._add_reader, (transport.fd, transport._read_ready), waiter)
    return transport
