"""Documented in context_vars.h."""


cdef extern from "context_vars.h":
    Py_ssize_t context_vars_find(object context, object copy, object changed) noexcept
    bint context_vars_are_a_copy(object context, Py_ssize_t offset) noexcept
