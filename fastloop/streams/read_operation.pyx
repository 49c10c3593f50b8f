"""ReadOperation: what read(), readexactly(), readuntil() and readline() return.

Owns: how far one read has come.
Promises: what asyncio's coroutines of these names do: their results and errors, what they leave unread, and when they resume
  the transport. Data that is there already is returned without a wait.
Driven by: the task that awaits it, and the future of the reader that it waits for.
"""

import asyncio

from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject, destructor

from fastloop.core.native_coroutine cimport NativeCoroutine
from fastloop.python.capi cimport PyByteArrayObject, PyObject_CallFinalizerFromDealloc, object_type
from fastloop.python.object_pool cimport (
    object_pool_dealloc, object_pool_new, object_pool_open, object_pool_t, object_type_forbid_construction)
from fastloop.streams.stream_buffer cimport (
    stream_buffer_append, stream_buffer_drop, stream_buffer_find, stream_buffer_size, stream_buffer_take)


cdef:
    object BASE = asyncio.StreamReader, IncompleteReadError = asyncio.IncompleteReadError
    object LimitOverrunError = asyncio.LimitOverrunError
    tuple METHODS = ("read", "read", "readexactly", "readuntil", "readline", "__anext__")
    bytes LINE_END = b"\n"
    str FOUND_TOO_LATE = "Separator is found, but chunk is longer than limit"
    str NOT_FOUND = "Separator is not found, and chunk exceed the limit"


cdef class ReadOperation(NativeCoroutine):
    cdef str qualified_name(self):
        return f"StreamReader.{METHODS[self.kind]}"

    cdef int end(self) except -1:
        self.reader = None
        self.argument = self.parts = None
        return NativeCoroutine.end(self)

    cdef bint advance(self) except -1:
        return self.go_on(self.stop_waiting())

    cdef bint stopped(self, object value) except -1:
        return self.go_on(True)

    cdef bint go_on(self, bint has_waited) except -1:
        if not self.reader.is_native:
            return self.leave_to(asyncio_coroutine(self))
        if self.reader.exposed is None:
            return self.read(has_waited)
        if (<PyByteArrayObject *>self.reader.exposed).ob_exports > 0:
            # Somebody has a view of it, so its size cannot change.
            return self.leave_to(asyncio_coroutine(self))
        exposed = self.reader.load_exposed()
        try:
            return self.read(has_waited)
        finally:
            self.reader.store_exposed(exposed)

    cdef bint read(self, bint has_waited) except -1:
        if self.kind == READ_SOME:
            return self.read_some(has_waited)
        if self.kind == READ_EXACTLY:
            return self.read_exactly(has_waited)
        if self.kind == READ_ALL:
            return self.read_all(has_waited)
        if self.kind == READ_UNTIL:
            return self.read_until(has_waited)
        return self.read_line(has_waited)

    cdef int wait_is_over(self) except -1:
        self.waits_for = self.reader.waiter = None
        self.reader.wanted = 0
        return 0

    cdef bint thrown(self, object exception) except -1:
        cdef StreamInput reader = self.reader
        if self.kind != READ_LINE and self.kind != READ_NEXT_LINE:
            raise exception
        exposed = reader.load_exposed()
        try:
            return self.line_failed(exception)
        finally:
            reader.store_exposed(exposed)

    cdef object result_of_inner(self, object result):
        if self.kind == READ_ALL and self.parts:
            return b"".join([*self.parts, result])
        return result

    cdef bint wait_for_data(self, str method) except -1:
        return self.wait_for(self.reader.new_waiter(method))

    # ---- the kinds ----

    cdef bint read_some(self, bint has_waited) except -1:
        cdef StreamInput reader = self.reader
        cdef Py_ssize_t unread
        if not has_waited:
            check_failure(reader)
            if self.size == 0:
                self.value = b""
                return True
        unread = stream_buffer_size(&reader.received)
        if unread == 0 and not reader.has_eof and not has_waited:
            return self.wait_for_data("read")
        self.value = reader.take(min(self.size, unread))
        return True

    cdef bint read_all(self, bint has_waited) except -1:
        cdef StreamInput reader = self.reader
        cdef Py_ssize_t unread
        if self.parts is None:
            # read() looks at it before it calls itself, and then each time.
            check_failure(reader)
            self.parts = []
        while True:
            if not has_waited:
                check_failure(reader)
            unread = stream_buffer_size(&reader.received)
            if unread == 0 and not reader.has_eof and not has_waited:
                return self.wait_for_data("read")
            has_waited = False
            part = reader.take(min(<Py_ssize_t>reader.limit_bytes, unread))
            if not part:
                self.value = b"".join(self.parts)
                return True
            self.parts.append(part)
            if reader.exposed is not None:
                # The transport was resumed, and looked into _buffer: the rest is there.
                return self.leave_to(asyncio_coroutine(self))

    cdef bint read_exactly(self, bint has_waited) except -1:
        cdef StreamInput reader = self.reader
        if not has_waited:
            if self.size < 0:
                raise ValueError("readexactly size can not be less than zero")
            check_failure(reader)
        if stream_buffer_size(&reader.received) >= self.size:
            self.value = reader.take(self.size) if self.size > 0 else b""
            return True
        reader.wanted = self.size
        return self.take_all_or_wait(self.argument, "readexactly")

    cdef bint read_until(self, bint has_waited) except -1:
        cdef StreamInput reader = self.reader
        cdef Py_ssize_t begin, end = -1, best_begin = 0, shortest, longest, unread
        if not has_waited:
            self.parts = separators_of(self.argument)
            check_failure(reader)
        unread = stream_buffer_size(&reader.received)
        shortest, longest = PyBytes_GET_SIZE(self.parts[0]), PyBytes_GET_SIZE(self.parts[len(self.parts) - 1])
        if unread - self.offset >= shortest:
            for separator in self.parts:
                begin = find(reader, separator, self.offset)
                if begin >= 0 and (end < 0 or begin + PyBytes_GET_SIZE(separator) < end):
                    best_begin, end = begin, begin + PyBytes_GET_SIZE(separator)
            if end >= 0:
                check_limit(reader, FOUND_TOO_LATE, best_begin)
                self.value = reader.take(end)
                return True
            self.offset = max(0, unread + 1 - longest)
            check_limit(reader, NOT_FOUND, self.offset)
        return self.take_all_or_wait(None, "readuntil")

    cdef bint read_line(self, bint has_waited) except -1:
        cdef StreamInput reader = self.reader
        cdef Py_ssize_t begin, unread = stream_buffer_size(&reader.received)
        if not has_waited and reader.failure is not None:
            return self.line_failed(reader.failure)
        if unread > self.offset:
            begin = find(reader, LINE_END, self.offset)
            if begin >= 0:
                if <size_t>begin > reader.limit_bytes:
                    return line_too_long(reader, FOUND_TOO_LATE, begin, begin + 1)
                self.value = reader.take(begin + 1)
                return True
            self.offset = unread
            if <size_t>unread > reader.limit_bytes:
                return line_too_long(reader, NOT_FOUND, unread, unread)
        if not reader.has_eof:
            return self.wait_for_data("readuntil")
        return self.line_is(stream_buffer_take(&reader.received, unread))

    cdef bint line_is(self, object line) except -1:
        if self.kind == READ_NEXT_LINE and line == b"":
            raise StopAsyncIteration
        self.value = line
        return True

    cdef bint line_failed(self, object error) except -1:
        """readline() gets an error from readuntil(): whatever set_exception() was given, or was thrown into the wait."""
        try:
            raise error
        except IncompleteReadError:
            return self.line_is(error.partial)
        except LimitOverrunError:
            skip_line(self.reader, error.consumed)
            raise ValueError(error.args[0])

    cdef bint take_all_or_wait(self, object expected, str method) except -1:
        cdef StreamInput reader = self.reader
        if not reader.has_eof:
            return self.wait_for_data(method)
        reader.wanted = 0
        raise IncompleteReadError(stream_buffer_take(&reader.received, stream_buffer_size(&reader.received)), expected)


