"""A future's callbacks in the form in which asyncio shows them, and how they are removed.

Owns: nothing. A future keeps its second and later callbacks in a flat list, each followed by its context. The context of
  a waiting task is None.
Driven by: Future, when somebody asks for its callbacks, and when they must go through call_soon() one by one.
"""

from cpython.object cimport PyObject

from fastloop.python.capi cimport PyList_SetSlice


cdef list all_pairs(object callback, object context, list more):
    pairs = [callback, context]
    if more is not None:
        pairs += more
    return pairs


cdef tuple as_callback(object callback, object context):
    if context is not None:
        return callback, context
    return callback._wakeup, callback.get_context()


cdef list public_callbacks(list pairs):
    cdef Py_ssize_t i
    return [as_callback(pairs[i], pairs[i + 1]) for i in range(0, len(pairs), 2)]


cdef list matching_pairs(list pairs, object fn):
    cdef Py_ssize_t i
    return [(pairs[i], pairs[i + 1]) for i in range(0, len(pairs), 2) if as_callback(pairs[i], pairs[i + 1])[0] == fn]


cdef Py_ssize_t find_pair(list pairs, object callback, PyObject *context) noexcept:
    cdef Py_ssize_t i, length = 0 if pairs is None else len(pairs)
    for i in range(0, length, 2):
        if pairs[i] is callback and (context is NULL or <PyObject *>pairs[i + 1] is context):
            return i
    return -1


cdef int delete_pair(list pairs, Py_ssize_t i) except -1:
    return 0 if pairs is None else PyList_SetSlice(pairs, i, i + 2, NULL)
