# HandshakingTransport: a TLS transport until its handshake is done, and the clock that limits it.

from fastloop.net.socket_core cimport SocketCore
from fastloop.tls.decrypting_transport cimport DecryptingTransport


cdef class HandshakingTransport(DecryptingTransport):
    cdef:
        # The protocol of the transport below, until that is lost.
        object tls_protocol
        # The future that waits for the handshake; None once it is told.
        object waiter
        # A server has accepted the connection: nobody waits, and debug mode reports a failure.
        bint is_accepted
        # In seconds.
        object handshake_timeout
        # Of the handshake or of the end; None without one.
        object timer
        # When the handshake began, in debug mode.
        double began_at_s
        # The handshake is done: get_extra_info() knows the session.
        bint knows_session

    # Continue the handshake, in this turn of the loop or in the next.
    cdef int take_handshake_turn(self) except -1
    cdef int continue_handshake(self) except -1
    cdef int handshake_done(self) except -1
    cdef int handshake_failed(self, object exception) except -1
    # Close the transport below, and report what is no error of the connection.
    cdef int report_fatal(self, SocketCore loop, object exception, str message) except -1
    cdef int wake_waiter(self, object exception) except -1
    cdef int start_timer(self, object delay, object callback) except -1
    cdef int stop_timer(self) except -1
