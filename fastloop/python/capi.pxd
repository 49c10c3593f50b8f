"""Python.h: what Cython's own cpython package does not declare, or declares differently.

Where a function is noexcept, its caller must check for NULL or -1.
"""

from cpython.object cimport PyObject, PyTypeObject


cdef extern from "Python.h":
    ctypedef enum PySendResult:
        PYGEN_RETURN
        PYGEN_ERROR
        PYGEN_NEXT

    ctypedef struct PyThreadState:
        pass

    ctypedef struct PyCodeObject:
        PyObject *co_name

    ctypedef struct PyByteArrayObject:
        # How many views of it there are.
        Py_ssize_t ob_exports

    int PyList_SetSlice(object items, Py_ssize_t low, Py_ssize_t high, PyObject *replacement) except -1
    bint PyCoro_CheckExact(PyObject *object) noexcept
    bint PyFloat_CheckExact(PyObject *)
    double PyFloat_AS_DOUBLE(PyObject *) noexcept
    void PyErr_SetObject(object type, object exception) noexcept
    void PyException_SetTraceback(object exception, object traceback)
    # Takes a borrowed pointer: a reference to an object argument would itself be counted.
    Py_ssize_t Py_REFCNT(PyObject *object) noexcept
    PyObject *call_none "PyObject_CallNoArgs"(object callable) noexcept
    PyObject *call_with "PyObject_Call"(object callable, object args, PyObject *keywords) noexcept
    int PyObject_GenericSetAttr(object, object, PyObject *value) except -1
    unsigned long PyThread_get_thread_ident() noexcept
    bint PyObject_TypeCheck(object, PyTypeObject *type) noexcept
    PyTypeObject *object_type "Py_TYPE"(PyObject *object) noexcept
    PySendResult PyIter_Send(object iterator, object value, PyObject **result) noexcept
    PyObject *call_method_one "PyObject_CallMethodOneArg"(object receiver, object name, object argument) noexcept
    bint PyGen_CheckExact(object) noexcept
    bint PyContext_CheckExact(PyObject *object) noexcept
    PyThreadState *PyThreadState_Get() noexcept
    bint PyObject_GC_IsFinalized(PyObject *object) noexcept
    bint PyCFunction_Check(object)
    bint PyFunction_Check(object)
    bint PyMethod_Check(object)
    PyObject *PyMethod_GET_FUNCTION(object) noexcept
    PyObject *PyMethod_GET_SELF(object) noexcept
    PyObject *PyFunction_GET_CODE(object) noexcept
    PyObject *PyFunction_GET_DEFAULTS(object) noexcept
    PyObject *bytes_of "PyBytes_FromStringAndSize"(const char *start, Py_ssize_t size) except NULL
    int _PyBytes_Resize(PyObject **bytes, Py_ssize_t size) except -1
    Py_ssize_t int_as_size "PyLong_AsSsize_t"(object number) noexcept
    PyObject *int_of "PyLong_FromSsize_t"(Py_ssize_t value) except NULL
    int PyObject_CallFinalizerFromDealloc(PyObject *object) noexcept
    const Py_ssize_t PY_SSIZE_T_MAX
    PyObject *new_reference "Py_NewRef"(object) noexcept
    int get_buffer "PyObject_GetBuffer"(object data, Py_buffer *view, int flags) noexcept
    bint is_weakref "PyWeakref_CheckRefExact"(object) noexcept
