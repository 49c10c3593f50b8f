"""Handle and TimerHandle: a callback that waits for its turn, or for its moment.

Owns: the callback, its arguments and the context that it runs in, until it has run or is cancelled.
Promises: isinstance() against asyncio's classes holds; cancel() frees the callback and the arguments at once.
Driven by: the scheduler, through run().
"""

import asyncio
import sys
from asyncio import format_helpers

cimport cython
from cpython.contextvars cimport PyContext_Copy, PyContext_CopyCurrent
from cpython.object cimport PyObject, PyTypeObject, destructor
from cpython.ref cimport Py_DECREF, Py_XDECREF

from fastloop.core.clock cimport clock_deadline
from fastloop.core.interruption cimport interrupt_soon, interruption_came_first, interruption_came_halfway
from fastloop.core.queued_object cimport queued_object_disown, queued_object_drop
from fastloop.core.ready_queue cimport ready_queue_put_back
from fastloop.core.scheduler cimport Scheduler, VARS_OFFSET, scheduler_push, scheduler_push_timer, scheduler_take_timer
from fastloop.core.shared_context cimport shared_context_give_back, shared_context_has_spare, shared_context_lend
from fastloop.python.calls cimport call_in_context, call_raised_exit
from fastloop.python.capi cimport PyContext_CheckExact, Py_REFCNT, new_reference, object_type
from fastloop.python.cpython_compat cimport compat_begin_handling, compat_end_handling, compat_take_exception
from fastloop.python.object_pool cimport object_pool_dealloc, object_pool_new_untracked, object_pool_open, object_pool_t


cdef extern from *:
    """
    #define HANDLE_PLACE_OF_CONTEXT(handle) (&(handle)->context)
    """
    PyObject **place_of_context "HANDLE_PLACE_OF_CONTEXT"(Handle handle) noexcept


cdef:
    str UNDELETABLE = "cannot delete this attribute"


cdef class HandleExtras:
    pass


