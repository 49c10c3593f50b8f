"""What waits for a descriptor: callbacks of add_reader() and add_writer(), and futures that wait for a socket.

Owns: a reader's and a writer's handle for each descriptor, and the futures.
Promises: callbacks are level-triggered, as in asyncio. They run in every turn in which their descriptor is ready.
  Futures are done once something has changed. A socket with only futures is registered once, for edges, and stays registered
  between operations. An edge that nobody waits for is not reported again.
Driven by: the poller's events. Handles and futures go through the ready queue.
"""

from cpython.object cimport PyObject
from cpython.weakref cimport PyWeakref_NewRef
from posix.fcntl cimport F_GETFD, fcntl

from fastloop.core.future cimport FUTURE_DONE, new_future
from fastloop.core.handle_core cimport HANDLE_CANCELLED
from fastloop.core.ready_queue cimport ready_queue_has
from fastloop.core.scheduler cimport scheduler_expect_events, scheduler_push
from fastloop.poll.poller cimport (
    POLL_BOTH_DIRECTIONS, POLL_CLOSED, POLL_EDGE, POLL_READABLE, POLL_WRITABLE, poller_rearm)
from fastloop.python.cpython_compat cimport compat_weakref_target


cdef class FdWatcher(Runnable):
    cdef int on_events(self, unsigned int events) except -1:
        if events == POLL_CLOSED and fcntl(self.fd, F_GETFD) < 0:
            # Closed behind the loop's back. Only poll(2) reports this, and asyncio runs no callback then.
            return 0
        # An error or a hang-up concerns both directions. The next read or write returns the error.
        if events & (POLL_READABLE | POLL_CLOSED) and self.reader is not None:
            scheduler_push_fd_callback(self.scheduler, self.reader)
        if events & (POLL_WRITABLE | POLL_CLOSED) and self.writer is not None:
            scheduler_push_fd_callback(self.scheduler, self.writer)
        if self.read_waiters is not None or self.write_waiters is not None:
            # Through the ready queue: in asyncio too the future is completed by a callback.
            if self.word.pending_events == 0:
                scheduler_push(self.scheduler, self)
            self.word.pending_events |= events
        return 0

    cdef int run(self) except -1:
        cdef unsigned int events = self.word.pending_events
        self.word.pending_events = 0
        return self.wake_waiters(events)

    cdef int wake_waiters(self, unsigned int events) except -1:
        if events & (POLL_READABLE | POLL_CLOSED) and self.read_waiters is not None:
            waiters, self.read_waiters = self.read_waiters, None
            waiters_finish(waiters)
        if events & (POLL_WRITABLE | POLL_CLOSED) and self.write_waiters is not None:
            waiters, self.write_waiters = self.write_waiters, None
            waiters_finish(waiters)
        if not self.interest & POLL_EDGE:
            # A level that nobody waits for would be reported in every turn.
            try:
                self.update_interest()
            except OSError:
                # The descriptor was closed. The next operation on it raises the error.
                self.scheduler.unwatch(self.fd)
        return 0

    cdef int update_interest(self) except -1:
        """Tell the poller what is wanted: levels for callbacks, edges while only socket operations wait."""
        cdef unsigned int interest = 0
        if self.reader is not None or self.read_waiters is not None:
            interest |= POLL_READABLE
        if self.writer is not None or self.write_waiters is not None:
            interest |= POLL_WRITABLE
        if self.reader is None and self.writer is None and interest != 0:
            # A direction that is registered for edges stays registered, so the next operation need not do it again.
            interest |= POLL_EDGE | (self.interest & POLL_BOTH_DIRECTIONS if self.interest & POLL_EDGE else 0)
        if interest == 0:
            self.scheduler.unwatch(self.fd)
        else:
            # Even if nothing changed: the descriptor may have been closed and its number reused.
            self.scheduler.watch(self.fd, self, self.interest, interest)
        self.interest = interest
        return 0

    cdef int callback_removed(self) except -1:
        if self.reader is None and self.writer is None:
            self.reader_file = self.writer_file = None
        return self.update_interest()


cdef inline int scheduler_push_fd_callback(Scheduler scheduler, Handle handle) except -1:
    if scheduler.began_with_ready and ready_queue_has(&scheduler.ready, <PyObject *>handle):
        # An exception ended the last run before the callback could run, and the kernel has reported the descriptor again.
        return 0
    return 0 if handle.flags & HANDLE_CANCELLED else scheduler_push(scheduler, handle)


cdef int waiters_finish(object waiters) except -1:
    if isinstance(waiters, Future):
        return waiter_finish(<Future>waiters)
    for waiter in <list>waiters:
        waiter_finish(<Future>waiter)
    return 0


cdef int waiter_finish(Future waiter) except -1:
    # It may have been cancelled while it waited.
    if not waiter.flags & FUTURE_DONE:
        waiter.finish(None)
    return 0


