# The ready queue as asyncio shows it.

from libc.stdint cimport int64_t

from fastloop.core.runnable cimport Runnable
from fastloop.core.scheduler cimport Scheduler


cdef class ForeignHandle(Runnable):
    cdef:
        object handle
        # Owns the queue that the handle is in. The handle's _loop may be another loop.
        Scheduler scheduler


cdef class ReadyView:
    cdef Scheduler scheduler

    cdef int move_last_to_front(self) except -1
    cdef list entries(self)


cdef class ReadyEntry:
    cdef:
        Scheduler scheduler
        Runnable runnable


cdef ReadyView new_ready_view(Scheduler scheduler)

# Put a handle of any kind, or an entry of a view, into the ready queue. A foreign handle that is cancelled is ignored.
cdef int push_handle(Scheduler scheduler, object handle) except -1

# Wait for the kernel as a turn does, for at most max_ns unless that is negative. What it reports goes into the ready queue.
cdef int ask_kernel(Scheduler scheduler, int64_t max_ns) except -1
