"""Documented in queued_object.h."""

from cpython.object cimport PyObject


cdef extern from "queued_object.h":
    void queued_object_disown(PyObject *object) noexcept
    int queued_object_disown_held(PyObject *object, void *type) noexcept
    bint queued_object_take_held() noexcept
    void queued_object_drop(PyObject *object) noexcept
