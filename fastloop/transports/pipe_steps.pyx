"""The steps of asyncio's pipe transports that a signal handler must not interrupt halfway.

Owns: nothing. The state is in the attributes of asyncio's transports, and their Python code does all the rest.
Promises: what asyncio's methods of the same names do. But none of asyncio's Python code runs between a system call and
  its consequences, or in the middle of a change of state. So no signal handler can raise there: no byte is lost or sent
  twice, and the protocol is told of everything.
Driven by: the loop, as asyncio's methods are.
"""

import os
from asyncio import base_events, constants

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from libc.errno cimport errno

from fastloop.core.handle cimport call_soon_uninterrupted
from fastloop.core.interruption cimport call_uninterrupted, call_uninterrupted_with, close_uninterrupted
from fastloop.core.scheduler cimport Scheduler
from fastloop.net.syscalls cimport net_read, net_would_block, net_write
from fastloop.python.capi cimport _PyBytes_Resize, bytes_of


cdef Py_ssize_t MAX_SILENT_LOST_WRITES = constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES


cdef class ReadPipeSteps:
    """Steps of asyncio's transport that reads from a pipe."""

    def _add_reader(self, fd, callback):
        if not self._paused and not self._closing:
            self._loop._add_reader(fd, callback)

    def _read_ready(self):
        data = pipe_read(self._fileno, self.max_size)
        if data is None:
            return
        if isinstance(data, OSError):
            pipe_fail(self, data, "Fatal read error on pipe transport")
        elif data:
            call_uninterrupted_with(<Scheduler?>self._loop, self._protocol.data_received, data)
        else:
            if self._loop.get_debug():
                base_events.logger.info("%r was closed by peer", self)
            self._closing = True
            self._loop._remove_reader(self._fileno)
            call_soon_uninterrupted(self._loop, self._protocol.eof_received, (), None)
            call_soon_uninterrupted(self._loop, self._call_connection_lost, (None,), None)

    def pause_reading(self):
        """Deliver no data until resume_reading(). Does nothing if reading is paused or the transport is closing."""
        if self._paused or self._closing:
            return
        self._paused = True
        self._loop._remove_reader(self._fileno)
        if self._loop.get_debug():
            base_events.logger.debug("%r pauses reading", self)

    def resume_reading(self):
        """Undo pause_reading(). Does nothing if reading is not paused or the transport is closing."""
        if self._closing or not self._paused:
            return
        self._paused = False
        self._loop._add_reader(self._fileno, self._read_ready)
        if self._loop.get_debug():
            base_events.logger.debug("%r resumes reading", self)

    def _close(self, exc):
        self._closing = True
        self._loop._remove_reader(self._fileno)
        call_soon_uninterrupted(self._loop, self._call_connection_lost, (exc,), None)

    def _call_connection_lost(self, exc):
        pipe_call_connection_lost(self, exc)


