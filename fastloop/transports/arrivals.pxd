"""Documented in arrivals.h."""


cdef extern from "arrivals.h":
    ctypedef struct arrivals_t:
        bint is_guess

    bint arrivals_guess(arrivals_t *arrivals) noexcept
    void arrivals_note(arrivals_t *arrivals, bint has_data) noexcept
