# A future's callbacks: a flat list, or None. Each callback or waiting task is followed by its context.

from cpython.object cimport PyObject


# One list of the first callback and all others.
cdef list all_pairs(object callback, object context, list more)

# The callback and the context to pass to call_soon(). A context of None marks a waiting task.
cdef tuple as_callback(object callback, object context)

# The value of the future's _callbacks.
cdef list public_callbacks(list pairs)

# The pairs whose callback equals fn. Runs Python code.
cdef list matching_pairs(list pairs, object fn)

# The index of exactly this pair, or -1. With context NULL, the first pair with this callback.
cdef Py_ssize_t find_pair(list pairs, object callback, PyObject *context) noexcept

# Allocates nothing, so it cannot run the collector.
cdef int delete_pair(list pairs, Py_ssize_t i) except -1
