# ThreadSafeHandle: what call_soon_threadsafe() returns.

from fastloop.core.handle cimport Handle
from fastloop.core.scheduler cimport Scheduler


cdef class ThreadSafeHandle(Handle):
    pass


# HOT. A new handle for a queue of loop, as new_queued_handle() makes it. INVARIANT: loop.bypasses_call_soon.
cdef ThreadSafeHandle new_queued_threadsafe_handle(Scheduler loop, object callback, object args)

# A new handle for any loop. In debug mode it records where it was made.
cdef ThreadSafeHandle new_threadsafe_handle(object loop, object callback, object args, object context)
