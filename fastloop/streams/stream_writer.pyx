"""StreamWriterCore: the hot methods of fastloop.StreamWriter, and what its drain() returns.

Owns: nothing; the transport has what is unsent.
Promises: asyncio.StreamWriter's methods. Over fastloop's stream transports they need no look-up. drain() leaves a write that
  is held for the next one where it is, because that one does not wait for the kernel.
Driven by: the program.
"""

import asyncio

from cpython.object cimport PyObject, destructor

from fastloop.core.native_coroutine cimport NativeCoroutine
from fastloop.python.capi cimport PyObject_CallFinalizerFromDealloc, object_type
from fastloop.python.instance_dict cimport instance_dict_is_empty
from fastloop.python.method_copies cimport method_copies_make
from fastloop.python.object_pool cimport (
    object_pool_dealloc, object_pool_new, object_pool_open, object_pool_t, object_type_forbid_construction)
from fastloop.streams.stream_input cimport StreamInput
from fastloop.streams.stream_protocol cimport StreamProtocolCore
from fastloop.transports.lifecycle cimport TRANSPORT_CLOSING
from fastloop.transports.stream_transport cimport StreamTransport


cdef object BASE = asyncio.StreamWriter


cdef class StreamWriterCore:
    cdef:
        object loop
        object transport
        # The transport, if it is fastloop's.
        StreamTransport native_transport
        object protocol
        object reader
        object complete_future

    def __init__(self, transport, protocol, reader, loop):
        self._transport = transport
        self.protocol = protocol
        # drain() asks it for its exception.
        if reader is not None and not isinstance(reader, asyncio.StreamReader):
            raise AssertionError
        self.reader = reader
        self.loop = loop

    @property
    def transport(self):
        """The transport."""
        return self.transport

    def write(self, data):
        """Send data, a bytes-like object, without blocking; await drain() after that."""
        if self.native_transport is not None and instance_dict_is_empty(<PyObject *>self.native_transport):
            self.native_transport.write_data(data)
        else:
            self.transport.write(data)

    def drain(self):
        """Wait until the transport takes more. Raises ConnectionResetError once the connection is lost."""
        cdef DrainOperation operation = <DrainOperation>object_pool_new(&pool)
        operation.has_begun = operation.has_ended = operation.has_waited = False
        operation.writer = self
        return operation

    # ---- private attributes that asyncio and libraries use ----

    @property
    def _transport(self):
        return self.transport

    @_transport.setter
    def _transport(self, value):
        self.transport = value
        self.native_transport = value if type(value) is StreamTransport else None

    @property
    def _protocol(self):
        return self.protocol

    @_protocol.setter
    def _protocol(self, value):
        self.protocol = value

    @property
    def _reader(self):
        return self.reader

    @_reader.setter
    def _reader(self, value):
        self.reader = value

    @property
    def _loop(self):
        return self.loop

    @_loop.setter
    def _loop(self, value):
        self.loop = value

    @property
    def _complete_fut(self):
        if self.complete_future is None:
            self.complete_future = self.loop.create_future()
            self.complete_future.set_result(None)
        return self.complete_future


cdef class DrainOperation(NativeCoroutine):
    cdef:
        StreamWriterCore writer
        bint has_waited

    cdef str qualified_name(self):
        return "StreamWriter.drain"

    cdef int end(self) except -1:
        self.writer = None
        return NativeCoroutine.end(self)

    cdef bint advance(self) except -1:
        cdef StreamTransport transport = self.writer.native_transport
        cdef StreamProtocolCore protocol
        if transport is None or not is_plain(self.writer, transport):
            return self.leave_to(self.writer.protocol._drain_helper() if self.has_waited else BASE.drain(self.writer))
        if not self.has_waited:
            if self.writer.reader is not None and (<StreamInput>self.writer.reader).failure is not None:
                raise (<StreamInput>self.writer.reader).failure
            # A write that was held for the next one leaves now, and may find that the connection is lost.
            transport.send_held()
            if transport.state >= TRANSPORT_CLOSING:
                # One turn, in which connection_lost() may be called.
                self.has_waited = True
                return False
        protocol = <StreamProtocolCore>self.writer.protocol
        if protocol.is_lost or protocol.is_paused:
            return self.leave_to(protocol._drain_helper())
        return True


cdef inline bint is_plain(StreamWriterCore writer, StreamTransport transport) except -1:
    """Whether the parts are fastloop's, and nobody has replaced what drain() calls."""
    if not isinstance(writer.protocol, StreamProtocolCore) or (<StreamProtocolCore>writer.protocol).has_own_drain:
        return False
    if writer.reader is not None and (not isinstance(writer.reader, StreamInput) or not (<StreamInput>writer.reader).is_native):
        return False
    return instance_dict_is_empty(<PyObject *>transport)


# ---- made and destroyed ----

cdef object_pool_t pool


cdef void drain_operation_dealloc(PyObject *self) noexcept:
    if object_type(self) is not pool.type:
        pool.plain_dealloc(self)
    elif (<DrainOperation>self).has_ended or PyObject_CallFinalizerFromDealloc(self) == 0:
        object_pool_dealloc(&pool, self)


object_pool_open(&pool, DrainOperation.__new__(DrainOperation), sizeof(PyObject), 4, <destructor>drain_operation_dealloc)
object_type_forbid_construction(DrainOperation)


def complete_writer_class(cls):
    """Have the methods of cls called directly."""
    method_copies_make(cls, StreamWriterCore)
    return cls
