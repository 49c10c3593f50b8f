"""Callbacks that wait for a descriptor: what add_reader() and add_writer() register.

Owns: a reader's and a writer's handle for each descriptor.
Promises: level-triggered, as asyncio: a callback runs in every turn in which its descriptor is ready.
Driven by: the poller's events; the handles go through the ready queue.
"""

from posix.fcntl cimport F_GETFD, fcntl

from fastloop.core.handle cimport HANDLE_CANCELLED
from fastloop.core.scheduler cimport scheduler_push
from fastloop.poll.poller cimport POLL_CLOSED, POLL_READABLE, POLL_WRITABLE


cdef class FdWatcher(Runnable):
    cdef int on_events(self, unsigned int events) except -1:
        if events == POLL_CLOSED and fcntl(self.fd, F_GETFD) < 0:
            # Closed behind the loop's back: poll(2) tells, epoll and kqueue do not, and asyncio calls nobody.
            return 0
        # An error or a hang-up is for both: their next read or write tells them which.
        if events & (POLL_READABLE | POLL_CLOSED) and self.reader is not None:
            if not self.reader.flags & HANDLE_CANCELLED:
                scheduler_push(self.scheduler, self.reader)
        if events & (POLL_WRITABLE | POLL_CLOSED) and self.writer is not None:
            if not self.writer.flags & HANDLE_CANCELLED:
                scheduler_push(self.scheduler, self.writer)
        return 0

    cdef int update(self) except -1:
        """Tell the poller what is wanted now."""
        cdef unsigned int interest = 0
        if self.reader is not None:
            interest |= POLL_READABLE
        if self.writer is not None:
            interest |= POLL_WRITABLE
        if interest == 0:
            self.scheduler.unwatch(self.fd, self.interest)
        else:
            # Said again even if nothing changed: the descriptor may have been closed and its number reused.
            self.scheduler.watch(self.fd, self, self.interest, interest)
        self.interest = interest
        return 0


cdef FdWatcher watcher_for(Scheduler scheduler, int fd):
    cdef Runnable found
    cdef FdWatcher watcher
    if fd < 0:
        raise ValueError(f"Invalid file descriptor: {fd}")
    found = scheduler.watcher(fd)
    if found is None:
        watcher = FdWatcher.__new__(FdWatcher)
        watcher.fd = fd
        watcher.scheduler = scheduler
        return watcher
    if not isinstance(found, FdWatcher):
        raise RuntimeError(f"File descriptor {fd} is used by {found!r}; close that first")
    return <FdWatcher>found


cdef int add_reader(Scheduler scheduler, int fd, Handle handle) except -1:
    cdef FdWatcher watcher = watcher_for(scheduler, fd)
    cdef Handle previous = watcher.reader
    watcher.reader = handle
    try:
        watcher.update()
    except BaseException:
        watcher.reader = previous
        raise
    if previous is not None:
        previous.do_cancel()
    return 0


cdef int add_writer(Scheduler scheduler, int fd, Handle handle) except -1:
    cdef FdWatcher watcher = watcher_for(scheduler, fd)
    cdef Handle previous = watcher.writer
    watcher.writer = handle
    try:
        watcher.update()
    except BaseException:
        watcher.writer = previous
        raise
    if previous is not None:
        previous.do_cancel()
    return 0


cdef bint remove_reader(Scheduler scheduler, int fd) except -1:
    cdef FdWatcher watcher
    cdef Handle handle
    found = scheduler.watcher(fd)
    if not isinstance(found, FdWatcher) or (<FdWatcher>found).reader is None:
        return False
    watcher = <FdWatcher>found
    handle, watcher.reader = watcher.reader, None
    watcher.update()
    handle.do_cancel()
    return True


cdef bint remove_writer(Scheduler scheduler, int fd) except -1:
    cdef FdWatcher watcher
    cdef Handle handle
    found = scheduler.watcher(fd)
    if not isinstance(found, FdWatcher) or (<FdWatcher>found).writer is None:
        return False
    watcher = <FdWatcher>found
    handle, watcher.writer = watcher.writer, None
    watcher.update()
    handle.do_cancel()
    return True


cdef dict watched_handles(Scheduler scheduler):
    cdef int fd
    found = {}
    for fd in range(scheduler.watcher_capacity):
        watcher = scheduler.watcher(fd)
        if isinstance(watcher, FdWatcher):
            found[fd] = ((<FdWatcher>watcher).reader, (<FdWatcher>watcher).writer)
    return found
