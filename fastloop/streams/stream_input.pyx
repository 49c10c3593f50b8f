"""StreamInput: the receiving half of a stream reader.

Owns: what was received and not read, and the future of the one read that waits.
Promises: asyncio.StreamReader's flow control, wake-ups and errors. A program that looks into _buffer gets a bytearray, as in
  asyncio, which it may change. From then on the data is there.
Driven by: the transport's receiver, or feed_data(); and the read operations.
"""

import asyncio
import sys
from asyncio import format_helpers

from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.object cimport PyObject

from fastloop.core.future cimport FUTURE_DONE, Future, new_future
from fastloop.core.loop_core cimport LoopCore
from fastloop.net.receive_buffer cimport receive_buffer_bytes, receive_buffer_memory
from fastloop.python.capi cimport PY_SSIZE_T_MAX, PyObject_GenericSetAttr
from fastloop.python.cpython_compat cimport COMPAT_HAS_GIL
from fastloop.python.method_copies cimport method_copies_are_same
from fastloop.streams.stream_buffer cimport (
    stream_buffer_adopt, stream_buffer_append, stream_buffer_clear, stream_buffer_data, stream_buffer_size,
    stream_buffer_take)


cdef:
    object BASE = asyncio.StreamReader
    bint CHECKS_ASSERTIONS = not sys.flags.optimize
    size_t DEFAULT_LIMIT = 65536
    # What asyncio's methods call on self, and what the transport calls.
    frozenset REPLACEABLE = frozenset({
        "exception", "set_exception", "feed_data", "feed_eof", "at_eof", "read", "readexactly", "readline", "readuntil",
        "_wakeup_waiter", "_maybe_resume_transport", "_wait_for_data"})
    type final_class = object
    # The last class of loops that was looked at, and whether its create_future() is fastloop's own.
    type known_loop_class = None
    bint known_loop_class_is_plain = False


