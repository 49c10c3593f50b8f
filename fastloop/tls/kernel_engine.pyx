"""KernelEngine: a DirectEngine whose data the kernel encrypts, if the kernel, OpenSSL and the context's OP_ENABLE_KTLS allow it.

Owns: what kernel_tls.h owns.
Promises: where the kernel cannot, OpenSSL encrypts, and nothing else is different. Late records are sent when everything written
  before is in the kernel, and before everything that is written later.
Driven by: TlsSession.
"""

import _ssl
import ssl

from fastloop.net.syscalls cimport net_send, net_send_record
from fastloop.tls.direct_engine cimport DirectEngine, direct_engine_obstacle, direct_engine_open, direct_engine_ssl
from fastloop.tls.kernel_tls cimport (
    KERNEL_TLS_ALERT, KERNEL_TLS_DATA, kernel_tls_new, kernel_tls_open, kernel_tls_send, kernel_tls_send_late)
from fastloop.tls.openssl cimport OPENSSL_ERROR_SSL, openssl, openssl_load, openssl_ssl_t
from fastloop.tls.record_bio cimport record_bio_append, record_bio_clear_output
from fastloop.tls.tls_engine cimport TLS_WANTS_INPUT, EngineInputs, TlsEngine
from fastloop.transports.descriptor_transport cimport transport_fd
from fastloop.transports.lifecycle cimport TRANSPORT_LOSING
from fastloop.transports.sendfile_waiters cimport SendfileWaiters
from fastloop.transports.sending_transport cimport SendingTransport
from fastloop.transports.stream_transport cimport StreamTransport


cdef enum:
    # More data than this goes to the kernel without a copy.
    RECORD_BYTES = 16384


cdef:
    # Python 3.11 has no name for it.
    unsigned long long OP_ENABLE_KTLS = getattr(ssl, "OP_ENABLE_KTLS", 1 << 3)
    # Without the property in Python that makes an enum of it.
    object read_options = _ssl._SSLContext.options.__get__
    bint can_be_used = (
        direct_engine_obstacle() is None and openssl_load(_ssl.__file__.encode("utf-8", "surrogateescape")) == NULL
        and kernel_tls_open())