cdef inline int check_failure(StreamInput reader) except -1:
    if reader.failure is not None:
        raise reader.failure
    return 0


cdef inline Py_ssize_t find(StreamInput reader, bytes separator, Py_ssize_t offset) noexcept:
    return stream_buffer_find(&reader.received, PyBytes_AS_STRING(separator), PyBytes_GET_SIZE(separator), offset)


cdef int check_limit(StreamInput reader, str message, Py_ssize_t position) except -1:
    if <size_t>position > reader.limit_bytes:
        raise LimitOverrunError(message, position)
    return 0


cdef bint line_too_long(StreamInput reader, str message, Py_ssize_t consumed, Py_ssize_t dropped) except -1:
    stream_buffer_drop(&reader.received, dropped)
    reader.take(0)
    try:
        raise LimitOverrunError(message, consumed)
    except LimitOverrunError:
        raise ValueError(message)


cdef int skip_line(StreamInput reader, object consumed) except -1:
    """What readline() does about any LimitOverrunError, which may be the program's."""
    rest = bytearray(stream_buffer_take(&reader.received, stream_buffer_size(&reader.received)))
    if rest.startswith(LINE_END, consumed):
        del rest[:consumed + 1]
        stream_buffer_append(&reader.received, PyByteArray_AS_STRING(rest), len(rest), 0)
    reader.take(0)
    return 0


cdef list separators_of(object argument):
    """Return one or several separators as bytes objects, the shortest first."""
    separators = sorted(argument, key=len) if isinstance(argument, tuple) else [argument]
    if not separators:
        raise ValueError("Separator should contain at least one element")
    if len(separators[0]) == 0:
        raise ValueError("Separator should be at least one-byte string")
    for i, separator in enumerate(separators):
        if type(separator) is not bytes:
            separators[i] = memoryview(separator).tobytes()
    return separators


cdef object asyncio_coroutine(ReadOperation self):
    """The coroutine of asyncio's own method, which does the rest."""
    reader = self.reader
    if self.kind == READ_LINE or self.kind == READ_NEXT_LINE:
        return getattr(BASE, METHODS[self.kind])(reader)
    return getattr(BASE, METHODS[self.kind])(reader, self.argument)


# ---- made and destroyed ----

cdef object_pool_t pool


cdef void read_operation_dealloc(PyObject *self) noexcept:
    if object_type(self) is not pool.type:
        pool.plain_dealloc(self)
    elif (<ReadOperation>self).has_ended or PyObject_CallFinalizerFromDealloc(self) == 0:
        object_pool_dealloc(&pool, self)


object_pool_open(&pool, ReadOperation.__new__(ReadOperation), sizeof(PyObject), 6, <destructor>read_operation_dealloc)
object_type_forbid_construction(ReadOperation)


cdef ReadOperation new_read_operation(StreamInput reader, read_kind kind, object argument, Py_ssize_t size):
    """HOT."""
    cdef ReadOperation operation = <ReadOperation>object_pool_new(&pool)
    operation.has_begun = operation.has_ended = False
    operation.reader = reader
    operation.kind = kind
    operation.argument = argument
    operation.size = size
    operation.offset = 0
    return operation
