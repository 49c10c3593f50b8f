# ReadOperation: what read(), readexactly(), readuntil() and readline() return.

from fastloop.core.native_coroutine cimport NativeCoroutine
from fastloop.streams.stream_input cimport StreamInput


cdef enum read_kind:
    READ_SOME
    READ_ALL
    READ_EXACTLY
    READ_UNTIL
    READ_LINE
    READ_NEXT_LINE


cdef class ReadOperation(NativeCoroutine):
    cdef:
        StreamInput reader
        # The program's: the number of bytes, or the separators.
        object argument
        # READ_ALL: what was read. READ_UNTIL: the separators, shortest first.
        list parts
        read_kind kind
        # READ_SOME, READ_EXACTLY: how many bytes are wanted.
        Py_ssize_t size
        # READ_UNTIL, READ_LINE: no separator begins before this.
        Py_ssize_t offset

    cdef bint go_on(self, bint has_waited) except -1
    cdef bint read(self, bint has_waited) except -1
    cdef bint wait_for_data(self, str method) except -1
    cdef bint read_some(self, bint has_waited) except -1
    cdef bint read_all(self, bint has_waited) except -1
    cdef bint read_exactly(self, bint has_waited) except -1
    cdef bint read_until(self, bint has_waited) except -1
    cdef bint read_line(self, bint has_waited) except -1
    # The line is there, or what is left of it.
    cdef bint line_is(self, object line) except -1
    cdef bint line_failed(self, object error) except -1
    cdef bint take_all_or_wait(self, object expected, str method) except -1


cdef ReadOperation new_read_operation(StreamInput reader, read_kind kind, object argument, Py_ssize_t size)
