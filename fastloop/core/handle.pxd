# Handle: a callback that waits for its turn, as asyncio's users see it.

from fastloop.core.handle_core cimport HANDLE_CANCELLED, HandleCore, loop_is_debug
from fastloop.core.scheduler cimport Scheduler


cdef str UNDELETABLE


cdef class Handle(HandleCore):
    cdef int do_cancel(self) except -1
    cdef int keep_repr(self) except -1


# HOT. INVARIANT: it is not cancelled.
cdef inline int handle_cancel(Handle handle) except -1:
    handle.flags |= HANDLE_CANCELLED
    if loop_is_debug(handle._loop):
        handle.keep_repr()
    handle.callback = None
    handle.args = None
    return 0


# HOT. A new handle for a queue of loop, whose bypasses_call_soon holds. args is a tuple; context None means a copy of the current one.
# The garbage collector does not know it: see queued_object.h.
cdef Handle new_queued_handle(Scheduler loop, object callback, object args, object context)

# loop.call_soon(), by its name, for what the loop has begun to do and must not leave half done: the callback is in the queue whatever
# interrupts this in debug mode.
cdef int call_soon_uninterrupted(object loop, object callback, tuple args, object context) except -1

# The same for any other purpose, and any loop: debug mode is looked at.
cdef Handle new_handle(object loop, object callback, object args, object context)
