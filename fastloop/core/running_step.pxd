"""Documented in running_step.h."""

from cpython.object cimport PyObject


cdef extern from "running_step.h":
    ctypedef struct running_step_t:
        pass

    void running_step_watch(running_step_t *step, int change) noexcept
    bint running_step_is_watched(const running_step_t *step) noexcept
    void running_step_set(running_step_t *step, PyObject *runnable) noexcept
    PyObject *running_step_take(running_step_t *step) noexcept
