"""Receiver: how received data reaches a protocol, one object for each kind of protocol.

Owns: nothing; what a read needs is in the transport.
Promises: an exception of the protocol ends the connection. A method that a signal handler interrupts before it began is
  called again, so no byte is lost.
Driven by: the transport, when there may be something to read. set_protocol() chooses its receiver.
"""

import asyncio

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF

from fastloop.core.interruption cimport call_again
from fastloop.net.receive_buffer cimport RECEIVE_BUFFER_SIZE, receive_buffer_bytes, receive_buffer_memory
from fastloop.python.calls cimport call_one
from fastloop.python.capi cimport get_buffer
from fastloop.transports.lifecycle cimport TRANSPORT_OPEN
from fastloop.transports.stream_reader_feed cimport is_plain_stream_protocol, stream_reader_feed


cdef object BufferedProtocol = asyncio.BufferedProtocol


cdef class Receiver:
    cdef int attach(self, DescriptorTransport transport, object protocol) except -1:
        raise SystemError(f"{type(self).__name__} serves no protocol")

    cdef int read(self, DescriptorTransport transport) except -1:
        raise SystemError(f"{type(self).__name__} cannot read")


cdef class BytesReceiver(Receiver):
    """Calls data_received() with a bytes object."""

    cdef int attach(self, DescriptorTransport transport, object protocol) except -1:
        transport.receive_method = getattr(protocol, "data_received", None)
        transport.buffer_updated = None
        return 0

    cdef int read(self, DescriptorTransport transport) except -1:
        cdef Py_ssize_t count = transport.receive_into(receive_buffer_memory(&transport.loop.receive_buffer), RECEIVE_BUFFER_SIZE)
        if count <= 0:
            return transport.nothing_received(count)
        return deliver_bytes(transport, count)


cdef class StreamReaderReceiver(BytesReceiver):
    """Puts the bytes into the buffer of asyncio's StreamReader, where that is all that data_received() does."""

    cdef int read(self, DescriptorTransport transport) except -1:
        cdef char *memory = receive_buffer_memory(&transport.loop.receive_buffer)
        cdef Py_ssize_t count = transport.receive_into(memory, RECEIVE_BUFFER_SIZE)
        if count <= 0:
            return transport.nothing_received(count)
        return 0 if stream_reader_feed(transport.loop, transport.protocol, memory, count) else deliver_bytes(transport, count)


cdef class ProtocolWithReceiver:
    cdef Receiver own_receiver(self):
        return None


cdef class BufferReceiver(Receiver):
    """Reads into the buffer that get_buffer() returns, then calls buffer_updated()."""

    cdef int attach(self, DescriptorTransport transport, object protocol) except -1:
        transport.receive_method = protocol.get_buffer
        transport.buffer_updated = protocol.buffer_updated
        return 0

    cdef int read(self, DescriptorTransport transport) except -1:
        cdef Py_buffer view
        cdef Py_ssize_t count
        buffer_updated = transport.buffer_updated
        buffer = ask_for_buffer(transport, &view)
        if buffer is None:
            return 0
        if transport.state != TRANSPORT_OPEN:
            # get_buffer() has closed the transport.
            PyBuffer_Release(&view)
            return 0
        count = transport.receive_into(<char *>view.buf, view.len)
        PyBuffer_Release(&view)
        if count <= 0:
            return transport.nothing_received(count)
        return deliver(transport, buffer_updated, count, "Fatal error: protocol.buffer_updated() call failed.")


cdef object ask_for_buffer(DescriptorTransport transport, Py_buffer *view):
    """Return the protocol's buffer, with a view of it that the caller releases; None if that failed and has ended the connection."""
    receive = transport.receive_method
    hint = transport.expected_size()
    answer = call_one(receive, hint)
    try:
        buffer = owned(answer) if answer is not NULL else call_again(transport.loop, receive, (hint,))
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        transport.fail_with(error, "Fatal error: protocol.get_buffer() call failed.")
        return None
    if get_buffer(buffer, view, PyBUF_SIMPLE) < 0:
        transport.fail_raised("Fatal error: protocol.get_buffer() call failed.")
        return None
    if view.len > 0 and not view.readonly:
        return buffer
    error = unusable_buffer_error(buffer, view.len)
    PyBuffer_Release(view)
    transport.fail_with(error, "Fatal error: protocol.get_buffer() call failed.")
    return None


cdef object unusable_buffer_error(object buffer, Py_ssize_t size):
    if size == 0:
        return RuntimeError("get_buffer() returned an empty buffer")
    return TypeError(f"get_buffer() returned a read-only buffer, {type(buffer).__name__!r}")


cdef inline int deliver_bytes(DescriptorTransport transport, Py_ssize_t count) except -1:
    """HOT. Call data_received() with what is in the receive buffer."""
    data = receive_buffer_bytes(&transport.loop.receive_buffer, count)
    # Held during the call: the protocol may set another one.
    receive = transport.receive_method
    if receive is None:
        error = AttributeError(f"{type(transport.protocol).__name__!r} object has no attribute 'data_received'")
        return transport.fail_with(error, "Fatal error: protocol.data_received() call failed.")
    return deliver(transport, receive, data, "Fatal error: protocol.data_received() call failed.")


cdef inline int deliver(DescriptorTransport transport, object method, object argument, str message) except -1:
    """HOT. Call the protocol's method."""
    answer = call_one(method, argument)
    if answer is NULL:
        return deliver_again(transport, method, argument, message)
    Py_DECREF(<object>answer)
    return 0


cdef int deliver_again(DescriptorTransport transport, object method, object argument, str message) except -1:
    """The protocol's method has raised. If it had not even begun, call it again, so that nothing that was received is lost."""
    try:
        call_again(transport.loop, method, (argument,))
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        return transport.fail_with(error, message)
    return 0


cdef inline object owned(PyObject *reference):
    """The object of a new reference, which passes to the result."""
    result = <object>reference
    Py_DECREF(result)
    return result


cdef:
    Receiver bytes_receiver = BytesReceiver()
    Receiver buffer_receiver = BufferReceiver()
    Receiver stream_reader_receiver = StreamReaderReceiver()


cdef Receiver receiver_for(object protocol):
    if is_plain_stream_protocol(protocol):
        return stream_reader_receiver
    if isinstance(protocol, ProtocolWithReceiver):
        receiver = (<ProtocolWithReceiver>protocol).own_receiver()
        return bytes_receiver if receiver is None else receiver
    return buffer_receiver if isinstance(protocol, BufferedProtocol) else bytes_receiver
