# ThreadSafeHandle: what call_soon_threadsafe() returns.

from fastloop.core.handle cimport Handle
from fastloop.core.scheduler cimport Scheduler


cdef class ThreadSafeHandle(Handle):
    pass


# HOT. A new one for a queue of loop, whose bypasses_call_soon holds; see new_queued_handle().
cdef ThreadSafeHandle new_queued_threadsafe_handle(Scheduler loop, object callback, object args)

# The same for any loop: debug mode is looked at.
cdef ThreadSafeHandle new_threadsafe_handle(object loop, object callback, object args, object context)
