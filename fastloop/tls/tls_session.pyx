"""TlsSession: one TLS session: its handshake, its end, and the state in between. No I/O.

Owns: the engine that encrypts and decrypts.
Promises: session_states.h has the states and their edges. After shut_down() no data comes out, and what still comes in is
  dropped up to a limit.
Driven by: TlsTransport, which receives and sends the records.
"""

import os

from fastloop.tls.direct_engine cimport direct_engine_obstacle, new_direct_engine
from fastloop.tls.kernel_engine cimport new_kernel_engine
from fastloop.tls.memory_bio_engine cimport new_memory_bio_engine
from fastloop.tls.session_states cimport (
    SESSION_CLOSED, SESSION_EDGE_COUNT, SESSION_HANDSHAKING, SESSION_OPEN, SESSION_SHUTTING_DOWN, session_edges,
    session_state_move, session_state_names)
from fastloop.tls.tls_engine cimport TLS_WANTS_INPUT, EngineInputs, new_engine_inputs


cdef enum:
    DROP_AT_ONCE = 16384
    # A peer that has not seen our close_notify may have this much on its way. One that sends more does not listen.
    MAX_DROPPED_BYTES = 1 << 20


cdef class TlsSession:
    cdef int move_to(self, session_state_t state) except -1:
        return session_state_move(&self.state, state)

    cdef bint handshake(self) except -1:
        cdef bint is_done
        try:
            is_done = self.engine.handshake()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException:
            self.move_to(SESSION_CLOSED)
            raise
        # A callback of the context may have ended the session.
        if self.state != SESSION_HANDSHAKING:
            return False
        if is_done:
            self.move_to(SESSION_OPEN)
        return is_done

    cdef bint shut_down(self) except -1:
        cdef bint is_over
        # An engine may look for the peer's close_notify when it sends ours, and must not meet data then.
        self.drop_data()
        is_over = self.engine.send_close_notify()
        self.move_to(SESSION_SHUTTING_DOWN)
        if is_over:
            self.move_to(SESSION_CLOSED)
        return is_over

    cdef bint await_close_notify(self) except -1:
        if not self.drop_data() and self.dropped_bytes <= MAX_DROPPED_BYTES:
            return False
        self.move_to(SESSION_CLOSED)
        return True

    cdef bint drop_data(self) except -1:
        """Return whether the peer has sent close_notify."""
        cdef char dropped[DROP_AT_ONCE]
        cdef Py_ssize_t count
        while self.engine.may_have_data() and self.dropped_bytes <= MAX_DROPPED_BYTES:
            count = self.engine.read(dropped, DROP_AT_ONCE)
            if count == TLS_WANTS_INPUT:
                return False
            if count == 0:
                return True
            self.dropped_bytes += count
        return False

    cdef int end(self) except -1:
        return 0 if self.state == SESSION_CLOSED else self.move_to(SESSION_CLOSED)


def choose_engine(EngineInputs inputs):
    """Return the fastest engine that is safe for the context, or the one that FASTLOOP_TLS_ENGINE names."""
    wanted = os.environ.get("FASTLOOP_TLS_ENGINE", "")
    if wanted not in ("", "direct", "memorybio"):
        raise ValueError(f"FASTLOOP_TLS_ENGINE must be 'direct' or 'memorybio', not {wanted!r}")
    if wanted == "direct" and direct_engine_obstacle() is not None:
        raise RuntimeError(f"FASTLOOP_TLS_ENGINE is 'direct', but {direct_engine_obstacle()}")
    engine = None if wanted == "memorybio" else new_kernel_engine(inputs) or new_direct_engine(inputs)
    return new_memory_bio_engine(inputs) if engine is None else engine


def reason_for_memory_bio(context):
    """Return why a connection of this context has no direct engine, for `python -m fastloop --info`."""
    if os.environ.get("FASTLOOP_TLS_ENGINE") == "memorybio":
        return "FASTLOOP_TLS_ENGINE says so"
    if direct_engine_obstacle() is not None:
        return direct_engine_obstacle()
    if context.keylog_filename is not None:
        return "SSLKEYLOGFILE asks for the keys"
    return "the memory of this Python's ssl objects is not as expected"


cdef TlsSession new_tls_session(Scheduler loop, object context, bint server_side, object server_hostname):
    cdef TlsSession session = TlsSession.__new__(TlsSession)
    session.engine = choose_engine(new_engine_inputs(loop, context, server_side, server_hostname))
    session.state = SESSION_HANDSHAKING
    return session


def session_states():
    """Return the table of session_states.h: (state, next state, cause) for each edge."""
    return [
        (session_state_names[<int>session_edges[i].from_state].decode(), session_state_names[<int>session_edges[i].to].decode(),
         session_edges[i].cause.decode())
        for i in range(SESSION_EDGE_COUNT)
    ]
