"""HandleCore: a callback, its arguments and its context, and how it is called.

Owns: the callback, its arguments and the context that it runs in, until it has run or is cancelled.
Promises: a callback never changes a shared context. It runs in a copy, which is reused if nobody has seen it.
  An exception of the callback goes to the loop's exception handler.
Driven by: the scheduler, through run().
"""

import sys
from asyncio import format_helpers

cimport cython
from cpython.contextvars cimport PyContext_Copy, PyContext_CopyCurrent
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_XDECREF

from fastloop.core.exception_handler cimport call_exception_handler
from fastloop.core.interruption cimport raised_before_call, raised_before_result
from fastloop.core.queued_object cimport queued_object_track
from fastloop.core.ready_queue cimport ready_queue_put_back
from fastloop.core.scheduler cimport Scheduler, VARS_OFFSET
from fastloop.core.shared_context cimport shared_context_give_back, shared_context_has_spare, shared_context_lend
from fastloop.python.calls cimport call_in_context, call_raised_exit
from fastloop.python.capi cimport PyContext_CheckExact, Py_REFCNT, new_reference
from fastloop.python.cpython_compat cimport compat_take_exception


from fastloop.core.callback_text import describe_callback


cdef extern from *:
    """
    #define HANDLE_PLACE_OF_CONTEXT(handle) (&(handle)->context)
    """
    PyObject **place_of_context "HANDLE_PLACE_OF_CONTEXT"(HandleCore handle) noexcept


cdef class HandleExtras:
    pass


cdef class HandleCore(Runnable):
    cdef HandleExtras make_extras(self):
        if type(self.extras) is not HandleExtras:
            extras = HandleExtras.__new__(HandleExtras)
            with cython.critical_section(self):
                if type(self.extras) is not HandleExtras:
                    (<HandleExtras>extras).moment = self.extras
                    self.extras = extras
        return <HandleExtras>self.extras

    cdef HandleExtras known_extras(self):
        with cython.critical_section(self):
            extras = self.extras
        return <HandleExtras>extras if type(extras) is HandleExtras else None

    cdef int run(self) except -1:
        # A handle that the program holds may be part of a cycle: an object -> handle -> callback -> the same object.
        if Py_REFCNT(<PyObject *>self) > 1:
            queued_object_track(<PyObject *>self)
        return handle_call(self)

    cdef object own_context(self):
        if self.flags & HANDLE_SHARES_CONTEXT:
            context = PyContext_Copy(self.context)
            # The copy may have run the collector, and then a finalizer that asked for the context too.
            if self.flags & HANDLE_SHARES_CONTEXT:
                self.flags &= ~<unsigned int>HANDLE_SHARES_CONTEXT
                self.context = context
        return self.context

    cdef int call(self) except -1:
        return handle_call(self)

    cdef int report_raised(self) except -1:
        if call_raised_exit():
            return -1
        return self.report(compat_take_exception())

    cdef int report(self, object exception) except -1:
        # The exception handler may keep it.
        queued_object_track(<PyObject *>self)
        callback, args = handle_callback_and_args(self)
        context = {
            "message": f"Exception in callback {describe_callback(callback, args, loop_is_debug(self._loop))}",
            "exception": exception,
            "handle": self,
        }
        # By name: a subclass may override it.
        source_traceback = (<object>self)._source_traceback
        if source_traceback:
            context["source_traceback"] = source_traceback
        return call_exception_handler(self._loop, context)


cdef inline int handle_call(HandleCore handle) except -1:
    cdef PyObject *result
    # OWNERSHIP: this function's, unless it is NULL.
    cdef PyObject *snapshot = NULL
    cdef PyObject *lent = NULL
    if handle.flags & (HANDLE_SHARES_CONTEXT | HANDLE_CANCELLED) == HANDLE_SHARES_CONTEXT:
        snapshot = handle_borrow_context(handle)
        lent = <PyObject *>handle.context
    # Checked after borrowing, which may run the collector, and then a finalizer that cancels or changes the handle.
    if handle.flags & HANDLE_CANCELLED:
        Py_XDECREF(snapshot)
        return 0
    if type(handle.args) is not tuple:
        Py_XDECREF(snapshot)
        return handle_call_with_odd_args(handle)
    result = call_in_context(handle.context, handle.callback, handle.args)
    if result is NULL:
        Py_XDECREF(snapshot)
        return handle_callback_raised(handle)
    Py_DECREF(<object>result)
    if snapshot is not NULL:
        handle_give_back_context(handle, lent, snapshot)
    return 0


