"""Calling a loop's exception handler.

Owns: nothing.
Promises: the handler runs as in an except block, with the exception as the handled one.
Driven by: handles and transports, when a callback raises.
"""

from cpython.object cimport PyObject

from fastloop.python.cpython_compat cimport compat_begin_handling, compat_end_handling


# Calls through this type do not propagate exceptions. The caller must check the result.
ctypedef int (*unchecked_handler_t)(object, dict) noexcept


cdef int call_exception_handler(object loop, dict context) except -1:
    cdef PyObject *former = compat_begin_handling(context["exception"])
    cdef int status = (<unchecked_handler_t>ask_exception_handler)(loop, context)
    compat_end_handling(former)
    return status


cdef int ask_exception_handler(object loop, dict context) except -1:
    loop.call_exception_handler(context)
    return 0
