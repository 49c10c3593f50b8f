# Who waits for a descriptor: callbacks of add_reader() and add_writer(), and futures that wait for a socket.

from fastloop.core.future cimport Future
from fastloop.core.handle cimport Handle
from fastloop.core.runnable cimport Runnable
from fastloop.core.scheduler cimport Scheduler


cdef class FdWatcher(Runnable):
    cdef:
        # Who watches; a cycle through the scheduler's table, which close() and the garbage collector break.
        Scheduler scheduler
        Handle reader
        Handle writer
        # Futures of socket operations that wait for a direction: None, one, or a list.
        object read_waiters
        object write_waiters
        # Weak: the socket object of the last operation. Another one with the same number is another descriptor.
        object socket_ref
        int fd
        unsigned int interest

    cdef int update(self) except -1
    cdef int wake_waiters(self, unsigned int events) except -1


cdef int add_reader(Scheduler scheduler, int fd, Handle handle) except -1
cdef int add_writer(Scheduler scheduler, int fd, Handle handle) except -1
cdef bint remove_reader(Scheduler scheduler, int fd) except -1
cdef bint remove_writer(Scheduler scheduler, int fd) except -1

# HOT. A future that is done when sock, whose number is fd, may be read from or written to (direction is POLL_READABLE or
# POLL_WRITABLE). Call it after an operation would have blocked, try again when it is done, and expect to wait again.
cdef Future wait_for_socket(Scheduler scheduler, int fd, object sock, unsigned int direction)

# By descriptor: the pair of the reader's and the writer's handle, None where there is none.
cdef dict watched_handles(Scheduler scheduler)
