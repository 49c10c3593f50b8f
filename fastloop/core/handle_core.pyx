"""HandleCore: a callback with its arguments and its context, and how it is called.

Owns: the callback, its arguments and the context that it runs in, until it has run or is cancelled.
Promises: a context that is shared is never changed for others: the callback runs in a copy, which is used again if nobody has seen it.
  What the callback raises goes to the loop's exception handler.
Driven by: the scheduler, through run().
"""

import sys
from asyncio import format_helpers

cimport cython
from cpython.contextvars cimport PyContext_Copy, PyContext_CopyCurrent
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_XDECREF

from fastloop.core.exception_handler cimport call_exception_handler
from fastloop.core.interruption cimport interruption_came_first, interruption_came_halfway
from fastloop.core.queued_object cimport queued_object_disown
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
        # Once it has run, a handle that others hold may be part of a cycle: their object -> handle -> callback -> their object.
        if Py_REFCNT(<PyObject *>self) > 1:
            queued_object_disown(<PyObject *>self)
        return handle_call(self)

    cdef object own_context(self):
        if self.flags & HANDLE_SHARES_CONTEXT:
            context = PyContext_Copy(self.context)
            # Unless a finalizer, run by the collector meanwhile, has asked for it too.
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
        queued_object_disown(<PyObject *>self)
        callback, args = handle_look(self)
        context = {
            "message": f"Exception in callback {describe_callback(callback, args, loop_is_debug(self._loop))}",
            "exception": exception,
            "handle": self,
        }
        # By its name: a subclass may have its own.
        source_traceback = (<object>self)._source_traceback
        if source_traceback:
            context["source_traceback"] = source_traceback
        return call_exception_handler(self._loop, context)


cdef inline int handle_call(HandleCore handle) except -1:
    cdef PyObject *result
    # Of the context that the handle shares; OWNERSHIP: this function's, while it is not NULL.
    cdef PyObject *snapshot = NULL
    cdef PyObject *lent = NULL
    if handle.flags & (HANDLE_SHARES_CONTEXT | HANDLE_CANCELLED) == HANDLE_SHARES_CONTEXT:
        # INVARIANT: only handles of a Scheduler share. From here on the context is the handle's own: code that asks for it while the
        # callback runs gets the right one.
        handle.flags |= HANDLE_HAS_LENT_CONTEXT
        if shared_context_has_spare(&(<Scheduler>handle._loop).contexts, <PyObject *>handle.context):
            snapshot = shared_context_lend(&(<Scheduler>handle._loop).contexts, place_of_context(handle))
            handle.flags &= ~<unsigned int>HANDLE_SHARES_CONTEXT
        else:
            # May run the collector, and with it finalizers that cancel the handle or change it.
            shared = handle.context
            handle.own_context()
            snapshot = new_reference(shared)
        lent = <PyObject *>handle.context
    if handle.flags & HANDLE_CANCELLED:
        Py_XDECREF(snapshot)
        return 0
    if type(handle.args) is not tuple:
        Py_XDECREF(snapshot)
        return call_with_odd_arguments(handle)
    result = call_in_context(handle.context, handle.callback, handle.args)
    if result is NULL:
        Py_XDECREF(snapshot)
        return callback_raised(handle)
    Py_DECREF(<object>result)
    if snapshot is NULL:
        return 0
    # If nobody else holds the handle or its context, nobody will see the context again. INVARIANT: without a second __init__() the
    # loop is still the one that has lent it.
    if (Py_REFCNT(<PyObject *>handle) == 1 and handle.flags & HANDLE_HAS_LENT_CONTEXT
            and <PyObject *>handle.context is lent and Py_REFCNT(lent) == 1 and PyContext_CheckExact(lent)):
        handle.flags |= HANDLE_SHARES_CONTEXT
        shared_context_give_back(&(<Scheduler>handle._loop).contexts, place_of_context(handle), snapshot, VARS_OFFSET)
    else:
        Py_XDECREF(snapshot)
    return 0


cdef int callback_raised(HandleCore handle) except -1:
    loop = handle._loop
    if not handle.flags & HANDLE_CANCELLED and isinstance(loop, Scheduler) and (
            interruption_came_first(<Scheduler>loop, handle.callback)
            or (call_raised_exit() and interruption_came_halfway(handle.callback, handle.args))):
        # A signal handler raised before the callback had begun. Asking may have run Python code, and with it a second __init__().
        if handle._loop is loop:
            ready_queue_put_back(&(<Scheduler>loop).ready, <PyObject *>handle)
            return -1
    return handle.report_raised()


cdef int call_with_odd_arguments(HandleCore handle) except -1:
    """Somebody has set _args to something else than a tuple, perhaps to something that is no sequence at all."""
    try:
        handle.own_context().run(handle.callback, *handle.args)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as exception:
        handle.report(exception)
    return 0


cdef tuple handle_look(HandleCore handle):
    with cython.critical_section(handle):
        callback, args = handle.callback, handle.args
    return callback, args


cdef int handle_exchange(HandleCore handle, object callback, object args) except -1:
    with cython.critical_section(handle):
        # They go behind the section: destructors run Python code.
        _old_callback, _old_args = handle.callback, handle.args
        handle.callback, handle.args = callback, args
    return 0


cdef inline int handle_fill(HandleCore handle, object loop, object callback, object args, object context) except -1:
    # What runs Python code comes first, and destructors come last: they find the handle whole.
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
        prepare_second_init(handle, loop)
    handle_fill(handle, loop, callback, args, context)
    if loop_is_debug(loop):
        handle.make_extras().source_traceback = format_helpers.extract_stack(sys._getframe(0))
    return 0


cdef int prepare_second_init(HandleCore handle, object loop) except -1:
    """The handle starts anew, as asyncio's does, but keeps its place in a queue."""
    # Only a timer has a place, while it is in the heap.
    if handle.word.timer_place != 0 and loop is not handle._loop:
        extras = handle.make_extras()
        if extras.heap is None:
            extras.heap = handle._loop
    if type(handle.extras) is HandleExtras:
        (<HandleExtras>handle.extras).source_traceback = None
        (<HandleExtras>handle.extras).repr_when_cancelled = None
    return 0
