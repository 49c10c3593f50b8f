"""Documented in shared_fields.h."""

from libc.stdint cimport uint32_t


cdef extern from "shared_fields.h":
    # Written by the loop's thread, read by any.
    ctypedef uint32_t shared_flags_t

    ctypedef bint shared_bool_t

    ctypedef int shared_int_t

    ctypedef unsigned long shared_ident_t
