"""Documented in queued_object.h."""

from cpython.object cimport PyObject


cdef extern from "queued_object.h":
    void queued_object_track(PyObject *object) noexcept
    int queued_object_track_held(PyObject *object, void *type) noexcept
    bint queued_object_take_held() noexcept
    void queued_object_drop(PyObject *object) noexcept
