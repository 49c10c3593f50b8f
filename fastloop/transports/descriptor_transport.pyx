"""DescriptorTransport: a transport that has a descriptor.

Owns: the descriptor, until connection_lost() has been called. It is closed exactly once, by its owner if it has one.
Promises: the poller forgets the descriptor before it is closed. The loop keeps the transport alive while something may happen to it.
Driven by: the subclasses, which say what they wait for.
"""

import warnings
from asyncio import base_events

from cpython.object cimport PyObject
from libc.errno cimport EBADF, errno

from fastloop.core.inbox cimport inbox_wake
from fastloop.core.interruption cimport close_uninterrupted
from fastloop.core.loop_counters cimport loop_counter_add, loop_counter_add_anywhere
from fastloop.core.runnable cimport RUNNABLE_BUSY_POLLS_BRIEFLY
from fastloop.core.scheduler cimport Scheduler, scheduler_runs_elsewhere, scheduler_runs_next_turn
from fastloop.net.syscalls cimport net_close, net_receive
from fastloop.poll.poller cimport POLL_READABLE, POLL_WRITABLE, poller_rearm
from fastloop.python.capi cimport Py_REFCNT
from fastloop.python.cpython_compat cimport COMPAT_HAS_GIL
from fastloop.transports.lifecycle cimport (
    TRANSPORT_CLOSED, TRANSPORT_CLOSING, TRANSPORT_OPEN, TRANSPORT_OPENING)
from fastloop.transports.transport cimport transport_is_reading


cdef enum:
    # The answer to this much takes too long to busy-poll for it: see busy_poll.h.
    BRIEF_POLL_FROM_BYTES = 8192


cdef object MINUS_ONE = -1


