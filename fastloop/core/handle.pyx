"""Handle: a scheduled callback, as asyncio's users see it.

Owns: nothing beyond HandleCore.
Promises: isinstance(handle, asyncio.Handle). cancel() frees the callback and the arguments at once.
Driven by: the program, which may cancel a handle or look at it.
"""

import asyncio

from cpython.object cimport PyObject, PyTypeObject, destructor

from fastloop.core.handle_core cimport (
    HANDLE_CANCELLED, HANDLE_SHARES_CONTEXT, HandleCore, handle_callback_and_args, handle_exchange,
    handle_fill_queued, handle_init, loop_is_debug)
from fastloop.core.interruption cimport interrupt_soon
from fastloop.core.runnable cimport Runnable
from fastloop.core.scheduler cimport Scheduler, scheduler_push
from fastloop.python.capi cimport object_type
from fastloop.python.object_pool cimport object_pool_dealloc, object_pool_new_untracked, object_pool_open, object_pool_t


from fastloop.core.callback_text import describe_callback


cdef str UNDELETABLE = "cannot delete this attribute"


cdef class Handle(HandleCore):
    """A scheduled callback, as call_soon() returns it.

    cancel() keeps it from running. isinstance(handle, asyncio.Handle) is true.
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
        return handle_callback_and_args(self)[0]

    @_callback.setter
    def _callback(self, value):
        handle_exchange(self, value, self.args)

    @_callback.deleter
    def _callback(self):
        handle_exchange(self, None, self.args)

    @property
    def _args(self):
        return handle_callback_and_args(self)[1]

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
        self.make_extras().source_traceback = value

    @_source_traceback.deleter
    def _source_traceback(self):
        raise AttributeError(UNDELETABLE)

    @property
    def _repr(self):
        extras = self.known_extras()
        return None if extras is None else extras.repr_when_cancelled

    def cancel(self):
        """Keep the callback from running, and free it and its arguments at once. A second call does nothing.

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
        # First, because dropping the old context may run a destructor that asks for the new one.
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
        callback, args = handle_callback_and_args(self)
        if callback is not None:
            info.append(describe_callback(callback, args, loop_is_debug(self._loop)))
        traceback = self._source_traceback
        if traceback:
            frame = traceback[len(traceback) - 1]
            info.append(f"created at {frame[0]}:{frame[1]}")
        return info

    def __repr__(self):
        text = self._repr
        return f"<{' '.join(self._repr_info())}>" if text is None else text

    cdef int do_cancel(self) except -1:
        return 0 if self.flags & HANDLE_CANCELLED else handle_cancel(self)

    cdef int keep_repr(self) except -1:
        # For messages such as "Executing <Handle ...> took 2.5 seconds".
        try:
            self.make_extras().repr_when_cancelled = repr(self)
        except Exception:
            raise
        except BaseException as interruption:
            # Raised later: cancelling is often one step of work that must not stop halfway.
            interrupt_soon(<Scheduler>self._loop if isinstance(self._loop, Scheduler) else None, interruption)
        return 0


cdef int call_soon_uninterrupted(object loop, object callback, tuple args, object context) except -1:
    try:
        loop.call_soon(callback, *args, context=context)
    except BaseException as error:
        if isinstance(error, (RuntimeError, TypeError)) or not isinstance(loop, Scheduler) or not (<Scheduler>loop).is_debug:
            raise
        # In debug mode Python code records where a handle is made. A signal handler has interrupted that code.
        handle = new_queued_handle(<Scheduler>loop, callback, args, context)
        scheduler_push(<Scheduler>loop, handle)
        interrupt_soon(<Scheduler>loop, error)
    return 0


cdef Handle new_queued_handle(Scheduler loop, object callback, object args, object context):
    cdef Handle handle = <Handle>object_pool_new_untracked(&handle_pool)
    handle_fill_queued(handle, loop, callback, args, context)
    return handle


cdef Handle new_handle(object loop, object callback, object args, object context):
    cdef Handle handle = Handle.__new__(Handle)
    handle_init(handle, loop, callback, args, context)
    return handle


# ---- the pool ----

cdef object_pool_t handle_pool


cdef void handle_dealloc(PyObject *self) noexcept:
    if object_type(self) is handle_pool.type:
        object_pool_dealloc(&handle_pool, self)
    else:
        handle_pool.plain_dealloc(self)


object_pool_open(
    &handle_pool, Handle.__new__(Handle), (<PyTypeObject *>Runnable).tp_basicsize, 5, <destructor>handle_dealloc)
