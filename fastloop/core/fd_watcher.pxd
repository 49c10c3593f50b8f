# What waits for a descriptor: callbacks of add_reader() and add_writer(), and futures that wait for a socket.

from fastloop.core.future cimport Future
from fastloop.core.handle cimport Handle
from fastloop.core.runnable cimport Runnable
from fastloop.core.scheduler cimport Scheduler


cdef class FdWatcher(Runnable):
    cdef:
        # A cycle through the scheduler's table of watchers. close() and the garbage collector break it.
        Scheduler scheduler
        Handle reader
        Handle writer
        # The file objects that the program passed, until nobody watches. A closed file has no number and is found by its
        # object.
        object reader_file
        object writer_file
        # Futures of socket operations that wait for a direction: None, one, or a list.
        object read_waiters
        object write_waiters
        # A weak reference to the socket of the last operation. Another socket object with the same number is another
        # descriptor.
        object socket_ref
        int fd
        unsigned int interest

    cdef int update_interest(self) except -1
    cdef int callback_removed(self) except -1
    cdef int wake_waiters(self, unsigned int events) except -1


# file is a descriptor's number or an object with fileno(). Raises ValueError for anything else, and for a closed file
# unless it is still watched: then it is found by its object.
cdef int add_reader(Scheduler scheduler, object file, Handle handle) except -1
cdef int add_writer(Scheduler scheduler, object file, Handle handle) except -1
cdef bint remove_reader(Scheduler scheduler, object file) except -1
cdef bint remove_writer(Scheduler scheduler, object file) except -1

# HOT. A future that is done when sock, which has the number fd, may be ready. direction is POLL_READABLE or POLL_WRITABLE.
# Call it after an operation would have blocked. When the future is done, try again and expect to wait again.
cdef Future wait_for_socket(Scheduler scheduler, int fd, object sock, unsigned int direction)

# By descriptor: the file object that was passed, the reader's handle and the writer's handle. Each may be None.
cdef dict watched_descriptors(Scheduler scheduler)
