"""Whether a signal handler's exception came before the function that it interrupted had begun.

The interpreter runs Python's signal handlers at the first instruction of a function. An exception of theirs, such as KeyboardInterrupt,
then comes out of a callback that has done nothing yet. asyncio loses that callback; here it is called again.
Promises: a function that has begun is never called again.
Driven by: the places that call into the program, after a call has failed.
"""

import functools
import opcode

from cpython.ref cimport Py_INCREF
from cpython.object cimport PyObject


cdef extern from "cpython_compat.h":
    object compat_take_exception()
    void compat_raise(PyObject *exception) noexcept


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


cdef bint came_first(object exception, object callable) except -1:
    traceback = exception.__traceback__
    code = code_of(callable)
    if code is None or traceback is None or traceback.tb_frame.f_code is not code:
        return False
    return traceback.tb_lasti <= first_instruction(code)


cdef bint interruption_came_first(object callable) except -1:
    cdef bint is_first
    exception = compat_take_exception()
    is_first = came_first(exception, callable)
    Py_INCREF(exception)
    compat_raise(<PyObject *>exception)
    return is_first


cdef object call_uninterrupted(object callable, tuple args):
    try:
        return callable(*args)
    except BaseException as exception:
        if not came_first(exception, callable):
            raise
        interruption = exception
    callable(*args)
    raise interruption