cdef class StreamInput:
    def __cinit__(self, *args, **kwargs):
        self.is_native = type(self) is final_class or not replaces_methods(type(self))

    def __init__(self, limit=DEFAULT_LIMIT, loop=None):
        if limit <= 0:
            raise ValueError("Limit cannot be <= 0")
        self._limit = limit
        self._loop = asyncio.get_event_loop() if loop is None else loop
        stream_buffer_clear(&self.received)
        self.exposed = self.waiter = self.failure = self.transport = None
        self.has_eof = self.is_paused = False
        if self.loop.get_debug():
            self.source_traceback = format_helpers.extract_stack(sys._getframe(0))

    def __dealloc__(self):
        stream_buffer_clear(&self.received)

    def __setattr__(self, name, value):
        PyObject_GenericSetAttr(self, name, <PyObject *>value)
        if name in REPLACEABLE:
            self.is_native = False

    def __repr__(self):
        cdef Py_ssize_t size = unread_size(self)
        parts = ["StreamReader"]
        if size:
            parts.append(f"{size} bytes")
        if self.has_eof:
            parts.append("eof")
        if self.limit != DEFAULT_LIMIT:
            parts.append(f"limit={self.limit}")
        for name, value in (("waiter", self.waiter), ("exception", self.failure), ("transport", self.transport)):
            if value:
                parts.append(f"{name}={value!r}")
        if self.is_paused:
            parts.append("paused")
        return f"<{' '.join(parts)}>"

    # ---- what asyncio.StreamReader has, besides reading ----

    def exception(self):
        """Return the exception that was set, or None."""
        return self.failure

    def set_exception(self, exc):
        """Fail this and all later reads with exc."""
        self.failure = exc
        waiter = self.waiter
        if waiter is not None:
            self.waiter = None
            if not waiter.cancelled():
                waiter.set_exception(exc)

    def set_transport(self, transport):
        """Pause and resume this transport. It can be set once."""
        if self.transport is not None and CHECKS_ASSERTIONS:
            raise AssertionError("Transport already set")
        self.transport = transport

    def feed_eof(self):
        """The end of the stream: no more data will be fed."""
        self.has_eof = True
        self._wakeup_waiter()

    def at_eof(self):
        """Return True if everything is read, and feed_eof() was called."""
        if not self.is_native:
            return BASE.at_eof(self)
        return self.has_eof and unread_size(self) == 0

    def feed_data(self, data):
        """Append data, bytes, to what can be read. Above twice the limit, the transport is paused."""
        if not self.is_native:
            return BASE.feed_data(self, data)
        check_no_eof(self)
        if not data:
            return
        if self.exposed is not None:
            self.exposed.extend(data)
            self.data_arrived()
            return
        if not PyBytes_CheckExact(data):
            copy = bytearray()
            copy.extend(data)
            data = bytes(copy)
        if stream_buffer_size(&self.received) == 0:
            stream_buffer_adopt(&self.received, data)
        else:
            stream_buffer_append(&self.received, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), self.wanted)
        self.data_arrived()

    # ---- private attributes that asyncio and libraries use ----

    @property
    def _buffer(self):
        if self.exposed is None:
            self.exposed = bytearray(stream_buffer_data(&self.received)[:stream_buffer_size(&self.received)])
            stream_buffer_clear(&self.received)
        return self.exposed

    @_buffer.setter
    def _buffer(self, value):
        if type(value) is not bytearray:
            self.is_native = False
        self.exposed = value
        stream_buffer_clear(&self.received)

    @property
    def _limit(self):
        return self.limit

    @_limit.setter
    def _limit(self, value):
        self.limit = value
        if type(value) is int and value > 0:
            self.limit_bytes = min(value, PY_SSIZE_T_MAX)
        else:
            # asyncio compares whatever it is.
            self.is_native = False

    @property
    def _loop(self):
        return self.loop

    @_loop.setter
    def _loop(self, value):
        self.loop = value
        self.scheduler = value if isinstance(value, LoopCore) and has_plain_futures(type(value)) else None

    @property
    def _eof(self):
        return self.has_eof

    @_eof.setter
    def _eof(self, value):
        self.has_eof = value

    @property
    def _waiter(self):
        return self.waiter

    @_waiter.setter
    def _waiter(self, value):
        self.waiter = value

    @property
    def _exception(self):
        return self.failure

    @_exception.setter
    def _exception(self, value):
        self.failure = value

    @property
    def _transport(self):
        return self.transport

    @_transport.setter
    def _transport(self, value):
        self.transport = value

    @property
    def _paused(self):
        return self.is_paused

    @_paused.setter
    def _paused(self, value):
        self.is_paused = value

    @property
    def _source_traceback(self):
        return self.source_traceback

    def _wakeup_waiter(self):
        self.wake()

    # ---- the parts that the receiver and the read operations call ----

    cdef int receive(self, receive_buffer_t *source, Py_ssize_t size) except -1:
        check_no_eof(self)
        if self.exposed is not None:
            self.exposed.extend(receive_buffer_bytes(source, size))
        elif stream_buffer_size(&self.received) == 0 and size >= self.wanted:
            stream_buffer_adopt(&self.received, receive_buffer_bytes(source, size))
        else:
            stream_buffer_append(&self.received, receive_buffer_memory(source), size, self.wanted)
        return self.data_arrived()

    cdef int data_arrived(self) except -1:
        self.wake()
        if (self.transport is not None and not self.is_paused
                and <size_t>unread_size(self) > 2 * self.limit_bytes):
            return self.pause_transport()
        return 0

    cdef int pause_transport(self) except -1:
        try:
            self.transport.pause_reading()
        except NotImplementedError:
            # All data will be kept, and the transport is not asked again.
            self.transport = None
            return 0
        self.is_paused = True
        return 0

    cdef int wake(self) except -1:
        waiter = self.waiter
        if waiter is None:
            return 0
        self.waiter = None
        if type(waiter) is Future and not (<Future>waiter).flags & FUTURE_DONE:
            return (<Future>waiter).finish(None)
        if not waiter.cancelled():
            waiter.set_result(None)
        return 0

    cdef int resume_transport(self) except -1:
        self.is_paused = False
        self.transport.resume_reading()
        return 0

    cdef object new_waiter(self, str method):
        if self.waiter is not None:
            raise RuntimeError(f"{method}() called while another coroutine is already waiting for incoming data")
        # Or they would wait for each other.
        if self.is_paused:
            self.resume_transport()
        if self.scheduler is not None and self.scheduler.bypasses_call_soon:
            self.waiter = new_future(self.scheduler)
        else:
            self.waiter = self.loop.create_future()
        return self.waiter

    cdef object take(self, Py_ssize_t size):
        data = stream_buffer_take(&self.received, size)
        if self.is_paused and <size_t>stream_buffer_size(&self.received) <= self.limit_bytes:
            self.resume_transport()
        return data

    cdef object load_exposed(self):
        exposed = self.exposed
        if exposed is not None:
            self.exposed = None
            stream_buffer_append(&self.received, PyByteArray_AS_STRING(exposed), len(exposed), 0)
        return exposed

    cdef int store_exposed(self, object exposed) except -1:
        if exposed is not None:
            # The transport was resumed, and looked into _buffer: the data is there.
            again = self.exposed
            self.exposed = exposed
            exposed[:] = stream_buffer_take(&self.received, stream_buffer_size(&self.received)) if again is None else again
        return 0


cdef inline Py_ssize_t unread_size(StreamInput self) except -1:
    return stream_buffer_size(&self.received) if self.exposed is None else len(self.exposed)


cdef inline int check_no_eof(StreamInput self) except -1:
    if self.has_eof and CHECKS_ASSERTIONS:
        raise AssertionError("feed_data after feed_eof")
    return 0


cdef int stream_input_set_final_class(type cls) except -1:
    global final_class
    final_class = cls
    return 0


cdef bint replaces_methods(type cls) except -1:
    for name in REPLACEABLE:
        if getattr(cls, name, None) is not getattr(final_class, name, None):
            return True
    return False


cdef bint has_plain_futures(type cls) except -1:
    global known_loop_class, known_loop_class_is_plain
    if not COMPAT_HAS_GIL:
        # Another thread may be about to replace what is known.
        return method_copies_are_same(cls.create_future, LoopCore.create_future)
    if cls is not known_loop_class:
        known_loop_class_is_plain = method_copies_are_same(cls.create_future, LoopCore.create_future)
        known_loop_class = cls
    return known_loop_class_is_plain