cdef class Handle(Runnable):
    """A callback that waits for its turn, as call_soon() returns it.

    cancel() keeps it from running. isinstance(handle, asyncio.Handle) holds.
    """

    def __init__(self, callback, args, loop, context=None):
        handle_init(self, loop, callback, args, context)

    @property
    def __class__(self):
        return asyncio.Handle

    @property
    def _cancelled(self):
        return bool(self.flags & HANDLE_CANCELLED)

    @_cancelled.setter
    def _cancelled(self, value):
        self.flags = self.flags | HANDLE_CANCELLED if value else self.flags & ~<unsigned int>HANDLE_CANCELLED

    @_cancelled.deleter
    def _cancelled(self):
        raise AttributeError(UNDELETABLE)

    @property
    def _callback(self):
        return handle_look(self)[0]

    @_callback.setter
    def _callback(self, value):
        handle_exchange(self, value, self.args)

    @_callback.deleter
    def _callback(self):
        handle_exchange(self, None, self.args)

    @property
    def _args(self):
        return handle_look(self)[1]

    @_args.setter
    def _args(self, value):
        handle_exchange(self, self.callback, value)

    @_args.deleter
    def _args(self):
        handle_exchange(self, self.callback, None)

    @property
    def _source_traceback(self):
        extras = self.known_extras()
        return None if extras is None else extras.source_traceback

    @_source_traceback.setter
    def _source_traceback(self, value):
        self.need_extras().source_traceback = value

    @_source_traceback.deleter
    def _source_traceback(self):
        raise AttributeError(UNDELETABLE)

    @property
    def _repr(self):
        extras = self.known_extras()
        return None if extras is None else extras.repr_when_cancelled

    def cancel(self):
        """Keep the callback from running and free it at once; does nothing the second time.

        Call it from the loop's thread only.
        """
        self.do_cancel()

    def cancelled(self):
        """Return True if cancel() was called."""
        return bool(self.flags & HANDLE_CANCELLED)

    def get_context(self):
        """Return the contextvars.Context that the callback runs in."""
        return self.own_context()

    @property
    def _context(self):
        return self.own_context()

    @_context.setter
    def _context(self, value):
        # First, since the old context may end with a destructor that asks for the new one.
        self.flags &= ~<unsigned int>HANDLE_SHARES_CONTEXT
        self.context = value

    @_context.deleter
    def _context(self):
        raise AttributeError(UNDELETABLE)

    def _run(self):
        self.call()

    def _repr_info(self):
        info = [type(self).__name__]
        if self.flags & HANDLE_CANCELLED:
            info.append("cancelled")
        callback, args = handle_look(self)
        if callback is not None:
            info.append(describe_callback(self, callback, args))
        traceback = self._source_traceback
        if traceback:
            frame = traceback[len(traceback) - 1]
            info.append(f"created at {frame[0]}:{frame[1]}")
        return info

    def __repr__(self):
        text = self._repr
        return f"<{' '.join(self._repr_info())}>" if text is None else text

    cdef HandleExtras need_extras(self):
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

    cdef int do_cancel(self) except -1:
        if self.flags & HANDLE_CANCELLED:
            return 0
        self.flags |= HANDLE_CANCELLED
        if loop_is_debug(self._loop):
            self.keep_repr()
        self.callback = None
        self.args = None
        return 0

    cdef int keep_repr(self) except -1:
        # "Executing <Handle ...> took 2.5 seconds" should still tell what was executed.
        try:
            self.need_extras().repr_when_cancelled = repr(self)
        except Exception:
            raise
        except BaseException as interruption:
            # What is cancelled is often a part of something that has begun.
            interrupt_soon(<Scheduler>self._loop if isinstance(self._loop, Scheduler) else None, interruption)
        return 0

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
            "message": f"Exception in callback {describe_callback(self, callback, args)}",
            "exception": exception,
            "handle": self,
        }
        if self._source_traceback:
            context["source_traceback"] = self._source_traceback
        return call_exception_handler(self._loop, context)


cdef class TimerHandle(Handle):
    """A callback that waits for its moment, as call_later() and call_at() return it.

    cancel() costs O(log n). isinstance(handle, asyncio.TimerHandle) holds.
    """

    def __init__(self, when, callback, args, loop, context=None):
        if when is None:
            raise TypeError("when must be a number of seconds, not None")
        timer_move(self, when)
        handle_init(self, loop, callback, args, context)

    @property
    def __class__(self):
        return asyncio.TimerHandle

    @property
    def _when(self):
        return timer_moment(self)

    @_when.setter
    def _when(self, value):
        timer_move(self, value)

    @_when.deleter
    def _when(self):
        raise AttributeError(UNDELETABLE)

    @property
    def _scheduled(self):
        return self.number != 0

    def when(self):
        """Return the moment, in seconds on the clock of loop.time(); from call_at() the very object that it was given."""
        return timer_moment(self)

    def _repr_info(self):
        info = Handle._repr_info(self)
        info.insert(2 if self.flags & HANDLE_CANCELLED else 1, f"when={timer_moment(self)}")
        return info

    def __hash__(self):
        return hash(timer_moment(self))

    def __eq__(self, other):
        if not isinstance(other, asyncio.TimerHandle):
            return NotImplemented
        return (timer_moment(self) == other._when and self.callback == other._callback
                and self.args == other._args and self._cancelled == other._cancelled)

    def __lt__(self, other):
        return timer_moment(self) < other._when if isinstance(other, asyncio.TimerHandle) else NotImplemented

    def __gt__(self, other):
        return timer_moment(self) > other._when if isinstance(other, asyncio.TimerHandle) else NotImplemented

    def __le__(self, other):
        if not isinstance(other, asyncio.TimerHandle):
            return NotImplemented
        return timer_moment(self) < other._when or self.__eq__(other)

    def __ge__(self, other):
        if not isinstance(other, asyncio.TimerHandle):
            return NotImplemented
        return timer_moment(self) > other._when or self.__eq__(other)

    cdef int do_cancel(self) except -1:
        if self.flags & HANDLE_CANCELLED:
            return 0
        if self.number != 0:
            scheduler = timer_scheduler(self)
            if scheduler is not None:
                queued_object_drop(scheduler_take_timer(scheduler, self))
        elif not isinstance(self._loop, Scheduler):
            self._loop._timer_handle_cancelled(self)
        return Handle.do_cancel(self)


