# TlsTransport: an encrypted connection over another transport.

from fastloop.net.socket_core cimport SocketCore
from fastloop.tls.decrypting_transport cimport DecryptingTransport


cimport cython


@cython.final
cdef class TlsTransport(DecryptingTransport):
    cdef:
        # The protocol of the transport below.
        object tls_protocol
        object sslcontext
        # The future that waits for the handshake; None once it is told.
        object waiter
        # In seconds.
        object handshake_timeout, shutdown_timeout
        # Of one of the two, or None.
        object timer
        # When the handshake began, in debug mode.
        double began_at_s
        # The handshake is done: get_extra_info() knows the session.
        bint knows_session
        # The end of file below was read.
        bint lower_has_ended

    # ---- what TlsProtocol is told by the transport below ----

    cdef int begin(self, object lower) except -1
    cdef int receive(self, const char *records, Py_ssize_t size) except -1
    # Return whether the transport below must stay open.
    cdef bint eof_received(self) except -1
    cdef int lower_has_nothing_more(self) except -1
    cdef int connection_lost(self, object exception) except -1

    # ---- the handshake ----

    cdef int process(self) except -1
    cdef int take_handshake_turn(self) except -1
    cdef int continue_handshake(self) except -1
    cdef int handshake_done(self) except -1
    cdef int handshake_failed(self, object exception) except -1
    cdef int wake_waiter(self, object exception) except -1
    cdef int start_timer(self, object delay, object callback) except -1
    cdef int stop_timer(self) except -1

    # ---- the end ----

    cdef int begin_shutdown(self) except -1
    cdef int continue_shutdown(self) except -1
    cdef int shutdown_done(self) except -1
    cdef int report_fatal(self, object exception, str message) except -1


cdef TlsTransport new_tls_transport(
    SocketCore loop, object protocol, object sslcontext, object waiter, bint server_side, object server_hostname,
    bint makes_connection, object handshake_timeout, object shutdown_timeout)
