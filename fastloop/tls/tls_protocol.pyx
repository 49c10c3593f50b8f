"""TlsProtocol: the protocol of the transport below a TLS transport.

Owns: nothing; the TLS transport does the work.
Promises: from fastloop's stream transports, records go to OpenSSL without a copy. From any other, data_received() takes them.
Driven by: the transport below.
"""

import asyncio

from fastloop.net.receive_buffer cimport RECEIVE_BUFFER_SIZE, receive_buffer_memory
from fastloop.tls.tls_transport cimport TlsTransport, new_tls_transport
from fastloop.transports.descriptor_transport cimport DescriptorTransport
from fastloop.transports.receiver cimport BytesReceiver, ProtocolWithReceiver, Receiver
from fastloop.transports.stream_transport cimport StreamTransport


cdef enum:
    # Data is decrypted to the beginning of the receive buffer while the records are still behind it. OpenSSL may have the
    # beginning of a record already, so that what comes out is larger than what came in, but by less than this.
    ROOM_FOR_DATA = 18432


cdef object Protocol = asyncio.Protocol


cdef class RecordReceiver(BytesReceiver):
    """Hands records to a TLS transport."""

    cdef int read(self, DescriptorTransport transport) except -1:
        cdef TlsTransport upper
        cdef char *memory
        cdef Py_ssize_t count
        if not isinstance(transport, StreamTransport) or not isinstance(transport.protocol, TlsProtocol):
            return BytesReceiver.read(self, transport)
        upper = (<TlsProtocol>transport.protocol).transport
        memory = receive_buffer_memory(&transport.loop.receive_buffer) + ROOM_FOR_DATA
        count = transport.receive_into(memory, RECEIVE_BUFFER_SIZE - ROOM_FOR_DATA)
        if count <= 0:
            return transport.nothing_received(count)
        try:
            return upper.receive(memory, count)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            return transport.fail_with(error, "Fatal error: protocol.buffer_updated() call failed.")


cdef RecordReceiver record_receiver = RecordReceiver()


cdef class TlsProtocol(ProtocolWithReceiver):
    """What asyncio's SSLProtocol is to its transport. Only fastloop's TLS transports make it."""

    def __init__(self):
        raise TypeError("a TlsProtocol is made by the loop's methods, such as start_tls()")

    @property
    def __class__(self):
        return Protocol

    cdef Receiver own_receiver(self):
        return record_receiver

    # ---- what the transport below calls ----

    def connection_made(self, transport):
        self.transport.begin(transport)

    def data_received(self, data):
        cdef bytes records = bytes(data)
        self.transport.receive(records, len(records))

    def feed(self, data):
        """Take records that came before the transport below got this protocol."""
        cdef bytes records = bytes(data)
        self.transport.session.engine.feed(records, len(records))
        self.transport.session.engine.keep_input()

    def eof_received(self):
        return self.transport.eof_received()

    def connection_lost(self, exc):
        self.transport.connection_lost(exc)

    def pause_writing(self):
        self.transport.lower_pauses_writing()

    def resume_writing(self):
        self.transport.lower_resumes_writing()

    # ---- names that libraries read ----

    @property
    def _transport(self):
        return None if self.transport.lower_is_lost else self.transport.lower

    @property
    def _app_transport(self):
        return self.transport

    @property
    def _app_protocol(self):
        return self.transport.protocol

    @property
    def _app_reading_paused(self):
        return not self.transport.is_reading()

    @property
    def _loop(self):
        return self.transport.loop

    @property
    def _sslcontext(self):
        return self.transport.sslcontext

    @property
    def _sslobj(self):
        return self.transport.session.engine.ssl_object

    def __repr__(self):
        return f"<TlsProtocol of {self.transport!r}>"


def make_tls_transport(
        loop, protocol, sslcontext, waiter, server_side, server_hostname, makes_connection, handshake_timeout, shutdown_timeout):
    """Return a new TLS transport and the protocol that the transport below it must get."""
    cdef TlsProtocol tls_protocol = TlsProtocol.__new__(TlsProtocol)
    tls_protocol.transport = new_tls_transport(
        loop, protocol, sslcontext, waiter, server_side, server_hostname, makes_connection, handshake_timeout, shutdown_timeout)
    tls_protocol.transport.tls_protocol = tls_protocol
    return tls_protocol.transport, tls_protocol