cdef class WritePipeSteps:
    """Steps of asyncio's transport that writes to a pipe."""

    def _read_ready(self):
        # The reader has gone.
        if self._loop.get_debug():
            base_events.logger.info("%r was closed by peer", self)
        if self._buffer:
            self._close(BrokenPipeError())
        else:
            self._close()

    def write(self, data):
        """Send data, a bytes-like object, without blocking. What the pipe does not take at once is copied."""
        assert isinstance(data, (bytes, bytearray, memoryview)), repr(data)
        if isinstance(data, bytearray):
            data = memoryview(data)
        if not data:
            return
        if self._conn_lost or self._closing:
            if self._conn_lost >= MAX_SILENT_LOST_WRITES:
                base_events.logger.warning("pipe closed by peer or os.write(pipe, data) raised exception.")
            self._conn_lost += 1
            return
        if not self._buffer:
            sent = pipe_write(self._fileno, data)
            if isinstance(sent, Exception):
                self._conn_lost += 1
                pipe_fail(self, sent, "Fatal write error on pipe transport")
                return
            if sent == len(data):
                return
            if sent > 0:
                data = memoryview(data)[sent:]
            self._loop._add_writer(self._fileno, self._write_ready)
        self._buffer += data
        self._maybe_pause_protocol()

    def _write_ready(self):
        assert self._buffer, "Data should not be empty"
        sent = pipe_write(self._fileno, self._buffer)
        if isinstance(sent, Exception):
            self._buffer.clear()
            self._conn_lost += 1
            # Here, because _fatal_error() does it only if the buffer has data.
            self._loop._remove_writer(self._fileno)
            pipe_fail(self, sent, "Fatal write error on pipe transport")
        elif sent == len(self._buffer):
            self._buffer.clear()
            try:
                self._loop._remove_writer(self._fileno)
            finally:
                # The protocol may write again.
                self._maybe_resume_protocol()
                if self._closing:
                    self._loop._remove_reader(self._fileno)
                    self._call_connection_lost(None)
        elif sent > 0:
            del self._buffer[:sent]

    def _maybe_pause_protocol(self):
        if len(self._buffer) > self._high_water and not self._protocol_paused:
            self._protocol_paused = True
            pipe_tell_protocol(self, "pause_writing")

    def _maybe_resume_protocol(self):
        if self._protocol_paused and len(self._buffer) <= self._low_water:
            self._protocol_paused = False
            pipe_tell_protocol(self, "resume_writing")

    def write_eof(self):
        """Send what was written, then close."""
        if self._closing:
            return
        assert self._pipe
        self._closing = True
        if not self._buffer:
            self._loop._remove_reader(self._fileno)
            call_soon_uninterrupted(self._loop, self._call_connection_lost, (None,), None)

    def _close(self, exc=None):
        self._closing = True
        if self._buffer:
            self._loop._remove_writer(self._fileno)
        self._buffer.clear()
        self._loop._remove_reader(self._fileno)
        call_soon_uninterrupted(self._loop, self._call_connection_lost, (exc,), None)

    def _call_connection_lost(self, exc):
        pipe_call_connection_lost(self, exc)


cdef object pipe_read(int fd, Py_ssize_t size):
    """Return bytes, or an OSError, or None if there is nothing yet."""
    cdef PyObject *data = bytes_of(NULL, size)
    cdef ssize_t count = net_read(fd, PyBytes_AS_STRING(<object>data), size)
    cdef int error = errno
    if count < 0:
        Py_DECREF(<object>data)
        return None if net_would_block(error) else OSError(error, os.strerror(error))
    _PyBytes_Resize(&data, count)
    result = <object>data
    Py_DECREF(result)
    return result


cdef object pipe_write(int fd, object data):
    """Return how many bytes the kernel has taken, or the exception."""
    cdef Py_buffer view
    cdef ssize_t sent
    cdef int error
    try:
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    except Exception as exception:
        return exception
    sent = net_write(fd, view.buf, view.len)
    error = errno
    PyBuffer_Release(&view)
    if sent >= 0:
        return sent
    return 0 if net_would_block(error) else OSError(error, os.strerror(error))


cdef int pipe_fail(object transport, object exception, str message) except -1:
    # _fatal_error() logs the exception that is being handled.
    try:
        raise exception
    except Exception as error:
        transport._fatal_error(error, message)
    return 0


cdef int pipe_tell_protocol(object transport, str method) except -1:
    loop, protocol = transport._loop, transport._protocol
    try:
        call_uninterrupted(<Scheduler?>loop, getattr(protocol, method))
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        loop.call_exception_handler({
            "message": f"protocol.{method}() failed",
            "exception": error,
            "transport": transport,
            "protocol": protocol,
        })
    return 0


cdef int pipe_call_connection_lost(object transport, object exception) except -1:
    scheduler = <Scheduler?>transport._loop
    try:
        call_uninterrupted_with(scheduler, transport._protocol.connection_lost, exception)
    finally:
        try:
            close_uninterrupted(scheduler, transport._pipe)
        finally:
            transport._pipe = transport._protocol = transport._loop = None
    return 0
