"""StreamProtocolCore: the hot half of a stream reader's protocol; the other half is asyncio's StreamReaderProtocol.

Owns: a weak reference to the reader, and whether the transport takes more.
Promises: over fastloop's transports, TLS included, received data goes to the reader without a call in between. Over any other
  transport data_received() does the same.
Driven by: the transport.
"""

import weakref

from cpython.object cimport PyObject

from fastloop.net.receive_buffer cimport RECEIVE_BUFFER_SIZE, receive_buffer_memory
from fastloop.python.capi cimport PyObject_GenericSetAttr
from fastloop.python.cpython_compat cimport compat_weakref_object
from fastloop.transports.descriptor_transport cimport DescriptorTransport
from fastloop.transports.receiver cimport BytesReceiver, ProtocolWithReceiver, Receiver


cdef type final_class = object


cdef class StreamReceiver(BytesReceiver):
    """Puts what was received into the reader."""

    cdef int read(self, DescriptorTransport transport) except -1:
        cdef StreamInput reader = None
        cdef Py_ssize_t count
        if isinstance(transport.protocol, StreamProtocolCore):
            reader = (<StreamProtocolCore>transport.protocol).native_reader()
        if reader is None:
            return BytesReceiver.read(self, transport)
        count = transport.receive_into(receive_buffer_memory(&transport.loop.receive_buffer), RECEIVE_BUFFER_SIZE)
        if count <= 0:
            return transport.nothing_received(count)
        try:
            reader.receive(&transport.loop.receive_buffer, count)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            return transport.fail_with(error, "Fatal error: protocol.data_received() call failed.")
        return 0


cdef StreamReceiver stream_receiver = StreamReceiver()


cdef class StreamProtocolCore(ProtocolWithReceiver):
    def __cinit__(self, *args, **kwargs):
        cls = type(self)
        if cls is not final_class:
            self.has_own_drain = cls._drain_helper is not final_class._drain_helper
            self.has_own_data_received = cls.data_received is not final_class.data_received

    def __setattr__(self, name, value):
        PyObject_GenericSetAttr(self, name, <PyObject *>value)
        if name == "data_received":
            self.has_own_data_received = True
        elif name == "_drain_helper":
            self.has_own_drain = True

    cdef Receiver own_receiver(self):
        return None if self.has_own_data_received else stream_receiver

    cdef StreamInput native_reader(self):
        cdef StreamInput reader
        if self.reader_ref is None or self.has_own_data_received:
            return None
        found = compat_weakref_object(self.reader_ref)
        if not isinstance(found, StreamInput):
            return None
        reader = <StreamInput>found
        return reader if reader.is_native else None

    def data_received(self, data):
        """Pass data on to the reader."""
        reader = None if self.reader_ref is None else compat_weakref_object(self.reader_ref)
        if reader is not None:
            reader.feed_data(data)

    # ---- private attributes that asyncio's half uses ----

    @property
    def _stream_reader_wr(self):
        return self.reader_ref

    @_stream_reader_wr.setter
    def _stream_reader_wr(self, value):
        if value is not None and not isinstance(value, weakref.ref):
            raise TypeError(f"a weak reference was expected, got {value!r}")
        self.reader_ref = value

    @property
    def _paused(self):
        return self.is_paused

    @_paused.setter
    def _paused(self, value):
        self.is_paused = value

    @property
    def _connection_lost(self):
        return self.is_lost

    @_connection_lost.setter
    def _connection_lost(self, value):
        self.is_lost = value


def complete_protocol_class(cls):
    """Make cls the class of plain protocols: of which nobody has replaced a method."""
    global final_class
    final_class = cls
    return cls
