"""ThreadSafeHandle: a callback from another thread, which may cancel it while the loop is about to run it.

Owns: what a Handle owns.
Promises: either cancel() wins or the call does, never half of each. Since Python 3.14, cancel() and cancelled() in
  another thread wait until a running callback has ended.
Driven by: the scheduler, and any thread that has the handle. Shared fields change in critical sections of the handle,
  which cost nothing with the GIL.
"""

import asyncio
import threading
from asyncio import events

cimport cython
from cpython.object cimport PyObject, PyTypeObject, destructor
from cpython.ref cimport Py_DECREF

from fastloop.core.handle cimport Handle
from fastloop.core.handle_core cimport (
    HANDLE_CANCELLED, HANDLE_RUNNING, HandleExtras, handle_call_with_odd_args, handle_callback_raised,
    handle_exchange, handle_fill_queued, handle_init, loop_is_debug)
from fastloop.core.queued_object cimport queued_object_track
from fastloop.core.runnable cimport Runnable
from fastloop.python.calls cimport call_in_context
from fastloop.python.capi cimport Py_REFCNT, object_type
from fastloop.python.cpython_compat cimport COMPAT_HAS_GIL
from fastloop.python.object_pool cimport object_pool_dealloc, object_pool_new_untracked, object_pool_open, object_pool_t


cdef:
    object get_ident = threading.get_ident
    # Python 3.14 added a class with a lock for this. Earlier handles never wait.
    object THREAD_SAFE_HANDLE = getattr(events, "_ThreadSafeHandle", asyncio.Handle)
    bint CANCEL_WAITS = THREAD_SAFE_HANDLE is not asyncio.Handle


cdef class ThreadSafeHandle(Handle):
    """A scheduled callback, as call_soon_threadsafe() returns it.

    Any thread may call cancel() and cancelled(). Since Python 3.14 they wait while the callback runs, except in the loop's own
    thread.
    """

    @property
    def __class__(self):
        return THREAD_SAFE_HANDLE

    def cancel(self):
        """Keep the callback from running, and free it and its arguments at once. A second call does nothing.

        Call it from any thread. Since Python 3.14 it first waits until a running callback has ended.
        """
        threadsafe_handle_wait_for_end(self)
        self.do_cancel()

    def cancelled(self):
        """Return True if cancel() was called.

        Call it from any thread. Since Python 3.14 it first waits until a running callback has ended.
        """
        threadsafe_handle_wait_for_end(self)
        return bool(self.flags & HANDLE_CANCELLED)

    cdef int run(self) except -1:
        if Py_REFCNT(<PyObject *>self) > 1:
            queued_object_track(<PyObject *>self)
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
                threadsafe_handle_ended(self)


cdef int threadsafe_handle_call(ThreadSafeHandle handle) except -1:
    """Handle.call() without the GIL. Another thread may cancel at any point: before the check, or too late."""
    cdef PyObject *result
    cdef bint is_cancelled
    with cython.critical_section(handle):
        is_cancelled = handle.flags & HANDLE_CANCELLED != 0
        callback, args, context = handle.callback, handle.args, handle.context
    if is_cancelled:
        return 0
    if type(args) is not tuple:
        return handle_call_with_odd_args(handle)
    result = call_in_context(context, callback, args)
    if result is NULL:
        return handle_callback_raised(handle)
    Py_DECREF(<object>result)
    return 0


cdef int threadsafe_handle_ended(ThreadSafeHandle handle) except -1:
    end = None
    with cython.critical_section(handle):
        handle.flags &= ~<unsigned int>HANDLE_RUNNING
        if type(handle.extras) is HandleExtras:
            end, (<HandleExtras>handle.extras).end = (<HandleExtras>handle.extras).end, None
    if end is not None:
        end.set()
    return 0


cdef int threadsafe_handle_wait_for_end(ThreadSafeHandle handle) except -1:
    if not CANCEL_WAITS or not handle.flags & HANDLE_RUNNING or get_ident() == handle._loop._thread_id:
        return 0
    event = threading.Event()
    extras = handle.make_extras()
    with cython.critical_section(handle):
        # Making the event ran Python code. By now the callback may have ended, and another thread may wait too.
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
