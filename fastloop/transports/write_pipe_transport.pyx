"""WritePipeTransport: writes to a pipe, a FIFO, a socket or a character device.

Owns: the file object, which it closes once.
Promises: the steps of asyncio's transport, in its turns: a write goes to the kernel at once, the end of file is the end of the pipe,
  and the reader's end of a pipe or socket that goes away ends the connection. A pipe without room is tried again when it has some.
Driven by: the program's writes, and callbacks that wait for the descriptor, like those of add_reader() and add_writer().
"""

import stat
from asyncio import base_events, constants, unix_events

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release
from cpython.bytes cimport PyBytes_CheckExact, PyBytes_FromStringAndSize
from libc.errno cimport errno

from fastloop.core.handle cimport call_soon_uninterrupted
from fastloop.core.loop_counters cimport loop_counter_add_bytes
from fastloop.core.scheduler cimport scheduler_expect_events
from fastloop.net.syscalls cimport (
    NET_FIFO_HEARS_OF_READER, NET_MAX_VECTORS, NET_PIPE_HEARS_OF_READER, iovec, net_would_block, net_write, net_write_vectors)
from fastloop.poll.poller cimport POLL_WRITABLE
from fastloop.python.capi cimport get_buffer
from fastloop.transports.descriptor_transport cimport DescriptorTransport
from fastloop.transports.lifecycle cimport TRANSPORT_CLOSING, TRANSPORT_LOSING, TRANSPORT_OPEN, TRANSPORT_OPENING
from fastloop.transports.pipe_descriptor cimport (
    pipe_add_reader, pipe_add_writer, pipe_announce, pipe_describe, pipe_forget, pipe_give, pipe_note_end, pipe_remove_reader,
    pipe_remove_writer, pipe_take)
from fastloop.transports.sending_transport cimport SendingTransport
from fastloop.transports.transport cimport transport_closes_elsewhere
from fastloop.transports.write_queue cimport (
    write_queue_advance, write_queue_clear, write_queue_content, write_queue_push, write_queue_vectors)


cimport cython


cdef:
    Py_ssize_t MAX_SILENT_LOST_WRITES = constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES
    object BASE = unix_events._UnixWritePipeTransport
    str NAME = BASE.__name__


