"""Documented in instance_dict.h."""

from cpython.object cimport PyObject


cdef extern from "instance_dict.h":
    void instance_dict_postpone(PyObject *object) noexcept
    bint instance_dict_is_empty(PyObject *object) noexcept
