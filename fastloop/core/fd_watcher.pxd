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
        # The objects that the program passed, if they were no numbers, until nobody watches: one that is closed has no number.
        object reader_file
        object writer_file
        # Futures of socket operations that wait for a direction: None, one, or a list.
        object read_waiters
        object write_waiters
        # Weak: the socket object of the last operation. Another one with the same number is another descriptor.
        object socket_ref
        int fd
        unsigned int interest

    cdef int update(self) except -1
    cdef int callback_left(self) except -1
    cdef int wake_waiters(self, unsigned int events) except -1


# file is a descriptor's number or an object with a fileno(). Raises ValueError for anything else, and for what is closed unless
# it is watched: that is found by the object.
cdef int add_reader(Scheduler scheduler, object file, Handle handle) except -1
cdef int add_writer(Scheduler scheduler, object file, Handle handle) except -1
cdef bint remove_reader(Scheduler scheduler, object file) except -1
cdef bint remove_writer(Scheduler scheduler, object file) except -1

# HOT. A future that is done when sock, whose number is fd, may be read from or written to (direction is POLL_READABLE or
# POLL_WRITABLE). Call it after an operation would have blocked, try again when it is done, and expect to wait again.
cdef Future wait_for_socket(Scheduler scheduler, int fd, object sock, unsigned int direction)

# By descriptor: the object that was passed for it, the reader's and the writer's handle; None where there is none.
cdef dict watched_descriptors(Scheduler scheduler)