cdef inline Scheduler timer_scheduler(TimerHandle timer):
    """Where the timer is queued; None once the garbage collector took that. INVARIANT: it is queued."""
    if type(timer.extras) is HandleExtras and (<HandleExtras>timer.extras).heap is not None:
        return <Scheduler>(<HandleExtras>timer.extras).heap
    # INVARIANT: only a Scheduler queues timers, and a queued timer that gets another loop keeps the first one in its extras.
    return <Scheduler>timer._loop


cdef inline object timer_moment(TimerHandle timer):
    moment = timer.extras
    if type(moment) is HandleExtras:
        moment = (<HandleExtras>moment).moment
    return timer.when_s if moment is None else moment


cdef int timer_keep_moment(TimerHandle timer, object moment) except -1:
    if type(timer.extras) is HandleExtras:
        (<HandleExtras>timer.extras).moment = moment
    else:
        timer.extras = moment
    return 0


cdef int timer_move(TimerHandle timer, object moment) except -1:
    timer.when_s = moment
    timer_keep_moment(timer, moment)
    if timer.number != 0:
        scheduler = timer_scheduler(timer)
        if scheduler is not None:
            Py_DECREF(<object>scheduler_take_timer(scheduler, timer))
            scheduler_push_timer(scheduler, timer, clock_deadline(timer.when_s))
    return 0


cdef inline int handle_call(Handle handle) except -1:
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


cdef int callback_raised(Handle handle) except -1:
    loop = handle._loop
    if not handle.flags & HANDLE_CANCELLED and isinstance(loop, Scheduler) and (
            interruption_came_first(<Scheduler>loop, handle.callback)
            or (call_raised_exit() and interruption_came_halfway(handle.callback, handle.args))):
        # A signal handler raised before the callback had begun. Asking may have run Python code, and with it a second __init__().
        if handle._loop is loop:
            ready_queue_put_back(&(<Scheduler>loop).ready, <PyObject *>handle)
            return -1
    return handle.report_raised()


cdef int call_soon_uninterrupted(object loop, object callback, tuple args, object context) except -1:
    try:
        loop.call_soon(callback, *args, context=context)
    except BaseException as error:
        if isinstance(error, (RuntimeError, TypeError)) or not isinstance(loop, Scheduler) or not (<Scheduler>loop).is_debug:
            raise
        # In debug mode Python code notes where a handle is made, and that was interrupted.
        handle = new_queued_handle(<Scheduler>loop, callback, args, context)
        scheduler_push(<Scheduler>loop, handle)
        interrupt_soon(<Scheduler>loop, error)
    return 0


cdef int call_with_odd_arguments(Handle handle) except -1:
    """Somebody has set _args to something else than a tuple, perhaps to something that is no sequence at all."""
    try:
        handle.own_context().run(handle.callback, *handle.args)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as exception:
        handle.report(exception)
    return 0


cdef bint loop_is_debug(object loop) except -1:
    if isinstance(loop, Scheduler):
        return (<Scheduler>loop).is_debug
    return loop.get_debug()


cdef tuple handle_look(Handle handle):
    """The callback and its arguments, both of them or None for both, whatever other threads do."""
    with cython.critical_section(handle):
        callback, args = handle.callback, handle.args
    return callback, args


