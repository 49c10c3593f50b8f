"""Documented in cpython_compat.h."""

from cpython.object cimport PyObject


cdef extern from "cpython_compat.h":
    ctypedef struct compat_call_t:
        pass

    object compat_take_exception()
    void compat_raise(PyObject *exception) noexcept
    void compat_end_handling(PyObject *former) noexcept
    PyObject *compat_begin_handling(object exception) noexcept
    int compat_raise_again(object exception) except -1
    int compat_raise_in_context(object exception) except -1
    PyObject *compat_stop_iteration_with_bytes(PyObject **spare, object value) noexcept
    PyObject *compat_stop_iteration(object value) noexcept
    object compat_stop_iteration_value()
    void compat_call_prepare(compat_call_t *call, object callable) noexcept
    object compat_call(const compat_call_t *call, PyObject **args, Py_ssize_t count)
    PyObject *compat_weakref_get(object reference) noexcept
    bint compat_method_is(object object, object name, object function) except -1
    # The target of a weak reference. Borrowed, for comparison only; NULL once it is gone.
    PyObject *compat_weakref_target(object reference) noexcept
    object compat_weakref_object(object reference)
    const bint COMPAT_CURRENT_TASK_IN_DICT
    const bint COMPAT_ASYNCIO_LINKS_TASKS
    const bint COMPAT_UNCANCEL_CLEARS_REQUEST
    const bint COMPAT_FUTURE_INIT_ONCE
    const bint COMPAT_THROW_WARNS
    const bint COMPAT_TASK_CHECKS_CONTEXT
    const bint COMPAT_HAS_GIL
    bint compat_is_last_reference(object object) noexcept
    const bint COMPAT_WRITELINES_HAS_ITS_NAME
    const bint COMPAT_SENDS_EMPTY_DATAGRAMS
    const size_t COMPAT_DATAGRAM_HEADER_BYTES
    const void *compat_own_thread() noexcept
    bint compat_has_other_threads(const void *patient) noexcept
