# Callbacks that wait for a descriptor: add_reader() and add_writer().

from fastloop.core.handle cimport Handle
from fastloop.core.runnable cimport Runnable
from fastloop.core.scheduler cimport Scheduler


cdef class FdWatcher(Runnable):
    cdef:
        # Who watches; a cycle through the scheduler's table, which close() and the garbage collector break.
        Scheduler scheduler
        Handle reader
        Handle writer
        int fd
        unsigned int interest

    cdef int update(self) except -1


cdef int add_reader(Scheduler scheduler, int fd, Handle handle) except -1
cdef int add_writer(Scheduler scheduler, int fd, Handle handle) except -1
cdef bint remove_reader(Scheduler scheduler, int fd) except -1
cdef bint remove_writer(Scheduler scheduler, int fd) except -1

# By descriptor: the pair of the reader's and the writer's handle, None where there is none.
cdef dict watched_handles(Scheduler scheduler)
