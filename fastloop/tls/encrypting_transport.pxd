# EncryptingTransport: the writing half of a TLS transport, and the transport below it.

from fastloop.tls.tls_session cimport TlsSession
from fastloop.transports.writing_transport cimport WritingTransport


cdef class EncryptingTransport(WritingTransport):
    cdef:
        TlsSession session
        # The transport below; None before its connection_made(). Kept for its get_extra_info().
        object lower
        # The same, if it is fastloop's.
        WritingTransport native
        # What it has told: pause_writing(), the end of file, connection_lost().
        bint lower_is_full, lower_has_ended, lower_is_lost

    # Encrypt and send. What OpenSSL does not take now waits in the output; owner is a bytes object with data, or None.
    cdef int encrypt(self, const char *data, Py_ssize_t size, object owner) except -1
    # Encrypt a part of the output. Return False if OpenSSL needs input first.
    cdef bint encrypt_some(self) except -1
    # The two ways to do so: several writes as one record, or size bytes that are those at the head of the queue.
    cdef bint encrypt_joined(self) except -1
    cdef bint encrypt_queued(self, const char *data, size_t size) except -1
    # Encrypt all of the output, also if the transport below is full.
    cdef int encrypt_all(self) except -1
    # Send the records that the session has made.
    cdef int send_records(self) except -1

    # ---- the transport below ----

    cdef int set_lower(self, object lower) except -1
    cdef int set_lower_limits(self) except -1
    cdef int close_lower(self) except -1
    cdef int force_lower_close(self, object exception) except -1
    # It is full, or takes more again.
    cdef int lower_pauses_writing(self) except -1
    cdef int lower_resumes_writing(self) except -1
