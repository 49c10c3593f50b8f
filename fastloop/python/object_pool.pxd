"""Documented in object_pool.h."""

from cpython.object cimport PyObject, PyTypeObject, destructor


cdef extern from "object_pool.h":
    ctypedef struct object_pool_t:
        PyTypeObject *type
        PyObject *template_object
        destructor plain_dealloc
        int capacity
    int object_pool_open(
        object_pool_t *pool, object template_object, size_t first_slot, size_t slot_count, destructor dealloc) except -1
    int object_type_forbid_construction(object type) except -1
    object object_pool_new(object_pool_t *pool)
    object object_pool_new_untracked(object_pool_t *pool)
    void object_pool_dealloc(object_pool_t *pool, PyObject *object) noexcept
