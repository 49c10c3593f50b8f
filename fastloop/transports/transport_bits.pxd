"""transport_bits.h says what they mean, and which class may set which."""


cdef extern from "transport_bits.h":
    ctypedef struct transport_bits_t:
        bint is_queued
        bint connection_lost_is_queued
        bint has_given_context

        bint may_have_data
        bint peer_may_have_ended

        bint reading_is_paused
        bint skips_read
        bint is_receiving

        bint is_blocked
        bint may_send
        bint protocol_is_paused

        bint is_unflushed
        bint eof_is_wanted
        bint eof_is_sent

        bint uses_levels
        bint is_tcp
