"""Documented in calls.h."""

from cpython.object cimport PyObject


cdef extern from "calls.h":
    PyObject *call_in_context(object context, object callable, object args) noexcept
    PyObject *call_one_in_context(object context, object callable, object argument) noexcept
    PyObject *call_one(object callable, object argument) noexcept
    PyObject *call_two(object callable, object first, object second) noexcept
    bint call_enter(object context) noexcept
    bint call_raised_exit() noexcept
