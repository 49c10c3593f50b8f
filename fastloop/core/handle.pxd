# Handle: a scheduled callback, as asyncio's users see it.

from fastloop.core.handle_core cimport HANDLE_CANCELLED, HandleCore, loop_is_debug
from fastloop.core.scheduler cimport Scheduler


cdef str UNDELETABLE


cdef class Handle(HandleCore):
    cdef int do_cancel(self) except -1
    cdef int keep_repr(self) except -1


# HOT. INVARIANT: the handle is not cancelled.
cdef inline int handle_cancel(Handle handle) except -1:
    handle.flags |= HANDLE_CANCELLED
    if loop_is_debug(handle._loop):
        handle.keep_repr()
    handle.callback = None
    handle.args = None
    return 0


# HOT. A new handle that goes into a queue of loop at once. args is a tuple. A context of None means a copy of the current one.
# The garbage collector does not track it: see queued_object.h. INVARIANT: loop.bypasses_call_soon.
cdef Handle new_queued_handle(Scheduler loop, object callback, object args, object context)

# A new handle for any other purpose and any loop. In debug mode it records where it was made.
cdef Handle new_handle(object loop, object callback, object args, object context)

# loop.call_soon(), looked up by name, for work that must not be left half done. A signal handler that raises in debug
# mode does not keep the callback out of the queue.
cdef int call_soon_uninterrupted(object loop, object callback, tuple args, object context) except -1
