# The ready queue as asyncio's loop shows it.

from libc.stdint cimport int64_t

from fastloop.core.runnable cimport Runnable
from fastloop.core.scheduler cimport Scheduler


cdef class ReadyView:
    cdef Scheduler scheduler


cdef class ReadyEntry:
    cdef:
        Scheduler scheduler
        Runnable runnable


cdef ReadyView new_ready_view(Scheduler scheduler)

# A turn's question to the kernel, for at most max_ns if that is not below 0: what it brings goes to the ready queue.
cdef int ask_kernel(Scheduler scheduler, int64_t max_ns) except -1
