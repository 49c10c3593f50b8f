# The ready queue as asyncio's loop shows it.

from libc.stdint cimport int64_t

from fastloop.core.runnable cimport Runnable
from fastloop.core.scheduler cimport Scheduler


cdef class ForeignHandle(Runnable):
    cdef:
        object handle
        # Owns the queue that the handle is in; the handle may name another loop.
        Scheduler scheduler


cdef class ReadyView:
    cdef Scheduler scheduler

    cdef int bring_last_to_front(self) except -1
    cdef list entries(self)


cdef class ReadyEntry:
    cdef:
        Scheduler scheduler
        Runnable runnable


cdef ReadyView new_ready_view(Scheduler scheduler)

# Puts a handle of any kind, or an entry of a view, into the ready queue; a foreign one that is cancelled, nowhere.
cdef int push_handle(Scheduler scheduler, object handle) except -1

# A turn's question to the kernel, for at most max_ns if that is not below 0: what it finds goes to the ready queue.
cdef int ask_kernel(Scheduler scheduler, int64_t max_ns) except -1