cdef inline PyObject *handle_borrow_context(HandleCore handle) except NULL:
    """Give the handle a context to enter. Returns a new reference to the snapshot that it shared.

    INVARIANT: HANDLE_SHARES_CONTEXT, and it is not cancelled.
    """
    cdef PyObject *snapshot
    # INVARIANT: only handles of a Scheduler share a context. Code that asks for the context while the callback runs gets
    # this one.
    handle.flags |= HANDLE_HAS_LENT_CONTEXT
    if shared_context_has_spare(&(<Scheduler>handle._loop).contexts, <PyObject *>handle.context):
        snapshot = shared_context_lend(&(<Scheduler>handle._loop).contexts, place_of_context(handle))
        handle.flags &= ~<unsigned int>HANDLE_SHARES_CONTEXT
        return snapshot
    shared = handle.context
    handle.own_context()
    return new_reference(shared)


cdef inline void handle_give_back_context(HandleCore handle, PyObject *lent, PyObject *snapshot) noexcept:
    """Give the lent context back if nobody can see it again. Takes over the caller's reference to the snapshot."""
    # INVARIANT: without a second __init__(), _loop is still the loop that has lent the context.
    if (Py_REFCNT(<PyObject *>handle) == 1 and handle.flags & HANDLE_HAS_LENT_CONTEXT
            and <PyObject *>handle.context is lent and Py_REFCNT(lent) == 1 and PyContext_CheckExact(lent)):
        handle.flags |= HANDLE_SHARES_CONTEXT
        shared_context_give_back(&(<Scheduler>handle._loop).contexts, place_of_context(handle), snapshot, VARS_OFFSET)
    else:
        Py_XDECREF(snapshot)


cdef int handle_callback_raised(HandleCore handle) except -1:
    loop = handle._loop
    if not handle.flags & HANDLE_CANCELLED and isinstance(loop, Scheduler) and (
            raised_before_call(<Scheduler>loop, handle.callback)
            or (call_raised_exit() and raised_before_result(handle.callback, handle.args))):
        # A signal handler raised before the callback had started. The checks may have run Python code, and then a second
        # __init__().
        if handle._loop is loop:
            ready_queue_put_back(&(<Scheduler>loop).ready, <PyObject *>handle)
            return -1
    return handle.report_raised()


cdef int handle_call_with_odd_args(HandleCore handle) except -1:
    """The program has set _args to something other than a tuple, perhaps not even a sequence."""
    try:
        handle.own_context().run(handle.callback, *handle.args)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as exception:
        handle.report(exception)
    return 0


cdef tuple handle_callback_and_args(HandleCore handle):
    with cython.critical_section(handle):
        callback, args = handle.callback, handle.args
    return callback, args


cdef int handle_exchange(HandleCore handle, object callback, object args) except -1:
    with cython.critical_section(handle):
        # Dropped after the section, because destructors run Python code.
        _old_callback, _old_args = handle.callback, handle.args
        handle.callback, handle.args = callback, args
    return 0


cdef inline int handle_fill(HandleCore handle, object loop, object callback, object args, object context) except -1:
    # Copying may run Python code, so it comes first. Old values are dropped on return, so destructors find the handle
    # consistent.
    own_context = PyContext_CopyCurrent() if context is None else context
    _old_loop, _old_callback, _old_args, _old_context = handle._loop, handle.callback, handle.args, handle.context
    handle.flags &= HANDLE_RUNNING
    handle._loop = loop
    handle.callback = callback
    handle.args = args
    handle.context = own_context
    return 0


cdef int handle_init(HandleCore handle, object loop, object callback, object args, object context) except -1:
    if handle._loop is not None:
        handle_prepare_second_init(handle, loop)
    handle_fill(handle, loop, callback, args, context)
    if loop_is_debug(loop):
        handle.make_extras().source_traceback = format_helpers.extract_stack(sys._getframe(0))
    return 0


cdef int handle_prepare_second_init(HandleCore handle, object loop) except -1:
    """The handle starts again, as asyncio's does, but keeps its place in a queue."""
    # Nonzero only for a timer in the heap.
    if handle.word.timer_slot_plus_one != 0 and loop is not handle._loop:
        extras = handle.make_extras()
        if extras.heap_loop is None:
            extras.heap_loop = handle._loop
    if type(handle.extras) is HandleExtras:
        (<HandleExtras>handle.extras).source_traceback = None
        (<HandleExtras>handle.extras).repr_when_cancelled = None
    return 0