cdef int handle_exchange(Handle handle, object callback, object args) except -1:
    with cython.critical_section(handle):
        # They go behind the section: destructors run Python code.
        _old_callback, _old_args = handle.callback, handle.args
        handle.callback, handle.args = callback, args
    return 0


cdef object describe_callback(Handle handle, object callback, object args):
    debug = loop_is_debug(handle._loop)
    # The parameter came with a patch release.
    try:
        return format_helpers._format_callback_source(callback, args, debug=debug)
    except TypeError:
        pass
    try:
        return format_helpers._format_callback_source(callback, args)
    except TypeError:
        # Somebody has set _args to something that is no sequence.
        return format_helpers._format_callback_source(callback, (args,))


cdef inline int handle_fill(Handle handle, object loop, object callback, object args, object context) except -1:
    # What runs Python code comes first, and destructors come last: they find the handle whole.
    own_context = PyContext_CopyCurrent() if context is None else context
    _old_loop, _old_callback, _old_args, _old_context = handle._loop, handle.callback, handle.args, handle.context
    handle.flags &= HANDLE_RUNNING
    handle._loop = loop
    handle.callback = callback
    handle.args = args
    handle.context = own_context
    return 0


cdef int handle_init(Handle handle, object loop, object callback, object args, object context) except -1:
    if handle._loop is not None:
        prepare_second_init(handle, loop)
    handle_fill(handle, loop, callback, args, context)
    if loop_is_debug(loop):
        handle.need_extras().source_traceback = format_helpers.extract_stack(sys._getframe(0))
    return 0


cdef int prepare_second_init(Handle handle, object loop) except -1:
    """The handle starts anew, as asyncio's does, but keeps its place in a queue."""
    # Only a timer has a number, while it is in the heap.
    if handle.number != 0 and loop is not handle._loop:
        extras = handle.need_extras()
        if extras.heap is None:
            extras.heap = handle._loop
    if type(handle.extras) is HandleExtras:
        (<HandleExtras>handle.extras).source_traceback = None
        (<HandleExtras>handle.extras).repr_when_cancelled = None
    return 0


cdef Handle new_queued_handle(Scheduler loop, object callback, object args, object context):
    cdef Handle handle = <Handle>object_pool_new_untracked(&handle_pool)
    handle_fill_queued(handle, loop, callback, args, context)
    return handle


cdef TimerHandle new_queued_timer_handle(Scheduler loop, double when_s, object callback, object args, object context):
    cdef TimerHandle handle = <TimerHandle>object_pool_new_untracked(&timer_handle_pool)
    handle.number = 0
    handle.when_s = when_s
    handle_fill_queued(handle, loop, callback, args, context)
    return handle


cdef Handle new_handle(object loop, object callback, object args, object context):
    cdef Handle handle = Handle.__new__(Handle)
    handle_init(handle, loop, callback, args, context)
    return handle


cdef TimerHandle new_timer_handle(object loop, double when_s, object callback, object args, object context):
    cdef TimerHandle handle = TimerHandle.__new__(TimerHandle)
    handle.when_s = when_s
    handle_init(handle, loop, callback, args, context)
    return handle


# ---- pools ----

cdef object_pool_t handle_pool, timer_handle_pool


cdef void handle_dealloc(PyObject *self) noexcept:
    if object_type(self) is handle_pool.type:
        object_pool_dealloc(&handle_pool, self)
    else:
        handle_pool.plain_dealloc(self)


cdef void timer_handle_dealloc(PyObject *self) noexcept:
    if object_type(self) is timer_handle_pool.type:
        object_pool_dealloc(&timer_handle_pool, self)
    else:
        timer_handle_pool.plain_dealloc(self)


cdef size_t first_slot = (<PyTypeObject *>Runnable).tp_basicsize
object_pool_open(&handle_pool, Handle.__new__(Handle), first_slot, 5, <destructor>handle_dealloc)
object_pool_open(&timer_handle_pool, TimerHandle.__new__(TimerHandle), first_slot, 5, <destructor>timer_handle_dealloc)
