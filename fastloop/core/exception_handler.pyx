"""Calling a loop's exception handler.

Owns: nothing.
Promises: the handler runs as in an except block, with the exception as the handled one.
Driven by: handles, futures and transports whose callbacks raise.
"""

from cpython.object cimport PyObject

from fastloop.python.cpython_compat cimport compat_begin_handling, compat_end_handling


# A call through this type does not propagate an exception: the caller has to check the result.
ctypedef int (*unchecked_handler_t)(object, dict) noexcept


cdef int call_exception_handler(object loop, dict context) except -1:
    """Call the handler as in an except block: it may call sys.exc_info() or logging.exception()."""
    cdef PyObject *former = compat_begin_handling(context["exception"])
    cdef int status = (<unchecked_handler_t>ask_exception_handler)(loop, context)
    compat_end_handling(former)
    return status


cdef int ask_exception_handler(object loop, dict context) except -1:
    loop.call_exception_handler(context)
    return 0
