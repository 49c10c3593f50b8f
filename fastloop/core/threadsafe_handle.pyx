"""ThreadSafeHandle: a callback from another thread, which that thread may cancel while the loop is about to run it.

Owns: what a Handle owns.
Promises: cancel() wins or the call wins, never half of each. From Python 3.14 on, cancel() and cancelled() in another thread wait for the
  end of a callback that runs.
Driven by: the scheduler, and any thread that has the handle. What several threads touch changes in critical sections of the handle,
  which cost nothing with the GIL.
"""

import asyncio
import threading
from asyncio import events

cimport cython
from cpython.object cimport PyObject, PyTypeObject, destructor
from cpython.ref cimport Py_DECREF

from fastloop.core.handle cimport (
    HANDLE_CANCELLED, HANDLE_RUNNING, Handle, HandleExtras, call_with_odd_arguments, callback_raised, handle_exchange,
    handle_fill_queued, handle_init, loop_is_debug)
from fastloop.core.queued_object cimport queued_object_disown
from fastloop.core.runnable cimport Runnable
from fastloop.python.calls cimport call_in_context
from fastloop.python.capi cimport Py_REFCNT, object_type
from fastloop.python.cpython_compat cimport COMPAT_HAS_GIL
from fastloop.python.object_pool cimport object_pool_dealloc, object_pool_new_untracked, object_pool_open, object_pool_t


cdef:
    object get_ident = threading.get_ident
    # Python 3.14 has a class of its own for it, with a lock; earlier handles wait for nothing.
    object THREAD_SAFE_HANDLE = getattr(events, "_ThreadSafeHandle", asyncio.Handle)
    bint CANCEL_WAITS = THREAD_SAFE_HANDLE is not asyncio.Handle


cdef class ThreadSafeHandle(Handle):
    """A handle as call_soon_threadsafe() returns it.

    cancel() and cancelled() may be called from any thread. From Python 3.14 on, while the callback runs, they wait for its end,
    except in the thread that runs it.
    """

    @property
    def __class__(self):
        return THREAD_SAFE_HANDLE

    def cancel(self):
        """Keep the callback from running and free it at once; from Python 3.14 on wait for the end of one that runs. From any thread."""
        wait_for_end(self)
        self.do_cancel()

    def cancelled(self):
        """Return True if cancel() was called; from Python 3.14 on wait for the end of a callback that runs. From any thread."""
        wait_for_end(self)
        return bool(self.flags & HANDLE_CANCELLED)

    cdef int run(self) except -1:
        if Py_REFCNT(<PyObject *>self) > 1:
            queued_object_disown(<PyObject *>self)
        return self.call()

    cdef int do_cancel(self) except -1:
        cdef bint was_cancelled
        with cython.critical_section(self):
            was_cancelled = self.flags & HANDLE_CANCELLED != 0
            self.flags |= HANDLE_CANCELLED
        if was_cancelled:
            return 0
        if loop_is_debug(self._loop):
            self.keep_repr()
        handle_exchange(self, None, None)
        return 0

    cdef int call(self) except -1:
        with cython.critical_section(self):
            self.flags |= HANDLE_RUNNING
        try:
            return Handle.call(self) if COMPAT_HAS_GIL else threadsafe_handle_call(self)
        finally:
            if COMPAT_HAS_GIL and type(self.extras) is not HandleExtras:
                self.flags &= ~<unsigned int>HANDLE_RUNNING
            else:
                callback_ended(self)


cdef int threadsafe_handle_call(ThreadSafeHandle handle) except -1:
    """Handle.call() where another thread may cancel at any point: before this looks, or too late."""
    cdef PyObject *result
    cdef bint is_cancelled
    with cython.critical_section(handle):
        is_cancelled = handle.flags & HANDLE_CANCELLED != 0
        callback, args, context = handle.callback, handle.args, handle.context
    if is_cancelled:
        return 0
    if type(args) is not tuple:
        return call_with_odd_arguments(handle)
    result = call_in_context(context, callback, args)
    if result is NULL:
        return callback_raised(handle)
    Py_DECREF(<object>result)
    return 0


cdef int callback_ended(ThreadSafeHandle handle) except -1:
    end = None
    with cython.critical_section(handle):
        handle.flags &= ~<unsigned int>HANDLE_RUNNING
        if type(handle.extras) is HandleExtras:
            end, (<HandleExtras>handle.extras).end = (<HandleExtras>handle.extras).end, None
    if end is not None:
        end.set()
    return 0


cdef int wait_for_end(ThreadSafeHandle handle) except -1:
    if not CANCEL_WAITS or not handle.flags & HANDLE_RUNNING or get_ident() == handle._loop._thread_id:
        return 0
    event = threading.Event()
    extras = handle.need_extras()
    with cython.critical_section(handle):
        # Making the event ran Python code: the callback may have ended meanwhile, and another thread may wait too.
        if not handle.flags & HANDLE_RUNNING:
            event = None
        elif extras.end is None:
            extras.end = event
        else:
            event = extras.end
    if event is not None:
        event.wait()
    return 0


cdef ThreadSafeHandle new_queued_threadsafe_handle(Scheduler loop, object callback, object args):
    cdef ThreadSafeHandle handle = <ThreadSafeHandle>object_pool_new_untracked(&threadsafe_handle_pool)
    handle_fill_queued(handle, loop, callback, args, None)
    return handle


cdef ThreadSafeHandle new_threadsafe_handle(object loop, object callback, object args, object context):
    cdef ThreadSafeHandle handle = ThreadSafeHandle.__new__(ThreadSafeHandle)
    handle_init(handle, loop, callback, args, context)
    return handle


# ---- the pool ----

cdef object_pool_t threadsafe_handle_pool


cdef void threadsafe_handle_dealloc(PyObject *self) noexcept:
    if object_type(self) is threadsafe_handle_pool.type:
        object_pool_dealloc(&threadsafe_handle_pool, self)
    else:
        threadsafe_handle_pool.plain_dealloc(self)


object_pool_open(
    &threadsafe_handle_pool, ThreadSafeHandle.__new__(ThreadSafeHandle), (<PyTypeObject *>Runnable).tp_basicsize, 5,
    <destructor>threadsafe_handle_dealloc)
