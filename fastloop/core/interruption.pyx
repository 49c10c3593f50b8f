"""What a signal handler's exception has interrupted, and how the loop continues after it.

Owns: the interruptions that wait, in front of the ready queue, for the running callback to end.
Promises: a function that has begun is never called again. One that has not begun is: the interpreter runs Python's signal handlers
  at the first instruction of a function, and an exception of theirs, such as KeyboardInterrupt, then comes out of a callback that
  has done nothing yet. asyncio loses that callback.
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
    # What raises as often as that, one time after the other, is not being interrupted.
    MOST_INTERRUPTIONS = 16


cdef:
    int RESUME = opcode.opmap["RESUME"]
    object FUNCTION = types.FunctionType, METHOD = types.MethodType, PARTIAL = functools.partial
    str OWN_FILES = "fastloop/"
    object SOCKET = socket.socket
    object TYPE_CALL = type.__call__, HANDLE_RUN = asyncio.Handle._run.__code__
    # They ask whether the future is pending and then give it a result: until they have, they may begin again.
    tuple RESULT_GIVERS = tuple(filter(None, (
        getattr(asyncio.futures, "_set_result_unless_cancelled", None), getattr(asyncio.tasks, "_release_waiter", None))))


# ---- was it interrupted before it had begun? ----

cdef object code_of(object callable):
    """The code that a call runs first; None if that is not Python's."""
    kind = type(callable)
    if kind is FUNCTION:
        return callable.__code__
    if kind is METHOD:
        return code_of(callable.__func__)
    if kind is PARTIAL:
        return code_of(callable.func)
    if isinstance(callable, type):
        # A __new__ of the class's own has begun when __init__ is called.
        is_plain = kind.__call__ is TYPE_CALL and type(callable.__new__) is not FUNCTION
        return code_of(callable.__init__) if is_plain else None
    call = getattr(kind, "__call__", None)
    return call.__code__ if type(call) is FUNCTION else None


cdef int first_instruction(object code) except -2:
    """The offset of the instruction at which a function begins; what stands before it prepares the frame."""
    cdef Py_ssize_t offset
    instructions = code.co_code
    for offset in range(0, len(instructions), 2):
        if instructions[offset] == RESUME:
            return offset
    return -1


cdef bint is_at_beginning(object traceback) except -1:
    return traceback.tb_lasti <= first_instruction(traceback.tb_frame.f_code)


cdef bint interruption_was_first(object exception, object callable) except -1:
    traceback = exception.__traceback__
    while traceback is not None and traceback.tb_frame.f_code.co_filename.startswith(OWN_FILES):
        # What fastloop's own functions have added until here.
        traceback = traceback.tb_next
    if traceback is not None and traceback.tb_frame.f_code is HANDLE_RUN:
        # asyncio's own handle has done nothing either until its callback begins.
        if is_at_beginning(traceback):
            return True
        traceback = traceback.tb_next
    if traceback is None:
        return False
    code = code_of(callable)
    return code is not None and traceback.tb_frame.f_code is code and is_at_beginning(traceback)


cdef bint interruption_came_first(Scheduler scheduler, object callable) except -1:
    cdef bint is_first
    exception = compat_take_exception()
    is_first = interruption_was_first(exception, callable) and not is_raised_each_time(scheduler, code_of(callable))
    Py_INCREF(exception)
    compat_raise(<PyObject *>exception)
    return is_first


cdef bint is_raised_each_time(Scheduler scheduler, object code) noexcept:
    """A debugger's hook may raise in every call of a function. Then the loop must get past it."""
    if scheduler.interrupted_code is not <void *>code or scheduler.steps > scheduler.interrupted_step + 1:
        scheduler.interruptions_in_a_row = 0
    scheduler.interrupted_code = <void *>code
    scheduler.interrupted_step = scheduler.steps
    scheduler.interruptions_in_a_row += 1
    return scheduler.interruptions_in_a_row > MOST_INTERRUPTIONS


cdef bint interruption_came_halfway(object callable, object args) except -1:
    for giver in RESULT_GIVERS:
        if callable is giver:
            return is_pending_meanwhile(args[0])
    return False


cdef bint is_pending_meanwhile(object future) except -1:
    """Asked while an exception is raised."""
    cdef bint is_pending
    exception = compat_take_exception()
    is_pending = not future.done()
    Py_INCREF(exception)
    compat_raise(<PyObject *>exception)
    return is_pending


# ---- going on behind it ----

cdef class Interruption(Runnable):
    """An exception in front of the ready queue: the loop ends with it when the running callback has ended."""

    cdef object exception
    cdef Scheduler scheduler

    cdef int run(self) except -1:
        self.scheduler.is_interrupted = False
        return compat_raise_again(self.exception)


cdef int interrupt_soon(Scheduler scheduler, object exception) except -1:
    cdef Interruption interruption
    if scheduler is None or not scheduler.is_active:
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
        if calls > MOST_INTERRUPTIONS or not interruption_was_first(exception, callable):
            # Its own, or raised when it had begun.
            own_error = exception
            break
        interruption = exception
        answer = call_with(callable, args, NULL)
    result = None if answer is NULL else owned(answer)
    if interruption is not None and calls <= MOST_INTERRUPTIONS:
        interrupt_soon(scheduler, interruption)
    if own_error is not None:
        compat_raise_again(own_error)
    return result


cdef object call_uninterrupted(Scheduler scheduler, object callable):
    cdef PyObject *answer = call_none(callable)
    return call_again(scheduler, callable, ()) if answer is NULL else owned(answer)


cdef object call_uninterrupted_with(Scheduler scheduler, object callable, object argument):
    cdef PyObject *answer = call_one(callable, argument)
    return call_again(scheduler, callable, (argument,)) if answer is NULL else owned(answer)


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
            # Not an error of the socket. close() is Python code; it may have been interrupted half-way, and may run again.
            if calls == MOST_INTERRUPTIONS:
                raise
            interruption = error
    return 0 if interruption is None else interrupt_soon(scheduler, interruption)


cdef inline object owned(PyObject *reference):
    """The object of a new reference, which passes to the result."""
    result = <object>reference
    Py_DECREF(result)
    return result
