"""Documented in session_states.h."""


cdef extern from "session_states.h":
    ctypedef enum session_state_t:
        SESSION_HANDSHAKING
        SESSION_OPEN
        SESSION_SHUTTING_DOWN
        SESSION_CLOSED

    ctypedef struct session_edge_t:
        session_state_t from_state "from"
        session_state_t to
        const char *cause

    enum:
        SESSION_EDGE_COUNT

    int session_state_move(session_state_t *state, session_state_t next) except -1
    const char **session_state_names
    const session_edge_t *session_edges
