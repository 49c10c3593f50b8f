# TlsSession: one TLS session, without I/O.

from fastloop.core.scheduler cimport Scheduler
from fastloop.tls.session_states cimport session_state_t
from fastloop.tls.tls_engine cimport TlsEngine


cdef class TlsSession:
    cdef:
        TlsEngine engine
        session_state_t state
        # How many bytes of data came after close_notify was sent.
        Py_ssize_t dropped_bytes

    cdef int move_to(self, session_state_t state) except -1
    # Continue the handshake. Return whether it is done. An exception ends the session.
    cdef bint handshake(self) except -1
    # Say that no more is sent. Return whether the session is over.
    cdef bint shut_down(self) except -1
    # Drop the data that still comes, up to a limit. Return whether the session is over.
    cdef bint await_close_notify(self) except -1
    cdef bint drop_data(self) except -1
    # The connection is gone.
    cdef int end(self) except -1


cdef TlsSession new_tls_session(Scheduler loop, object context, bint server_side, object server_hostname)