cdef class KernelEngine(DirectEngine):
    def __dealloc__(self):
        record_bio_clear_output(&self.kernel.late)

    cdef int set_transport(self, SendingTransport transport) except -1:
        if isinstance(transport, StreamTransport) and transport.bits.is_tcp:
            self.transport = transport
        return 0

    cdef bint kernel_encrypts(self) noexcept:
        return self.kernel.encrypts

    # ---- OpenSSL, which may send ----

    cdef void open_socket(self) noexcept:
        self.kernel.fd = -1
        if self.transport is not None and self.transport.output.count == 0 and self.transport.state < TRANSPORT_LOSING:
            self.kernel.fd = transport_fd(self.transport)

    cdef void close_socket(self) noexcept:
        self.kernel.fd = -1

    cdef bint handshake(self) except -1:
        self.open_socket()
        try:
            return TlsEngine.handshake(self)
        finally:
            self.close_socket()

    cdef Py_ssize_t read(self, char *buffer, Py_ssize_t size) except -1:
        cdef Py_ssize_t count
        self.open_socket()
        try:
            self.check_keys()
            count = DirectEngine.read(self, buffer, size)
            if count == TLS_WANTS_INPUT:
                self.check_keys()
            return count
        finally:
            self.close_socket()

    cdef int check_keys(self) except -1:
        # OpenSSL answers with the next SSL_write(), or at once.
        if self.kernel.encrypts and openssl.SSL_get_key_update_type(self.ssl) >= 0:
            self.kernel.has_refused = True
        return self.raise_error(OPENSSL_ERROR_SSL) if self.kernel.has_refused else 0

    cdef bint send_close_notify(self) except -1:
        self.open_socket()
        try:
            return DirectEngine.send_close_notify(self)
        finally:
            self.close_socket()

    cdef int raise_error(self, int error) except -1:
        # An internal error, which is fatal.
        cdef const char *alert = b"\x02\x50"
        if not self.kernel.has_refused:
            return DirectEngine.raise_error(self, error)
        kernel_tls_send(&self.kernel, KERNEL_TLS_ALERT, alert, 2)
        raise ssl.SSLError(error, "the peer wants new keys (KeyUpdate), which kernel TLS cannot have: do not set OP_ENABLE_KTLS")

    # ---- data, past OpenSSL ----

    cdef Py_ssize_t write(self, const char *data, Py_ssize_t size) except -1:
        cdef Py_ssize_t sent = 0
        if not self.kernel.encrypts:
            return DirectEngine.write(self, data, size)
        self.check_keys()
        if self.kernel.late.output_size > 0:
            return TLS_WANTS_INPUT
        if openssl.SSL_in_init(self.ssl):
            # The program asks for a certificate, for example. The question goes first.
            self.open_socket()
            try:
                return DirectEngine.write(self, data, size)
            finally:
                self.close_socket()
        if size > RECORD_BYTES and self.records.output_size == 0:
            self.open_socket()
            if self.kernel.fd >= 0:
                # What goes wrong does so again when the rest is sent.
                sent = max(net_send(self.kernel.fd, data, size), 0)
            self.close_socket()
        if sent < size and record_bio_append(&self.records, data + sent, size - sent) < 0:
            raise MemoryError()
        return size

    cdef Py_ssize_t output_bytes(self) except -1:
        return self.records.output_size + self.kernel.late.output_size

    cdef int send_output(self, SendingTransport transport, object other) except -1:
        if self.records.output_size > 0:
            DirectEngine.send_output(self, transport, other)
        return self.send_late() if self.kernel.late.output_size > 0 else 0

    cdef int drop_output(self) except -1:
        record_bio_clear_output(&self.kernel.late)
        return DirectEngine.drop_output(self)

    # ---- late records ----

    cdef int send_late(self) except -1:
        cdef SendingTransport transport = self.transport
        if transport.state >= TRANSPORT_LOSING:
            return self.drop_output()
        self.open_socket()
        if self.kernel.fd >= 0:
            kernel_tls_send_late(&self.kernel)
        self.close_socket()
        if self.kernel.late.output_size > 0:
            return self.await_room()
        if transport.sendfile is not None and transport.sendfile is self.waiter:
            transport.sendfile = None
            transport.tell_protocol("resume_writing")
        return 0

    cdef int await_room(self) except -1:
        cdef SendingTransport transport = self.transport
        if transport.sendfile is None:
            if self.waiter is None:
                self.waiter = LateRecordsWaiter.__new__(LateRecordsWaiter)
                self.waiter.engine = self
            transport.sendfile = self.waiter
            transport.tell_protocol("pause_writing")
        # Else sendfile() is under way, and sendfile_has_ended() follows.
        return transport.block() if transport.output.count == 0 and transport.sendfile is self.waiter else 0

    # ---- sendfile(2) ----

    cdef bint may_sendfile(self) noexcept:
        return self.kernel.encrypts and self.kernel.late.output_size == 0 and self.records.output_size == 0

    cdef int sendfile_has_ended(self) except -1:
        self.open_socket()
        if self.kernel.fd >= 0:
            # The kernel waits for more as long as a file may have more.
            net_send_record(self.kernel.fd, KERNEL_TLS_DATA, NULL, 0)
        self.close_socket()
        return self.send_late() if self.kernel.late.output_size > 0 else 0


cdef class LateRecordsWaiter(SendfileWaiters):
    cdef int note_empty(self) except -1:
        return self.engine.send_late() if self.engine.kernel.late.output_size > 0 else 0

    cdef int note_writable(self) except -1:
        # note_empty() follows.
        return 0

    cdef int fail(self) except -1:
        return self.engine.drop_output()


cdef KernelEngine new_kernel_engine(EngineInputs inputs):
    cdef KernelEngine engine
    cdef openssl_ssl_t *found
    if not can_be_used or not isinstance(inputs.context, ssl.SSLContext) or not read_options(inputs.context) & OP_ENABLE_KTLS:
        return None
    found = direct_engine_ssl(inputs)
    if found == NULL:
        return None
    engine = KernelEngine.__new__(KernelEngine)
    engine.kernel.records, engine.kernel.fd = &engine.records, -1
    return direct_engine_open(engine, inputs, found, kernel_tls_new(&engine.kernel))
