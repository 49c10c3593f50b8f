"""StreamReaderCore: the reading methods of fastloop.StreamReader.

Owns: nothing besides what StreamInput owns.
Promises: asyncio.StreamReader's methods. What is unusual is left to asyncio's own code: other arguments than numbers and
  bytes, and a subclass that replaces a method.
Driven by: the program.
"""

import asyncio

from cpython.exc cimport PyErr_Clear, PyErr_Occurred

from fastloop.python.capi cimport PY_SSIZE_T_MAX, int_as_size
from fastloop.python.method_copies cimport method_copies_make
from fastloop.streams.read_operation cimport (
    READ_ALL, READ_EXACTLY, READ_LINE, READ_NEXT_LINE, READ_SOME, READ_UNTIL, new_read_operation)
from fastloop.streams.stream_input cimport StreamInput, stream_input_set_final_class


cdef:
    object BASE = asyncio.StreamReader
    # Also before Python 3.13, where asyncio's own does not take several.
    tuple SEPARATOR_TYPES = (bytes, tuple)


cdef class StreamReaderCore(StreamInput):
    def read(self, n=-1):
        """Return up to n bytes as soon as there are any, b"" at the end of the stream; all until then if n is negative."""
        cdef Py_ssize_t size
        if not self.is_native or type(n) is not int:
            return BASE.read(self, n)
        size = clamped(n)
        return new_read_operation(self, READ_ALL if size < 0 else READ_SOME, n, size)

    def readexactly(self, n):
        """Return exactly n bytes. Raises IncompleteReadError if the stream ends before."""
        if not self.is_native or type(n) is not int:
            return BASE.readexactly(self, n)
        return new_read_operation(self, READ_EXACTLY, n, clamped(n))

    def readuntil(self, separator=b"\n"):
        """Return what comes up to the end of separator, bytes or a tuple of several; the shortest such data if several fit.

        Raises IncompleteReadError if the stream ends before, and LimitOverrunError if the separator begins after more than
        the limit. The data then stays where it is.
        """
        if not self.is_native or type(separator) not in SEPARATOR_TYPES:
            return BASE.readuntil(self, separator)
        return new_read_operation(self, READ_UNTIL, separator, 0)

    def readline(self):
        """Return the next line with its end; at the end of the stream, what is left.

        Raises ValueError for a line that is longer than the limit, and drops it.
        """
        if not self.is_native:
            return BASE.readline(self)
        return new_read_operation(self, READ_LINE, None, 0)

    def __aiter__(self):
        return self

    def __anext__(self):
        if not self.is_native:
            return BASE.__anext__(self)
        return new_read_operation(self, READ_NEXT_LINE, None, 0)


cdef inline Py_ssize_t clamped(object number) except? -2:
    """HOT. An int as a C number, cut to what fits; any negative one may become -1."""
    cdef Py_ssize_t size = int_as_size(number)
    if size == -1 and PyErr_Occurred() is not NULL:
        PyErr_Clear()
        return PY_SSIZE_T_MAX if number > 0 else -1
    return size


def complete_reader_class(cls):
    """Make cls the class of plain stream readers: of which nobody has replaced a method. Its methods are called directly."""
    method_copies_make(cls, StreamReaderCore)
    method_copies_make(cls, StreamInput)
    stream_input_set_final_class(cls)
    return cls
