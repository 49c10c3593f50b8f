"""OutputTransport: what a transport still has to send.

Owns: the bytes that were written and not sent yet.
Promises: they leave in order, whatever happens to the connection, or connection_lost() says why not. They leave at once, except
  that the first write of a step is held back where others follow as good as certainly (write_habit.h); that leaves with the last
  of them, with any question to the transport, or when the step ends. Nothing is lost by close() or abort() that asyncio would
  have sent.
Driven by: the program's writes, the scheduler, which flushes, and the poller, which says when a full kernel takes more.
"""

from asyncio import base_events, constants, transports

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_CheckBuffer, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.errno cimport EBADF, errno
from libc.stdint cimport uint32_t

from fastloop.core.scheduler cimport scheduler_ends_step, scheduler_expect_events, scheduler_flush_later
from fastloop.net.syscalls cimport (
    NET_MOST_VECTORS, iovec, net_send, net_send_vectors, net_shutdown_write, net_would_block)
from fastloop.poll.poller cimport POLL_EDGE, POLL_READABLE, POLL_WRITABLE, poller_rearm
from fastloop.python.capi cimport PY_SSIZE_T_MAX, Py_REFCNT, object_type
from fastloop.python.cpython_compat cimport COMPAT_WRITELINES_HAS_ITS_NAME
from fastloop.transports.lifecycle cimport TRANSPORT_CLOSING, TRANSPORT_LOSING, TRANSPORT_OPEN
from fastloop.transports.transport cimport (
    TRANSPORT_IS_UNFLUSHED, TRANSPORT_PROTOCOL_IS_PAUSED, TRANSPORT_READING_IS_PAUSED, transport_fd, transport_reads,
    transport_runs_elsewhere)
from fastloop.transports.write_habit cimport (
    write_burst_count, write_burst_expects_more, write_burst_expects_return, write_burst_goes_on,
    write_burst_is_fresh, write_burst_now, write_habit_learn, write_habit_learn_return, write_habit_of_class,
    write_habit_open)
from fastloop.transports.write_queue cimport (
    write_queue_advance, write_queue_clear, write_queue_open, write_queue_push, write_queue_vectors)


cdef enum:
    # More than this leaves at once: to wait would only keep the kernel idle.
    MAX_HELD_BYTES = 65536
    DEFAULT_HIGH_WATER = 65536


cdef:
    Py_ssize_t MOST_SILENT_LOST_WRITES = constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES
    # What asyncio's messages call it.
    str WRITELINES = "writelines" if COMPAT_WRITELINES_HAS_ITS_NAME else "write"
    # What asyncio's own stream transports are, and what its sendfile() insists on.
    object FLOW_CONTROL = transports._FlowControlMixin


