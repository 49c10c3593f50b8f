"""TlsEngine: OpenSSL behind one interface, and what each engine is made of.

Owns: the SSL object of one connection.
Promises: bytes in, bytes out, no I/O. Errors are Python's own exceptions of the ssl module.
Driven by: TlsSession.
"""

import ssl


cdef class TlsEngine:
    cdef int feed(self, const char *records, Py_ssize_t size) except -1:
        raise SystemError(f"{type(self).__name__} cannot be fed")

    cdef int keep_input(self) except -1:
        return 0

    cdef Py_ssize_t unread_bytes(self) except -1:
        return 0

    cdef bint may_have_data(self) except -1:
        return False

    cdef const char *borrowed_input(self) noexcept:
        return NULL

    cdef bint handshake(self) except -1:
        """Python's own method: certificates, callbacks, sessions and errors are as everywhere."""
        try:
            self.ssl_object.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLSyscallError):
            return False
        return True

    cdef Py_ssize_t read(self, char *buffer, Py_ssize_t size) except -1:
        raise SystemError(f"{type(self).__name__} cannot read")

    cdef Py_ssize_t write(self, const char *data, Py_ssize_t size) except -1:
        raise SystemError(f"{type(self).__name__} cannot write")

    cdef bint send_close_notify(self) except -1:
        raise SystemError(f"{type(self).__name__} cannot shut down")

    cdef Py_ssize_t output_bytes(self) except -1:
        return 0

    cdef int send_output(self, SendingTransport transport, object other) except -1:
        raise SystemError(f"{type(self).__name__} cannot send")

    cdef int drop_output(self) except -1:
        return 0

    cdef int set_transport(self, SendingTransport transport) except -1:
        return 0

    cdef bint kernel_encrypts(self) noexcept:
        return False

    cdef bint may_sendfile(self) noexcept:
        return False

    cdef int sendfile_has_ended(self) except -1:
        return 0


cdef class EngineInputs:
    pass


cdef EngineInputs new_engine_inputs(Scheduler loop, object context, bint server_side, object server_hostname):
    cdef EngineInputs inputs = EngineInputs.__new__(EngineInputs)
    inputs.loop, inputs.context = loop, context
    inputs.has_callbacks = getattr(context, "keylog_filename", None) is not None or getattr(context, "_msg_callback", None) is not None
    inputs.incoming = ssl.MemoryBIO()
    inputs.outgoing = ssl.MemoryBIO()
    inputs.ssl_object = context.wrap_bio(
        inputs.incoming, inputs.outgoing, server_side=server_side, server_hostname=server_hostname)
    return inputs