cdef class DescriptorTransport(Transport):
    def __cinit__(self, *args, **kwargs):
        self.fd = -1

    def __dealloc__(self):
        if self.fd >= 0 and self.owner is None:
            net_close(self.fd)

    def __del__(self):
        if self.fd < 0:
            self.leave_server()
            wake_loop_elsewhere(self.loop)
            return
        # First, whatever fails below: the table must not keep an object that dies now.
        if COMPAT_HAS_GIL and self.loop is not None:
            self.stop_watching()
        warning = f"unclosed transport {self!r}"
        if not COMPAT_HAS_GIL and self.loop is not None:
            loop_counter_add_anywhere(&self.loop.counters.transports_closed, 1)
        self.close_descriptor(self.loop if COMPAT_HAS_GIL else None)
        self.leave_server()
        wake_loop_elsewhere(self.loop)
        # Last: the warning may be raised as an exception.
        warnings.warn(warning, ResourceWarning, source=self)

    @property
    def _paused(self):
        return self.bits.reading_is_paused

    @property
    def _sock_fd(self):
        self.send_held()
        return self.fd

    # ---- what the poller reports ----

    cdef int watch_for(self, unsigned int interest) except -1:
        if interest == self.interest:
            return 0
        return self.set_interest(interest)

    cdef int watch_again(self) except -1:
        """Have the edge reported once more if the descriptor is ready: the last report was not used up."""
        return self.set_interest(self.interest)

    cdef int set_interest(self, unsigned int interest) except -1:
        try:
            self.loop.watch(self.fd, self, self.interest, interest)
            self.interest = interest
        except OSError as error:
            self.fail_with(error, "Fatal error: the socket cannot be watched")
        return 0

    cdef int update_interest(self) except -1:
        cdef unsigned int interest = 0
        if transport_is_reading(self):
            interest |= POLL_READABLE
        if self.bits.is_blocked:
            interest |= POLL_WRITABLE
        return self.watch_for(interest)

    cdef int watch_reading(self) except -1:
        return 0

    cdef int stop_watching(self) except -1:
        # If somebody closed the descriptor, its number may have another watcher by now.
        if self.loop.watcher(self.fd) is self:
            self.loop.unwatch(self.fd)
        self.interest = 0
        return 0

    # ---- what keeps it alive ----

    cdef int update_keep_alive(self) except -1:
        if not COMPAT_HAS_GIL:
            return self.update_watch()
        if self.loop.watcher(self.fd) is self:
            self.loop.watch_keeps_alive(self.fd, self.must_stay_alive())
        return 0

    cdef int update_watch(self) except -1:
        # A transport that nobody holds may die in any thread, and the loop's thread must not find it in the table. So it
        # leaves the table while it has no work.
        if not self.must_stay_alive():
            return self.stop_watching()
        if transport_is_reading(self) and not self.interest & POLL_READABLE:
            return self.watch_reading()
        return 0

    cdef bint must_stay_alive(self) noexcept:
        return True

    cdef bint owner_is_shared(self) noexcept:
        """Whether the program holds the owner. It may use it directly, so what was written before must be sent first."""
        return self.owner is not None and Py_REFCNT(<PyObject *>self.owner) > 1

    # ---- reading ----

    cdef int start_reading(self) except -1:
        if self.state != TRANSPORT_OPENING:
            return 0
        self.move_to(TRANSPORT_OPEN)
        self.watch_reading()
        return self.update_keep_alive()

    cdef int stop_reading(self) except -1:
        if not transport_wants_data(self):
            return 0
        self.bits.reading_is_paused = True
        if self.bits.is_queued and not scheduler_runs_next_turn(self.loop, self):
            self.bits.skips_read = True
        if self.loop.is_debug:
            base_events.logger.debug("%r pauses reading", self)
        return self.update_keep_alive()

    cdef int read_again(self) except -1:
        if self.state >= TRANSPORT_CLOSING or not self.bits.reading_is_paused:
            return 0
        self.bits.reading_is_paused = False
        if self.loop.is_debug:
            base_events.logger.debug("%r resumes reading", self)
        # asyncio adds a new reader here, which runs in the current context.
        self.renew_context()
        if self.bits.uses_levels:
            self.update_interest()
        self.update_keep_alive()
        return self.ask_again()

    cdef int ask_again(self) except -1:
        return 0

    cdef Py_ssize_t receive_into(self, char *buffer, Py_ssize_t size) noexcept:
        cdef Py_ssize_t count
        cdef int fd = transport_fd(self)
        if fd < 0:
            return -EBADF
        count = net_receive(fd, buffer, size)
        if count < 0:
            count = -errno
        if not self.bits.is_tcp:
            if count < BRIEF_POLL_FROM_BYTES:
                self.flags &= ~<unsigned int>RUNNABLE_BUSY_POLLS_BRIEFLY
            else:
                self.flags |= RUNNABLE_BUSY_POLLS_BRIEFLY
        if count <= 0:
            self.bits.may_have_data = self.bits.peer_may_have_ended = False
            return count
        loop_counter_add(&self.loop.counters.bytes_received, count)
        if count < size and not self.bits.peer_may_have_ended:
            self.bits.may_have_data = False
            poller_rearm(&self.loop.poller, fd, POLL_READABLE)
        return count

    cdef object expected_size(self):
        return MINUS_ONE

    cdef int nothing_received(self, Py_ssize_t answer) except -1:
        return 0

    # ---- the end ----

    cdef int release(self, bint has_caller) except -1:
        self.receive_method = self.buffer_updated = None
        return Transport.release(self, has_caller)

    cdef int release_descriptor(self, SocketCore loop, bint has_caller) except -1:
        return self.close_descriptor(loop)

    cdef int close_descriptor(self, SocketCore loop) except -1:
        owner, fd = self.owner, self.fd
        self.fd = -1
        if fd >= 0 and loop is not None:
            loop_counter_add_anywhere(&loop.counters.transports_closed, 1)
        if owner is not None:
            close_uninterrupted(loop, owner)
        elif fd >= 0:
            net_close(fd)
        return 0

    cdef int leave_server(self) except -1:
        return 0

    def __repr__(self):
        state = " closed" if self.state == TRANSPORT_CLOSED else " closing" if self.state >= TRANSPORT_CLOSING else ""
        return f"<{type(self).__name__}{state} fd={self.fd}>"


cdef int transport_take_descriptor(DescriptorTransport transport, object owner, int fd) noexcept:
    transport.owner = owner
    transport.fd = fd
    loop_counter_add(&transport.loop.counters.transports_opened, 1)
    return 0


cdef int wake_loop_elsewhere(Scheduler loop) except -1:
    """Wake a loop that runs in another thread, after a transport died in this one: poll(2) may still watch the
    descriptor, and a server may have been told.
    """
    if loop is not None and scheduler_runs_elsewhere(loop):
        inbox_wake(&loop.inbox)
    return 0
