"""Whether a signal handler's exception came before the function that it interrupted had begun.

The interpreter runs Python's signal handlers at the first instruction of a function. An exception of theirs, such as KeyboardInterrupt,
then comes out of a callback that has done nothing yet. asyncio loses that callback; here it is called again.
Promises: a function that has begun is never called again.
Driven by: the places that call into the program, after a call has failed.
"""

import functools
import opcode

from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF


cdef extern from "calls.h":
    PyObject *call_one(object callable, object argument) noexcept


cdef extern from "cpython_compat.h":
    object compat_take_exception()
    void compat_raise(PyObject *exception) noexcept

cdef extern from "Python.h":
    PyObject *call_none "PyObject_CallNoArgs"(object callable) noexcept


cdef:
    int RESUME = opcode.opmap["RESUME"]
    type FUNCTION = type(lambda: None)


cdef object code_of(object callable):
    """The code that a call runs first; None if that is not Python's."""
    if type(callable) is functools.partial:
        return code_of(callable.func)
    callable = getattr(callable, "__func__", callable)
    return callable.__code__ if type(callable) is FUNCTION else None


cdef int first_instruction(object code) except -2:
    """The offset of the instruction at which a function begins; what stands before it prepares the frame."""
    cdef Py_ssize_t offset
    instructions = code.co_code
    for offset in range(0, len(instructions), 2):
        if instructions[offset] == RESUME:
            return offset
    return -1


cdef bint interruption_was_first(object exception, object callable) except -1:
    traceback = exception.__traceback__
    code = code_of(callable)
    if code is None or traceback is None or traceback.tb_frame.f_code is not code:
        return False
    return traceback.tb_lasti <= first_instruction(code)


cdef bint interruption_came_first(object callable) except -1:
    cdef bint is_first
    exception = compat_take_exception()
    is_first = interruption_was_first(exception, callable)
    Py_INCREF(exception)
    compat_raise(<PyObject *>exception)
    return is_first


cdef int raise_later(object callable, tuple args) except -1:
    """A call has failed. If it was interrupted before it began, call again; either way an exception is raised in the end."""
    if not interruption_came_first(callable):
        return -1
    interruption = compat_take_exception()
    callable(*args)
    raise interruption


cdef object call_uninterrupted(object callable):
    cdef PyObject *answer = call_none(callable)
    if answer is NULL:
        raise_later(callable, ())
    return owned(answer)


cdef object call_uninterrupted_with(object callable, object argument):
    cdef PyObject *answer = call_one(callable, argument)
    if answer is NULL:
        raise_later(callable, (argument,))
    return owned(answer)


cdef inline object owned(PyObject *reference):
    result = <object>reference
    Py_DECREF(result)
    return result
