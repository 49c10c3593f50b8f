"""A future's callbacks as asyncio shows and removes them.

Owns: nothing. A future keeps its callbacks in a flat list, each followed by its context; a task that waits has None there.
Driven by: Future, where it is asked for its callbacks, and where they must go through call_soon() one by one.
"""


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


cdef Py_ssize_t take_out(list pairs, list matching) except -1:
    cdef Py_ssize_t i, removed = 0
    for callback, context in matching:
        for i in range(0, len(pairs), 2):
            if pairs[i] is callback and pairs[i + 1] is context:
                del pairs[i:i + 2]
                removed += 1
                break
    return removed


cdef list pairs_without(list pairs, object callback):
    cdef Py_ssize_t i
    kept = []
    for i in range(0, len(pairs), 2):
        if pairs[i] is not callback:
            kept += pairs[i:i + 2]
    return kept
