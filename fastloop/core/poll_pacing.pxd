"""Documented in poll_pacing.h."""


cdef extern from "poll_pacing.h" nogil:
    ctypedef struct poll_pacing_t:
        pass

    void poll_pacing_skip_turn(poll_pacing_t *pacing) noexcept
    void poll_pacing_end_storm(poll_pacing_t *pacing) noexcept
    bint poll_pacing_is_due(poll_pacing_t *pacing) noexcept
    void poll_pacing_note(poll_pacing_t *pacing, bint has_events, bint has_threads) noexcept
