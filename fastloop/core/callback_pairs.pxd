# A future's callbacks: a list, or None, in which each callback, or waiting task, is followed by its context.

from cpython.object cimport PyObject


# The first callback, and the others.
cdef list all_pairs(object callback, object context, list more)

# A waiter, whose context is None, in the form that call_soon() takes.
cdef tuple as_callback(object callback, object context)

# As the future's _callbacks shows them.
cdef list public_callbacks(list pairs)

# Those whose callback equals fn. Runs Python code.
cdef list matching_pairs(list pairs, object fn)

# Where this very pair is, with context NULL the first one of the callback; -1 if there is none.
cdef Py_ssize_t find_pair(list pairs, object callback, PyObject *context) noexcept

# Makes nothing that could run the collector.
cdef int delete_pair(list pairs, Py_ssize_t i) except -1