cdef class OutputTransport(Transport):
    """The writing half of what asyncio.Transport promises; isinstance() takes it for one."""

    def __cinit__(self, *args, **kwargs):
        write_queue_open(&self.output)
        write_habit_open(&self.burst.habit)
        self.high_water = DEFAULT_HIGH_WATER
        self.low_water = DEFAULT_HIGH_WATER // 4

    def __dealloc__(self):
        write_queue_clear(&self.output)

    @property
    def __class__(self):
        return FLOW_CONTROL

    @property
    def _protocol_paused(self):
        return bool(self.flags & TRANSPORT_PROTOCOL_IS_PAUSED)

    def write(self, data):
        """Send data, a bytes-like object, without blocking; what is mutable is copied.

        It leaves at once, save where the program's habit says that another write follows within microseconds: then both leave
        together, at the latest when the running callback or step ends. After the connection is lost, data is dropped.
        Raises TypeError for anything else, RuntimeError after write_eof() and during sendfile().
        """
        if not PyBytes_CheckExact(data):
            check_data(data)
            data = plain(data)
        self.check_writable("write")
        if not len(data) or self.drops_writes():
            return
        scheduler_expect_events(self.loop)
        if self.flags & OUTPUT_IS_BLOCKED:
            self.push(data)
            self.pause_protocol_if_full()
        elif self.holds_back():
            self.push(data)
            self.hold()
        elif self.output.count > 0:
            self.push(data)
            self.send_pushed()
        elif PyBytes_CheckExact(data):
            self.send_bytes(data)
        else:
            self.send_buffer(data)

    def writelines(self, list_of_data):
        """Send the bytes-like objects of an iterable one behind the other; see write()."""
        self.check_writable(WRITELINES)
        list_of_data = list(list_of_data)
        # All or nothing: a bad one must not leave half a message behind.
        list_of_data = [data if PyBytes_CheckExact(data) else plain_buffer(data) for data in list_of_data]
        list_of_data = [data for data in list_of_data if data]
        if not list_of_data or self.drops_writes():
            return
        for data in list_of_data:
            self.push(data)
        scheduler_expect_events(self.loop)
        if self.flags & OUTPUT_IS_BLOCKED:
            self.pause_protocol_if_full()
        elif self.holds_back():
            self.hold()
        else:
            self.send_pushed()

    cdef int check_writable(self, str method) except -1:
        if self.flags & OUTPUT_HAS_ENDED:
            raise RuntimeError(f"Cannot call {method}() after write_eof()")
        if self.empty_waiter is not None:
            raise RuntimeError(f"unable to {method}; sendfile is in progress")
        return 0

    cdef bint drops_writes(self) except -1:
        """After the connection is lost, writes are dropped and counted."""
        if self.state < TRANSPORT_LOSING:
            return False
        if self.lost_writes + 1 >= MOST_SILENT_LOST_WRITES:
            base_events.logger.warning("socket.send() raised exception.")
        self.lost_writes += 1
        return True

    cdef int push(self, object data) except -1:
        return write_queue_push(&self.output, data if PyBytes_CheckExact(data) else bytes(data), 0)

    # ---- leaving at once ----

    cdef int send_bytes(self, object data) except -1:
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        cdef ssize_t sent = net_send(transport_fd(self), PyBytes_AS_STRING(data), size)
        if sent < size:
            return self.keep_rest(sent, errno, data, max(sent, 0))
        self.burst.ended_at = write_burst_now()
        return 0

    cdef int send_buffer(self, object data) except -1:
        """Only what the kernel does not take is copied."""
        cdef Py_buffer view
        cdef ssize_t sent
        cdef int error
        rest = None
        if isinstance(data, memoryview) and not data.c_contiguous:
            return self.send_bytes(data.tobytes())
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            sent = net_send(transport_fd(self), view.buf, view.len)
            error = errno
            if sent < view.len:
                rest = PyBytes_FromStringAndSize(<char *>view.buf + max(sent, 0), view.len - max(sent, 0))
        finally:
            PyBuffer_Release(&view)
        if rest is not None:
            return self.keep_rest(sent, error, rest, 0)
        self.burst.ended_at = write_burst_now()
        return 0

    cdef int keep_rest(self, ssize_t sent, int error, object data, Py_ssize_t skip) except -1:
        """The kernel has taken a part, or (sent is -1) has refused everything with error. What is left of data begins at skip."""
        if sent < 0 and not net_would_block(error):
            return self.fail_with_errno(EBADF if transport_fd(self) < 0 else error, "Fatal write error on socket transport")
        write_queue_push(&self.output, data, skip)
        self.block()
        self.pause_protocol_if_full()
        self.burst.ended_at = write_burst_now()
        return 0

    cdef int send_pushed(self) except -1:
        send_queued(self)
        self.burst.ended_at = write_burst_now()
        return self.pause_protocol_if_full()

    # ---- waiting for the rest of a burst ----

    cdef bint holds_back(self) noexcept:
        """Count a write. Is another one as good as certain, in this step of the loop's own thread?"""
        cdef uint32_t step = <uint32_t>self.loop.steps
        cdef bint goes_on = write_burst_goes_on(&self.burst, step)
        if not goes_on and self.burst.count > 0:
            self.end_burst()
        write_burst_count(&self.burst, step, goes_on)
        if write_burst_expects_more(&self.burst) or (
                self.flags & OUTPUT_IN_CALLBACK and write_burst_expects_return(&self.burst)):
            return scheduler_ends_step(self.loop) and not has_socket_elsewhere(self)
        return False

    cdef int hold(self) except -1:
        """Something was pushed: it waits for the rest of the burst, unless it is much already."""
        self.burst.ended_at = write_burst_now()
        if self.output.size_bytes > max_held(self):
            return self.send_pushed()
        if not self.flags & TRANSPORT_IS_UNFLUSHED:
            self.flags |= TRANSPORT_IS_UNFLUSHED
            return scheduler_flush_later(self.loop, self)
        return 0

    cdef int end_burst(self) noexcept:
        write_habit_learn(&self.burst.habit, self.burst.count)
        if self.protocol is not None:
            write_habit_learn(write_habit_of_class(object_type(<PyObject *>self.protocol)), self.burst.count)
        self.burst.count = 0
        return 0

    cdef int callback_returned(self) noexcept:
        """The protocol's callback has returned: did it write once, and only just now?"""
        cdef bint is_soon
        if self.burst.count == 1 and self.protocol is not None and self.burst.step == <uint32_t>self.loop.steps:
            is_soon = write_burst_is_fresh(&self.burst)
            write_habit_learn_return(&self.burst.habit, is_soon)
            write_habit_learn_return(write_habit_of_class(object_type(<PyObject *>self.protocol)), is_soon)
        return 0

    cdef int note_protocol(self) except -1:
        self.burst.habit = write_habit_of_class(object_type(<PyObject *>self.protocol))[0]
        return 0

    cdef int settle_output(self) except -1:
        if transport_runs_elsewhere(self):
            # What is held back leaves when the step of the loop's thread ends.
            return 0
        self.burst.may_hold = False
        if self.burst.count > 0:
            self.end_burst()
        if self.output.count > 0 and not self.flags & OUTPUT_IS_BLOCKED:
            return self.flush()
        return 0

    cdef int flush(self) except -1:
        self.flags &= ~<unsigned int>TRANSPORT_IS_UNFLUSHED
        if self.output.count > 0 and not self.flags & OUTPUT_IS_BLOCKED:
            send_queued(self)
            return self.pause_protocol_if_full()
        return 0

    cdef int send_output(self) except -1:
        return send_queued(self)

    cdef int settle_interest(self) except -1:
        """Where levels are used: what is not wanted now would be reported in every turn."""
        cdef unsigned int interest = 0
        if transport_reads(self):
            interest |= POLL_READABLE
        if self.flags & OUTPUT_IS_BLOCKED:
            interest |= POLL_WRITABLE
        return self.watch_for(interest)

    cdef int block(self) except -1:
        cdef unsigned int interest = self.interest | POLL_WRITABLE | POLL_EDGE
        self.flags |= OUTPUT_IS_BLOCKED
        if self.flags & OUTPUT_USES_LEVELS:
            self.settle_interest()
        elif interest == self.interest:
            poller_rearm(&self.loop.poller, self.fd, POLL_WRITABLE)
        else:
            self.watch_for(interest)
        return self.update_hold()

    cdef int output_is_empty(self) except -1:
        if self.flags & OUTPUT_USES_LEVELS and self.interest & POLL_WRITABLE:
            self.settle_interest()
        if self.state != TRANSPORT_OPEN or self.flags & TRANSPORT_READING_IS_PAUSED:
            self.update_hold()
        if self.empty_waiter is not None and not self.empty_waiter.done():
            self.empty_waiter.set_result(None)
        if self.state == TRANSPORT_CLOSING:
            return self.lose(None)
        if self.flags & OUTPUT_HAS_ENDED and not self.flags & OUTPUT_EOF_IS_SENT:
            self.flags |= OUTPUT_EOF_IS_SENT
            net_shutdown_write(transport_fd(self))
        return 0

    def write_eof(self):
        """Send what was written and then the end of file; reading goes on. Does nothing the second time."""
        if self.state >= TRANSPORT_CLOSING or self.flags & OUTPUT_HAS_ENDED:
            return
        self.flags |= OUTPUT_HAS_ENDED
        if not self.flags & OUTPUT_IS_BLOCKED:
            self.send_output()

    def can_write_eof(self):
        """Return True: stream sockets can be closed in one direction."""
        return True

    def close(self):
        """Send what was written, then close; connection_lost(None) follows. No more data arrives."""
        if transport_runs_elsewhere(self):
            # As a StreamWriter does that dies in any thread.
            loop = self.loop
            if loop is not None:
                loop.call_soon_threadsafe(self.close)
            return
        if self.state < TRANSPORT_CLOSING and self.output.count > 0 and not self.flags & OUTPUT_IS_BLOCKED:
            self.send_output()
        if self.state >= TRANSPORT_CLOSING:
            return
        if self.output.count == 0:
            self.lose(None)
        else:
            self.move_to(TRANSPORT_CLOSING)

    def abort(self):
        """Close at once: what the kernel has not taken is dropped, and connection_lost(None) is called in the next turn."""
        # asyncio has handed it to the kernel by now, as far as there was room.
        if self.state < TRANSPORT_LOSING and self.output.count > 0 and not self.flags & OUTPUT_IS_BLOCKED:
            self.send_output()
        self.lose(None)

    cdef int drop_output(self) except -1:
        if self.burst.count > 0:
            self.end_burst()
        if not self.flags & OUTPUT_IS_BLOCKED:
            send_held(self)
        write_queue_clear(&self.output)
        return 0

    # ---- flow control ----

    def get_write_buffer_size(self):
        """Return the number of bytes that wait to be sent."""
        self.settle_output()
        return self.output.size_bytes

    def get_write_buffer_limits(self):
        """Return the limits (low, high) in bytes."""
        return (self.low_water, self.high_water)

    def set_write_buffer_limits(self, high=None, low=None):
        """Call pause_writing() above high bytes that wait to be sent, resume_writing() at low or below.

        By default high is 64 KiB, or four times low, and low a quarter of high. Raises ValueError unless high >= low >= 0.
        """
        if high is None:
            high = DEFAULT_HIGH_WATER if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self.high_water, self.low_water = min(high, PY_SSIZE_T_MAX), min(low, PY_SSIZE_T_MAX)
        self.settle_output()
        if self.state < TRANSPORT_LOSING:
            self.pause_protocol_if_full()

    cdef int pause_protocol_if_full(self) except -1:
        # What nobody has tried to send yet does not count: the kernel may take it all.
        if (not self.flags & OUTPUT_IS_BLOCKED or self.flags & TRANSPORT_PROTOCOL_IS_PAUSED
                or self.output.size_bytes <= self.high_water):
            return 0
        self.flags |= TRANSPORT_PROTOCOL_IS_PAUSED
        return self.tell_protocol("pause_writing")

    cdef int resume_protocol_if_drained(self) except -1:
        # A lost connection has nothing to write, but no room for more either.
        if (self.flags & TRANSPORT_PROTOCOL_IS_PAUSED and self.output.size_bytes <= self.low_water
                and self.state < TRANSPORT_LOSING):
            self.flags &= ~<unsigned int>TRANSPORT_PROTOCOL_IS_PAUSED
            return self.tell_protocol("resume_writing")
        return 0


