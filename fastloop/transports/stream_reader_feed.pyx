"""Bytes for asyncio's StreamReader, without a call into Python.

Owns: nothing. The reader is the program's, and its protocol has a weak reference to it.
Promises: what StreamReader.feed_data() does. Whatever is not plain is left to it: a reader that is gone, that has another class or a
  method of its own, too much data, a waiter that is not fastloop's, debug mode.
Driven by: StreamReaderReceiver, which calls data_received() where this declines.
LIMIT: profilers and tracers do not see data_received() and feed_data(), because they are not called.
"""

import asyncio
import types

from cpython.bytearray cimport (
    PyByteArray_AS_STRING, PyByteArray_CheckExact, PyByteArray_GET_SIZE, PyByteArray_Resize)
from cpython.object cimport PyObject, PyObject_SetAttr
from cpython.ref cimport Py_DECREF
from libc.string cimport memcpy

from fastloop.core.future cimport FUTURE_CANCELLED, FUTURE_DONE, Future
from fastloop.core.interruption cimport interrupt_soon
from fastloop.core.scheduler cimport Scheduler
from fastloop.python.capi cimport is_weakref
from fastloop.python.cpython_compat cimport COMPAT_HAS_GIL, compat_method_is, compat_weakref_get


cdef:
    object StreamReader = asyncio.StreamReader, StreamReaderProtocol = asyncio.StreamReaderProtocol
    object FEED_DATA = vars(StreamReader)["feed_data"], WAKEUP_WAITER = vars(StreamReader)["_wakeup_waiter"]
    object DATA_RECEIVED = vars(StreamReaderProtocol)["data_received"], READER_PROPERTY = vars(StreamReaderProtocol)["_stream_reader"]
    object STREAMS = vars(asyncio.streams)
    # Somebody may have patched asyncio before fastloop was imported.
    bint IS_UNPATCHED = all(
        type(function) is types.FunctionType and function.__globals__ is STREAMS
        for function in (FEED_DATA, WAKEUP_WAITER, DATA_RECEIVED, READER_PROPERTY.fget))


cdef bint is_plain_stream_protocol(object protocol) except -1:
    return (COMPAT_HAS_GIL and IS_UNPATCHED and type(protocol) is StreamReaderProtocol
            and compat_method_is(protocol, "data_received", DATA_RECEIVED)
            and vars(StreamReaderProtocol).get("_stream_reader") is READER_PROPERTY)


cdef bint stream_reader_feed(Scheduler loop, object protocol, const char *data, Py_ssize_t size) except -1:
    cdef Py_ssize_t old_size
    # A program may have patched the classes so that looking something up runs code of its own.
    try:
        reader = plain_reader_of(protocol)
        if reader is None:
            return False
        waiter = reader._waiter
        buffer = reader._buffer
        if not (waiter is None or can_wake(waiter)) or not PyByteArray_CheckExact(buffer):
            return False
        old_size = PyByteArray_GET_SIZE(buffer)
        if not has_room(reader, old_size + size):
            return False
        # Fails if somebody has a view of the buffer.
        PyByteArray_Resize(buffer, old_size + size)
    except (SystemExit, KeyboardInterrupt) as error:
        interrupt_soon(loop, error)
        return False
    except BaseException:
        # data_received() fails in the same way.
        return False
    memcpy(PyByteArray_AS_STRING(buffer) + old_size, data, size)
    if waiter is not None:
        PyObject_SetAttr(reader, "_waiter", None)
        if not (<Future>waiter).flags & FUTURE_CANCELLED:
            (<Future>waiter).finish(None)
    return True


cdef inline object plain_reader_of(object protocol):
    """The reader, if it takes data and nobody has replaced what feed_data() does. Otherwise None."""
    cdef PyObject *target
    reference = protocol._stream_reader_wr
    if not is_weakref(reference):
        return None
    target = compat_weakref_get(reference)
    if target is NULL:
        return None
    reader = <object>target
    Py_DECREF(reader)
    if (type(reader) is StreamReader and compat_method_is(reader, "feed_data", FEED_DATA)
            and compat_method_is(reader, "_wakeup_waiter", WAKEUP_WAITER) and reader._eof is False):
        return reader
    return None


cdef inline bint can_wake(object waiter) noexcept:
    """Whether waking it runs no Python code."""
    if type(waiter) is not Future:
        return False
    if (<Future>waiter).flags & FUTURE_DONE:
        return <bint>((<Future>waiter).flags & FUTURE_CANCELLED)
    return (<Future>waiter).bypasses_call_soon()


cdef inline bint has_room(object reader, Py_ssize_t size) except -1:
    """Whether the reader may have that much without pausing its transport: twice its limit."""
    limit = reader._limit
    return type(limit) is int and <Py_ssize_t>limit >= size - size // 2