@cython.final
cdef class WritePipeTransport(SendingTransport):
    """What asyncio.WriteTransport promises, over a pipe; isinstance() accepts it as one.

    Use it in the loop's thread only.
    """

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

    @property
    def _conn_lost(self):
        return self.lost_writes

    @property
    def _buffer(self):
        return bytearray(write_queue_content(&self.output))

    # ---- writing ----

    def write(self, data):
        """Send data, a bytes-like object, without blocking. Of mutable data, what the pipe does not take at once is copied.

        After the pipe is lost or closed, data is dropped.
        """
        if not PyBytes_CheckExact(data) and not isinstance(data, (bytes, bytearray, memoryview)):
            # As in asyncio. Assertions are not compiled in here.
            raise AssertionError(repr(data))
        if not data:
            return
        if self.lost_writes > 0 or self.state >= TRANSPORT_CLOSING:
            if self.lost_writes >= MAX_SILENT_LOST_WRITES:
                base_events.logger.warning("pipe closed by peer or os.write(pipe, data) raised exception.")
            self.lost_writes += 1
            return
        scheduler_expect_events(self.loop)
        if self.output.count > 0:
            self.push(data)
            self.pause_protocol_if_full()
        else:
            self.send_buffer(data)

    def writelines(self, list_of_data):
        """Send the bytes-like objects of an iterable, one after the other; see write()."""
        self.write(b"".join(list_of_data))

    cdef int send_buffer(self, object data) except -1:
        cdef Py_buffer view
        cdef ssize_t sent
        cdef int error
        rest = None
        if get_buffer(data, &view, PyBUF_SIMPLE) < 0:
            self.lost_writes += 1
            return self.fail_raised("Fatal write error on pipe transport")
        sent = net_write(self.fd, view.buf, view.len)
        error = errno
        loop_counter_add_bytes(&self.loop.counters.bytes_sent, sent)
        if sent < view.len and not PyBytes_CheckExact(data):
            rest = PyBytes_FromStringAndSize(<char *>view.buf + max(sent, 0), view.len - max(sent, 0))
        if sent == view.len:
            PyBuffer_Release(&view)
            return 0
        PyBuffer_Release(&view)
        return self.keep_rest(sent, error, data, max(sent, 0)) if rest is None else self.keep_rest(sent, error, rest, 0)

    cdef int keep_rest(self, ssize_t sent, int error, object data, Py_ssize_t skip) except -1:
        if sent < 0 and not net_would_block(error):
            self.lost_writes += 1
            return self.fail_with_errno(error, "Fatal write error on pipe transport")
        self.block()
        write_queue_push(&self.output, data, skip)
        return self.pause_protocol_if_full()

    cdef int block(self) except -1:
        pipe_add_writer(self, self._write_ready)
        self.bits.is_blocked = True
        return 0

    def _write_ready(self):
        """Runs as a callback of the loop while there is something to write, and room for it."""
        if self.fd >= 0 and self.state < TRANSPORT_LOSING:
            self.send_output()

    cdef int send_output(self) except -1:
        cdef iovec vectors[NET_MAX_VECTORS]
        cdef size_t size
        cdef ssize_t sent
        while self.output.count > 0:
            sent = net_write_vectors(self.fd, vectors, write_queue_vectors(&self.output, vectors, NET_MAX_VECTORS, &size))
            if sent < 0:
                if net_would_block(errno):
                    return 0
                self.lost_writes += 1
                return self.fail_with_errno(errno, "Fatal write error on pipe transport")
            write_queue_advance(&self.output, sent)
            loop_counter_add_bytes(&self.loop.counters.bytes_sent, sent)
            if <size_t>sent < size:
                return 0
        self.bits.is_blocked = False
        try:
            pipe_remove_writer(self)
        finally:
            try:
                # The protocol may write again, or close the transport.
                self.resume_protocol_if_drained()
            finally:
                self.end_if_drained()
        return 0

    cdef int end_if_drained(self) except -1:
        # At once, as in asyncio: this is a callback of the loop already.
        if self.state == TRANSPORT_CLOSING and self.output.count == 0:
            self.move_to(TRANSPORT_LOSING)
            pipe_remove_reader(self)
            return self.call_connection_lost(None)
        return 0

    # ---- the reader's end ----

    def _add_reader(self):
        """Runs as a callback of the loop, after connection_made()."""
        if self.state == TRANSPORT_OPENING:
            self.move_to(TRANSPORT_OPEN)
        if self.state < TRANSPORT_LOSING:
            pipe_add_reader(self, self._read_ready)

    def _read_ready(self):
        """Runs as a callback of the loop when the reader's end is gone. That end of a pipe never sends anything."""
        if pipe_note_end(self):
            self.begin_losing(BrokenPipeError() if self.output.count > 0 else None)

    # ---- reading, which asyncio's class has from its base class ----

    def is_reading(self):
        """Raise NotImplementedError, as asyncio's transports that only write do."""
        raise NotImplementedError

    def pause_reading(self):
        """Raise NotImplementedError; see is_reading()."""
        raise NotImplementedError

    def resume_reading(self):
        """Raise NotImplementedError; see is_reading()."""
        raise NotImplementedError

    # ---- the end ----

    def can_write_eof(self):
        """Return True: write_eof() closes the pipe, which is the end of file for its reader."""
        return True

    def write_eof(self):
        """Send what was written, then close the pipe. Does nothing the second time."""
        if self.state >= TRANSPORT_CLOSING:
            return
        if self.output.count > 0:
            self.move_to(TRANSPORT_CLOSING)
        else:
            self.begin_losing(None)

    def close(self):
        """Send what was written, then close the pipe. connection_lost(None) follows."""
        if transport_closes_elsewhere(self):
            return
        # By name, as in asyncio.
        if self.state < TRANSPORT_CLOSING:
            self.write_eof()

    def abort(self):
        """Close at once. What the pipe has not taken is dropped. connection_lost(None) is called in the next turn."""
        self.begin_losing(None)

    def _close(self, exc=None):
        self.begin_losing(exc)

    def _fatal_error(self, exc, message="Fatal error on pipe transport"):
        self.fail_with(exc, message)

    cdef int begin_losing(self, object exception) except -1:
        if self.state >= TRANSPORT_LOSING:
            return 0
        self.move_to(TRANSPORT_LOSING)
        write_queue_clear(&self.output)
        if self.bits.is_blocked:
            self.bits.is_blocked = False
            pipe_remove_writer(self)
        pipe_remove_reader(self)
        return call_soon_uninterrupted(self.loop, self._call_connection_lost, (exception,), None)

    cdef int release_descriptor(self, SocketCore loop, bint has_caller) except -1:
        pipe_forget(self, loop)
        return DescriptorTransport.release_descriptor(self, loop, has_caller)

    def __repr__(self):
        info = pipe_describe(self, NAME, self.number, POLL_WRITABLE)
        if info[len(info) - 1] in ("polling", "idle"):
            info.append(f"bufsize={self.output.size_bytes}")
        return f"<{' '.join(info)}>"


cdef bint hears_of_reader(object status) except -1:
    if stat.S_ISFIFO(status.st_mode):
        # Only FIFOs have a name.
        return NET_PIPE_HEARS_OF_READER if status.st_nlink == 0 else NET_FIFO_HEARS_OF_READER
    return stat.S_ISSOCK(status.st_mode)


cdef WritePipeTransport new_write_pipe_transport(SocketCore loop, object pipe, object protocol, object waiter, object extra):
    cdef WritePipeTransport transport = WritePipeTransport.__new__(WritePipeTransport)
    status = pipe_take(
        transport, loop, pipe, protocol, extra, "Pipe transport is only for pipes, sockets and character devices")
    transport.number = transport.fd
    pipe_announce(transport, transport._add_reader if hears_of_reader(status) else None, (), waiter)
    return transport
