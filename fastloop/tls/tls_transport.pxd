# TlsTransport: an encrypted connection over another transport.

from fastloop.net.socket_core cimport SocketCore
from fastloop.tls.handshaking_transport cimport HandshakingTransport


cimport cython


@cython.final
cdef class TlsTransport(HandshakingTransport):
    cdef:
        object sslcontext
        # In seconds.
        object shutdown_timeout
        # close() was called twice.
        bint forgets_session

    # ---- what TlsProtocol is told by the transport below ----

    cdef int begin(self, object lower) except -1
    cdef int receive(self, const char *records, Py_ssize_t size) except -1
    # Return whether the transport below must stay open.
    cdef bint eof_received(self) except -1
    cdef int lower_has_nothing_more(self) except -1
    cdef int connection_lost(self, object exception) except -1
    cdef int forget_session(self) except -1

    # Do what the records that have come make possible.
    cdef int process(self) except -1

    # ---- the end ----

    cdef int begin_shutdown(self) except -1
    cdef int continue_shutdown(self) except -1
    cdef int shutdown_done(self) except -1


cdef TlsTransport new_tls_transport(
    SocketCore loop, object protocol, object sslcontext, object waiter, bint server_side, object server_hostname,
    bint makes_connection, object handshake_timeout, object shutdown_timeout)
