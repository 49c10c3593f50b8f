# A future's callbacks: a list in which each callback, or waiting task, is followed by its context.

# A waiter, whose context is None, in the form that call_soon() takes.
cdef tuple as_callback(object callback, object context)

# As the future's _callbacks shows them.
cdef list public_callbacks(list pairs)

# Those whose callback equals fn. Runs Python code.
cdef list matching_pairs(list pairs, object fn)

# Removes the very pairs that are there; returns how many were.
cdef Py_ssize_t take_out(list pairs, list matching) except -1

# Those of other callbacks than this one.
cdef list pairs_without(list pairs, object callback)
