"""Documented in lifecycle.h."""

from fastloop.python.shared_fields cimport shared_int_t


cdef extern from "lifecycle.h":
    ctypedef enum transport_state_t:
        TRANSPORT_OPENING
        TRANSPORT_OPEN
        TRANSPORT_READ_ENDED
        TRANSPORT_CLOSING
        TRANSPORT_LOSING
        TRANSPORT_CLOSED

    ctypedef struct lifecycle_edge_t:
        transport_state_t from_state "from"
        transport_state_t to
        const char *cause

    enum:
        LIFECYCLE_EDGE_COUNT

    int lifecycle_move(shared_int_t *state, transport_state_t next) except -1
    const char **lifecycle_names
    const lifecycle_edge_t *lifecycle_edges