cdef inline size_t max_held(OutputTransport self) noexcept:
    """How much may be held back. A program that sets a lower limit wants to hear early of what the kernel does not take."""
    return min(self.high_water, <size_t>MAX_HELD_BYTES)


cdef inline ssize_t send_once(OutputTransport self, int fd, size_t *size) noexcept:
    """HOT. One system call for up to size bytes of output. Returns how many the kernel has taken, or -1 with errno."""
    cdef iovec vectors[NET_MOST_VECTORS]
    cdef ssize_t sent
    cdef int vector_count = write_queue_vectors(&self.output, vectors, NET_MOST_VECTORS, size)
    if vector_count == 1:
        sent = net_send(fd, vectors[0].iov_base, vectors[0].iov_len)
    else:
        sent = net_send_vectors(fd, vectors, vector_count)
    if sent > 0:
        write_queue_advance(&self.output, sent)
    return sent


cdef inline int send_queued(OutputTransport self) except -1:
    """HOT. Send until output is empty or the kernel takes no more."""
    cdef size_t size
    cdef ssize_t sent
    cdef int fd = transport_fd(self)
    while self.output.count > 0:
        sent = send_once(self, fd, &size)
        if sent < 0:
            if net_would_block(errno):
                self.block()
                break
            return self.fail_with_errno(EBADF if fd < 0 else errno, "Fatal write error on socket transport")
        if <size_t>sent < size:
            self.block()
            break
    self.resume_protocol_if_drained()
    # resume_writing() may have written more, or closed.
    if self.output.count == 0 and self.state < TRANSPORT_LOSING:
        return self.output_is_empty()
    return 0


cdef int send_held(OutputTransport self) noexcept:
    """Before the connection is lost: asyncio would have sent by now what is held back here. Errors are ignored."""
    cdef size_t size
    cdef int fd = transport_fd(self)
    while fd >= 0 and self.output.count > 0 and send_once(self, fd, &size) > 0:
        pass
    return 0


cdef int check_data(object data) except -1:
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}")
    return 0


cdef object plain(object data):
    """A copy of a subclass's content: its methods must not run in the middle of a write."""
    kind = type(data)
    return data if kind is bytearray or kind is memoryview else memoryview(data).tobytes()


cdef object plain_buffer(object data):
    if not PyObject_CheckBuffer(data):
        check_data(data)
    return plain(data)


cdef inline bint has_socket_elsewhere(OutputTransport self) noexcept:
    """Whether the program holds the socket: it may use it directly, and everything written must have been sent before."""
    cdef Py_ssize_t own_references = 1
    if self.transport_socket is not None:
        if Py_REFCNT(<PyObject *>self.transport_socket) > 1:
            return True
        own_references = 2
    return self.sock is not None and Py_REFCNT(<PyObject *>self.sock) > own_references
