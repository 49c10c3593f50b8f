# TlsEngine: OpenSSL behind one interface, without I/O.

from fastloop.core.scheduler cimport Scheduler
from fastloop.transports.sending_transport cimport SendingTransport


cdef enum:
    # OpenSSL needs more records from the peer first.
    TLS_WANTS_INPUT = -2


cdef class TlsEngine:
    cdef:
        # What the program gets, an ssl.SSLObject.
        object ssl_object
        # Its name, for get_extra_info("tls_engine").
        str name

    # Records have arrived. The memory belongs to the caller, and must not change until keep_input().
    cdef int feed(self, const char *records, Py_ssize_t size) except -1
    # The memory of feed() is about to change: copy what was not read yet.
    cdef int keep_input(self) except -1
    # How many bytes of records were fed and not read.
    cdef Py_ssize_t unread_bytes(self) except -1
    # Whether another read() may give data.
    cdef bint may_have_data(self) except -1
    # Where the records of feed() begin, if they are still in the caller's memory; else NULL.
    cdef const char *borrowed_input(self) noexcept

    # Continue the handshake. Return whether it is done.
    cdef bint handshake(self) except -1
    # Decrypt. Returns the number of bytes, 0 after the peer's close_notify, or TLS_WANTS_INPUT.
    cdef Py_ssize_t read(self, char *buffer, Py_ssize_t size) except -1
    # Encrypt. Returns the number of bytes taken, or TLS_WANTS_INPUT.
    cdef Py_ssize_t write(self, const char *data, Py_ssize_t size) except -1
    # Encrypt nothing more, and say so. Return whether the peer has said so, too.
    cdef bint send_close_notify(self) except -1

    # How many bytes of records wait to be sent.
    cdef Py_ssize_t output_bytes(self) except -1
    # Send them all: by transport if that is fastloop's, else by other.write().
    cdef int send_output(self, SendingTransport transport, object other) except -1
    cdef int drop_output(self) except -1

    # Kernel TLS: transport, which may be None, sends the records.
    cdef int set_transport(self, SendingTransport transport) except -1
    # Whether the kernel encrypts what is sent.
    cdef bint kernel_encrypts(self) noexcept
    # Whether sendfile(2) may begin: nothing of the session waits for the kernel.
    cdef bint may_sendfile(self) noexcept
    cdef int sendfile_has_ended(self) except -1


# What an engine is made of.
cdef class EngineInputs:
    cdef:
        Scheduler loop
        object ssl_object, context, incoming, outgoing
        # The context calls Python code in the middle of a read or a write, which may raise.
        bint has_callbacks


cdef EngineInputs new_engine_inputs(Scheduler loop, object context, bint server_side, object server_hostname)
