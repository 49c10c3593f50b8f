# DecryptingTransport: the reading half of a TLS transport.

from fastloop.tls.encrypting_transport cimport EncryptingTransport
from fastloop.transports.receiver cimport Receiver


cdef class DecryptingTransport(EncryptingTransport):
    cdef:
        # Chosen by set_protocol().
        Receiver receiver
        # What a read has raised, until it is reported.
        object read_error
        # How many bytes of records may be unread before the transport below stops to read, and at how many it continues.
        Py_ssize_t read_high_bytes, read_low_bytes

        # The protocol was told of the connection, and must be told of its end; it was told that the peer sends no more.
        bint knows_connection, knows_eof
        # The peer's close_notify was read.
        bint peer_has_closed
        # Reading below is paused.
        bint lower_is_paused

    # Whether a read may give data, or the news that there is no more.
    cdef bint may_read(self) except -1
    # Pass on what has come.
    cdef int deliver(self) except -1
    cdef int tell_eof(self) except -1
    # Stop reading below while too much is unread here.
    cdef int control_lower_reading(self) except -1

    # close(), once.
    cdef int begin_closing(self) except -1
