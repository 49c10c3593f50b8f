"""What an exception from a signal handler has interrupted, and how the loop continues after it.

The interpreter runs Python's signal handlers at the first instruction of a function, among other places. If one raises there, say
KeyboardInterrupt, the exception comes out of a callback that has done nothing yet. asyncio loses that callback.

Owns: the interruptions at the front of the ready queue, until the running callback has ended.
Promises: a function that was interrupted before it started is called again. One that has started never is.
Driven by: the places that call into the program, after a call has failed.
"""

import asyncio.futures
import asyncio.tasks
import functools
import opcode
import socket
import types

from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF

from fastloop.core.ready_queue cimport ready_queue_put_back
from fastloop.core.runnable cimport Runnable
from fastloop.python.calls cimport call_one
from fastloop.python.capi cimport call_none, call_with
from fastloop.python.cpython_compat cimport compat_raise, compat_raise_again, compat_take_exception


cdef enum:
    # In a row. A function that raises more often is not being interrupted.
    MAX_INTERRUPTIONS = 16


cdef:
    int RESUME = opcode.opmap["RESUME"]
    object FUNCTION = types.FunctionType, METHOD = types.MethodType, PARTIAL = functools.partial
    str OWN_FILES = "fastloop/"
    object SOCKET = socket.socket
    object TYPE_CALL = type.__call__, HANDLE_RUN = asyncio.Handle._run.__code__
    # They check that the future is pending and then set its result. Until they have set it, they may be called again.
    tuple RESULT_SETTERS = tuple(filter(None, (
        getattr(asyncio.futures, "_set_result_unless_cancelled", None), getattr(asyncio.tasks, "_release_waiter", None))))


# ---- was the function interrupted before it started? ----

cdef object code_of(object callable):
    """The Python code that a call of callable runs first. None if it is not Python code."""
    kind = type(callable)
    if kind is FUNCTION:
        return callable.__code__
    if kind is METHOD:
        return code_of(callable.__func__)
    if kind is PARTIAL:
        return code_of(callable.func)
    if isinstance(callable, type):
        # If the class has a Python __new__, that has started before __init__ is called.
        is_plain = kind.__call__ is TYPE_CALL and type(callable.__new__) is not FUNCTION
        return code_of(callable.__init__) if is_plain else None
    call = getattr(kind, "__call__", None)
    return call.__code__ if type(call) is FUNCTION else None


cdef int first_instruction(object code) except -2:
    """The offset of a function's RESUME. The instructions before it prepare the frame."""
    cdef Py_ssize_t offset
    instructions = code.co_code
    for offset in range(0, len(instructions), 2):
        if instructions[offset] == RESUME:
            return offset
    return -1


cdef bint traceback_is_at_start(object traceback) except -1:
    return traceback.tb_lasti <= first_instruction(traceback.tb_frame.f_code)


cdef bint exception_preceded_call(object exception, object callable) except -1:
    traceback = exception.__traceback__
    while traceback is not None and traceback.tb_frame.f_code.co_filename.startswith(OWN_FILES):
        # Skip the entries that fastloop's own functions have added.
        traceback = traceback.tb_next
    if traceback is not None and traceback.tb_frame.f_code is HANDLE_RUN:
        # asyncio's Handle._run() does nothing either before its callback starts.
        if traceback_is_at_start(traceback):
            return True
        traceback = traceback.tb_next
    if traceback is None:
        return False
    code = code_of(callable)
    return code is not None and traceback.tb_frame.f_code is code and traceback_is_at_start(traceback)


cdef bint raised_before_call(Scheduler scheduler, object callable) except -1:
    cdef bint is_first
    exception = compat_take_exception()
    is_first = exception_preceded_call(exception, callable) and not scheduler_is_stuck_at(scheduler, code_of(callable))
    Py_INCREF(exception)
    compat_raise(<PyObject *>exception)
    return is_first


cdef bint scheduler_is_stuck_at(Scheduler scheduler, object code) noexcept:
    """Count this interruption. A debugger's hook may raise in every call of a function, and the loop must get past it."""
    if scheduler.interrupted_code is not <void *>code or scheduler.counters.steps > scheduler.interrupted_step + 1:
        scheduler.interruptions_in_a_row = 0
    scheduler.interrupted_code = <void *>code
    scheduler.interrupted_step = scheduler.counters.steps
    scheduler.interruptions_in_a_row += 1
    return scheduler.interruptions_in_a_row > MAX_INTERRUPTIONS


cdef bint raised_before_result(object callable, object args) except -1:
    for setter in RESULT_SETTERS:
        if callable is setter:
            return is_pending_while_raised(args[0])
    return False


cdef bint is_pending_while_raised(object future) except -1:
    """Whether the future is pending. The raised exception stays raised."""
    cdef bint is_pending
    exception = compat_take_exception()
    is_pending = not future.done()
    Py_INCREF(exception)
    compat_raise(<PyObject *>exception)
    return is_pending


# ---- continuing after it ----

cdef class Interruption(Runnable):
    """An exception at the front of the ready queue. It ends the loop's run when the running callback has ended."""

    cdef object exception
    cdef Scheduler scheduler

    cdef int run(self) except -1:
        self.scheduler.is_interrupted = False
        return compat_raise_again(self.exception)


cdef int interrupt_soon(Scheduler scheduler, object exception) except -1:
    cdef Interruption interruption
    if scheduler is None or not scheduler.is_running_turns:
        return compat_raise_again(exception)
    interruption = Interruption.__new__(Interruption)
    interruption.exception = exception
    interruption.scheduler = scheduler
    ready_queue_put_back(&scheduler.ready, <PyObject *>interruption)
    scheduler.is_interrupted = True
    return 0


cdef object call_again(Scheduler scheduler, object callable, tuple args):
    cdef PyObject *answer = NULL
    cdef int calls = 0
    interruption = own_error = None
    while answer is NULL:
        exception = compat_take_exception()
        calls += 1
        if calls > MAX_INTERRUPTIONS or not exception_preceded_call(exception, callable):
            # Raised by the callable itself, or after it had started.
            own_error = exception
            break
        interruption = exception
        answer = call_with(callable, args, NULL)
    result = None if answer is NULL else steal_reference(answer)
    if interruption is not None and calls <= MAX_INTERRUPTIONS:
        interrupt_soon(scheduler, interruption)
    if own_error is not None:
        compat_raise_again(own_error)
    return result


cdef object call_uninterrupted(Scheduler scheduler, object callable):
    cdef PyObject *answer = call_none(callable)
    return call_again(scheduler, callable, ()) if answer is NULL else steal_reference(answer)


cdef object call_uninterrupted_with(Scheduler scheduler, object callable, object argument):
    cdef PyObject *answer = call_one(callable, argument)
    return call_again(scheduler, callable, (argument,)) if answer is NULL else steal_reference(answer)


cdef int close_uninterrupted(Scheduler scheduler, object closable) except -1:
    cdef int calls = 0
    interruption = None
    if type(closable) is not SOCKET:
        call_uninterrupted(scheduler, closable.close)
        return 0
    while True:
        calls += 1
        try:
            closable.close()
            break
        except OSError:
            raise
        except BaseException as error:
            # Not an error of the socket. close() is Python code that may be interrupted halfway, and may run again.
            if calls == MAX_INTERRUPTIONS:
                raise
            interruption = error
    return 0 if interruption is None else interrupt_soon(scheduler, interruption)


cdef inline object steal_reference(PyObject *reference):
    """The object. The caller's reference passes to the result."""
    result = <object>reference
    Py_DECREF(result)
    return result
