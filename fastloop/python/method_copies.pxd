"""Documented in method_copies.h."""


cdef extern from "method_copies.h":
    int method_copies_make(object type, object base) except -1
    bint method_copies_are_same(object one, object other) noexcept
