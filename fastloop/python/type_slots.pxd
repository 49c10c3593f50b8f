"""Type slots that Cython does not let a class define. They are read and changed through a cast of the class."""

from cpython.object cimport PyObject, traverseproc


cdef extern from "Python.h":
    ctypedef int (*inquiry)(PyObject *) noexcept
    ctypedef PyObject *(*iternextfunc)(PyObject *) noexcept

    ctypedef struct type_slots "PyTypeObject":
        traverseproc tp_traverse
        inquiry tp_clear
        iternextfunc tp_iternext