cdef Future wait_for_socket(Scheduler scheduler, int fd, object sock, unsigned int direction):
    cdef FdWatcher watcher = watcher_for(scheduler, fd)
    cdef Future waiter = new_future(scheduler)
    cdef bint is_same_socket = watcher.socket_ref is not None and compat_weakref_target(watcher.socket_ref) is <PyObject *>sock
    scheduler_expect_events(scheduler)
    if direction == POLL_READABLE:
        watcher.read_waiters = waiters_with(watcher.read_waiters, waiter)
    else:
        watcher.write_waiters = waiters_with(watcher.write_waiters, waiter)
    if is_same_socket and watcher.interest & POLL_EDGE and watcher.interest & direction:
        # HOT. Still registered for edges from an earlier operation.
        poller_rearm(&scheduler.poller, fd, direction)
        return waiter
    if not is_same_socket:
        watcher.socket_ref = PyWeakref_NewRef(sock, None)
    try:
        watcher.update_interest()
    except BaseException:
        waiter.cancel_with(None)
        raise
    return waiter


cdef object waiters_with(object waiters, Future waiter):
    """The waiters and one more, without those that were cancelled."""
    if waiters is None or (isinstance(waiters, Future) and (<Future>waiters).flags & FUTURE_DONE):
        return waiter
    if isinstance(waiters, Future):
        return [waiters, waiter]
    return [other for other in <list>waiters if not (<Future>other).flags & FUTURE_DONE] + [waiter]


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


cdef int fileno_of(object file) except? -1:
    """The number of a descriptor or file object. Negative, or a ValueError, if it is closed."""
    if isinstance(file, int):
        return file
    try:
        return int(file.fileno())
    except (AttributeError, TypeError, ValueError):
        raise ValueError(f"Invalid file object: {file!r}") from None


cdef int scheduler_find_fd(Scheduler scheduler, object file) except -1:
    """The number of file. If it was closed while it was watched, the number that it had. ValueError for anything else."""
    cdef int fd, number = -1
    error = None
    try:
        number = fileno_of(file)
        if number >= 0:
            return number
    except ValueError as raised:
        error = raised
    # Search for the object, as selectors do.
    for fd in range(scheduler.watches.capacity):
        watcher = scheduler.watcher(fd)
        if isinstance(watcher, FdWatcher) and (
                (<FdWatcher>watcher).reader_file is file or (<FdWatcher>watcher).writer_file is file) and file is not None:
            return fd
    raise error or ValueError(f"Invalid file descriptor: {number}")


cdef bint file_is_closed(object file) except -1:
    try:
        return fileno_of(file) < 0
    except ValueError:
        return True


cdef int add_reader(Scheduler scheduler, object file, Handle handle) except -1:
    cdef FdWatcher watcher = watcher_for(scheduler, scheduler_find_fd(scheduler, file))
    cdef Handle previous = watcher.reader
    watcher.reader = handle
    try:
        # The kernel no longer knows a closed file. asyncio replaces its callback without telling the kernel.
        if previous is None or not file_is_closed(file):
            watcher.update_interest()
    except BaseException:
        watcher.reader = previous
        raise
    if not isinstance(file, int):
        watcher.reader_file = file
    if previous is not None:
        previous.do_cancel()
    return 0


cdef int add_writer(Scheduler scheduler, object file, Handle handle) except -1:
    cdef FdWatcher watcher = watcher_for(scheduler, scheduler_find_fd(scheduler, file))
    cdef Handle previous = watcher.writer
    watcher.writer = handle
    try:
        if previous is None or not file_is_closed(file):
            watcher.update_interest()
    except BaseException:
        watcher.writer = previous
        raise
    if not isinstance(file, int):
        watcher.writer_file = file
    if previous is not None:
        previous.do_cancel()
    return 0


cdef bint remove_reader(Scheduler scheduler, object file) except -1:
    cdef FdWatcher watcher
    cdef Handle handle
    found = scheduler.watcher(scheduler_find_fd(scheduler, file))
    if not isinstance(found, FdWatcher) or (<FdWatcher>found).reader is None:
        return False
    watcher = <FdWatcher>found
    handle, watcher.reader = watcher.reader, None
    watcher.callback_removed()
    handle.do_cancel()
    return True


cdef bint remove_writer(Scheduler scheduler, object file) except -1:
    cdef FdWatcher watcher
    cdef Handle handle
    found = scheduler.watcher(scheduler_find_fd(scheduler, file))
    if not isinstance(found, FdWatcher) or (<FdWatcher>found).writer is None:
        return False
    watcher = <FdWatcher>found
    handle, watcher.writer = watcher.writer, None
    watcher.callback_removed()
    handle.do_cancel()
    return True


cdef dict watched_descriptors(Scheduler scheduler):
    cdef int fd
    found = {}
    for fd in range(scheduler.watches.capacity):
        watcher = scheduler.watcher(fd)
        if isinstance(watcher, FdWatcher):
            handles = ((<FdWatcher>watcher).reader, (<FdWatcher>watcher).writer)
            if handles != (None, None):
                file = (<FdWatcher>watcher).reader_file
                found[fd] = ((<FdWatcher>watcher).writer_file if file is None else file, *handles)
    return found
