"""Documented in shared_context.h."""

from cpython.object cimport PyObject, visitproc


cdef extern from "shared_context.h":
    ctypedef struct shared_context_t:
        PyObject *snapshot

    void shared_context_forget(shared_context_t *shared) noexcept
    object shared_context_current(shared_context_t *shared, Py_ssize_t vars_offset)
    bint shared_context_has_spare(const shared_context_t *shared, PyObject *snapshot) noexcept
    PyObject *shared_context_lend(shared_context_t *shared, PyObject **place) noexcept
    void shared_context_give_back(
        shared_context_t *shared, PyObject **place, PyObject *snapshot, Py_ssize_t vars_offset) noexcept
    int shared_context_traverse(shared_context_t *shared, visitproc visit, void *arg) noexcept
