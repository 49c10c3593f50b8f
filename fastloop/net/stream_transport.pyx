"""StreamTransport: TCP and Unix stream sockets.

Owns: what was written and not sent yet.
Promises: bytes arrive in order, whatever happens to the connection, or connection_lost() says why not. What is written during one
  callback leaves in one system call when that callback returns, or at once above a limit; nothing is lost by close() or abort()
  that asyncio would have sent.
Driven by: the poller's edges, which queue the transport, and the scheduler, which flushes it. A read that comes back short is the
  last one until the next edge.
"""

import socket
from asyncio import constants, transports

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact
from cpython.contextvars cimport PyContext_Exit
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from libc.errno cimport EBADF, errno

from fastloop.core.scheduler cimport SCRATCH_SIZE, scheduler_flush_later, scheduler_push
from fastloop.net.transport cimport (
    TRANSPORT_CLOSING, TRANSPORT_IS_QUEUED, TRANSPORT_IS_UNFLUSHED, TRANSPORT_LOSING, TRANSPORT_OPEN,
    TRANSPORT_OPENING, TRANSPORT_PROTOCOL_IS_BUFFERED, TRANSPORT_PROTOCOL_IS_PAUSED, TRANSPORT_READ_ENDED,
    TRANSPORT_READING_IS_PAUSED, attach, transport_init)
from fastloop.poll.poller cimport POLL_CLOSED, POLL_EDGE, POLL_READABLE, POLL_WRITABLE, poller_rearm

from asyncio.log import logger


cdef extern from "Python.h":
    PyObject *call_one "PyObject_CallOneArg"(object callable, object argument) noexcept
    PyObject *bytes_of "PyBytes_FromStringAndSize"(const char *start, Py_ssize_t size) except NULL
    int get_buffer "PyObject_GetBuffer"(object data, Py_buffer *view, int flags) noexcept
    int _PyBytes_Resize(PyObject **bytes, Py_ssize_t size) except -1

cdef extern from "calls.h":
    bint call_enter(object context) noexcept

cdef extern from "syscalls.h" nogil:
    enum:
        NET_MOST_VECTORS
    ctypedef struct iovec "struct iovec":
        void *iov_base
        size_t iov_len
    bint net_would_block(int error) noexcept
    ssize_t net_receive(int fd, void *buffer, size_t size) noexcept
    ssize_t net_receive_unix(int fd, void *buffer, size_t size, int *was_cut) noexcept
    ssize_t net_send(int fd, const void *data, size_t size) noexcept
    ssize_t net_send_vectors(int fd, const iovec *vectors, int vector_count) noexcept
    int net_shutdown_write(int fd) noexcept
    void net_set_nodelay(int fd, int family, int type) noexcept

cdef extern from "write_queue.h":
    void write_queue_open(write_queue_t *queue) noexcept
    int write_queue_push(write_queue_t *queue, object data, size_t skip) except -1
    int write_queue_vectors(const write_queue_t *queue, iovec *vectors, int most, size_t *size) noexcept
    void write_queue_advance(write_queue_t *queue, size_t sent) noexcept
    void write_queue_clear(write_queue_t *queue) noexcept


cdef enum:
    # Written during one callback, more than this leaves at once: waiting would only keep the kernel idle.
    MOST_UNSENT_BYTES = 65536
    # A read of this size makes the next one large, which spares the copy; and how large that is.
    LARGE_READ = 16384
    LARGE_READ_SIZE = 262144
    DEFAULT_HIGH_WATER = 65536


cdef:
    int AF_UNIX = getattr(socket, "AF_UNIX", -1)
    Py_ssize_t MOST_SILENT_LOST_WRITES = constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES
    # What asyncio's own stream transports are, and what its sendfile() insists on.
    object FLOW_CONTROL = transports._FlowControlMixin
    object SENDFILE_MODE = constants._SendfileMode.TRY_NATIVE
    object MINUS_ONE = -1


cdef class StreamTransport(Transport):
    """What asyncio.Transport promises, over a stream socket; isinstance() takes it for one."""

    def __cinit__(self, *args, **kwargs):
        write_queue_open(&self.output)
        self.high_water = DEFAULT_HIGH_WATER
        self.low_water = DEFAULT_HIGH_WATER // 4

    def __dealloc__(self):
        write_queue_clear(&self.output)

    @property
    def __class__(self):
        return FLOW_CONTROL

    @property
    def _start_tls_compatible(self):
        return True

    @property
    def _protocol_paused(self):
        return bool(self.flags & TRANSPORT_PROTOCOL_IS_PAUSED)

    @property
    def _sendfile_compatible(self):
        return SENDFILE_MODE

    # ---- what the kernel reports ----

    cdef int on_events(self, unsigned int events) except -1:
        if events & (POLL_READABLE | POLL_CLOSED):
            self.flags |= STREAM_MAY_READ
            if events & POLL_CLOSED:
                self.flags |= STREAM_READS_ON
        if events & (POLL_WRITABLE | POLL_CLOSED) and self.flags & STREAM_IS_BLOCKED:
            self.flags |= STREAM_MAY_WRITE
        return self.queue_work()

    cdef int queue_work(self) except -1:
        """Stand in the ready queue, once, if there is something to do."""
        if self.flags & TRANSPORT_IS_QUEUED:
            return 0
        if (self.flags & STREAM_MAY_READ and self.is_reading_now()) or self.flags & STREAM_MAY_WRITE:
            self.flags |= TRANSPORT_IS_QUEUED
            return scheduler_push(self.loop, self)
        return 0

    cdef int run(self) except -1:
        cdef bint was_entered
        # The protocol may end the connection, and then the context is gone from the transport.
        context = self.context
        self.flags &= ~<unsigned int>TRANSPORT_IS_QUEUED
        if self.state >= TRANSPORT_LOSING:
            return 0
        was_entered = call_enter(context)
        try:
            if self.flags & STREAM_MAY_READ and self.is_reading_now():
                self.read_once()
            if self.flags & STREAM_MAY_WRITE and self.state < TRANSPORT_LOSING:
                self.flags &= ~<unsigned int>(STREAM_MAY_WRITE | STREAM_IS_BLOCKED)
                self.wake_sendfile()
                self.send_output()
        finally:
            if was_entered:
                PyContext_Exit(context)
        if self.flags & (STREAM_MAY_READ | STREAM_MAY_WRITE) and self.state < TRANSPORT_LOSING:
            self.queue_work()
        return 0

    # ---- reading ----

    cdef int begin_reading(self) except -1:
        # Watched already if connection_made() wrote more than the kernel takes.
        cdef unsigned int interest = self.interest | POLL_READABLE | POLL_EDGE
        if self.state != TRANSPORT_OPENING:
            return 0
        self.move_to(TRANSPORT_OPEN)
        self.loop.watch(self.fd, self, self.interest, interest)
        self.interest = interest
        return 0

    cdef int read_once(self) except -1:
        if self.flags & TRANSPORT_PROTOCOL_IS_BUFFERED:
            return self.read_into_buffer()
        return self.read_bytes()

    cdef int read_bytes(self) except -1:
        cdef Py_ssize_t count
        cdef PyObject *data
        if self.flags & STREAM_READS_LARGE:
            data = new_bytes(LARGE_READ_SIZE)
            count = self.receive_into(PyBytes_AS_STRING(<object>data), LARGE_READ_SIZE)
            if count < 0:
                Py_DECREF(<object>data)
            else:
                _PyBytes_Resize(&data, count)
        else:
            count = self.receive_into(self.loop.scratch, SCRATCH_SIZE)
            data = bytes_of(self.loop.scratch, count) if count > 0 else NULL
        if count <= 0:
            return self.nothing_received(count)
        if count >= LARGE_READ:
            self.flags |= STREAM_READS_LARGE
        else:
            self.flags &= ~<unsigned int>STREAM_READS_LARGE
        return self.deliver(owned(data))

    cdef int deliver(self, object data) except -1:
        # The protocol may set another one meanwhile.
        receive = self.receive if self.receive is not None else self.protocol.data_received
        answer = call_one(receive, data)
        if answer is NULL:
            return self.fail_raised("Fatal error: protocol.data_received() call failed.")
        Py_DECREF(<object>answer)
        return 0

    cdef int read_into_buffer(self) except -1:
        cdef Py_buffer view
        cdef Py_ssize_t count
        receive, buffer_updated = self.receive, self.buffer_updated
        answer = call_one(receive, MINUS_ONE)
        if answer is NULL:
            return self.fail_raised("Fatal error: protocol.get_buffer() call failed.")
        buffer = owned(answer)
        if get_buffer(buffer, &view, PyBUF_SIMPLE) < 0:
            return self.fail_raised("Fatal error: protocol.get_buffer() call failed.")
        if view.len == 0 or view.readonly:
            PyBuffer_Release(&view)
            return self.fail_with(unusable(buffer), "Fatal error: protocol.get_buffer() call failed.")
        if self.state >= TRANSPORT_LOSING:
            PyBuffer_Release(&view)
            return 0
        count = self.receive_into(<char *>view.buf, view.len)
        PyBuffer_Release(&view)
        if count <= 0:
            return self.nothing_received(count)
        answer = call_one(buffer_updated, count)
        if answer is NULL:
            return self.fail_raised("Fatal error: protocol.buffer_updated() call failed.")
        Py_DECREF(<object>answer)
        return 0

    cdef Py_ssize_t receive_into(self, char *buffer, Py_ssize_t size) noexcept:
        """HOT. Read once; no Python code runs. Returns the number of bytes, 0 at the end of file, or -errno."""
        cdef Py_ssize_t count
        cdef int was_cut = 0
        cdef int fd = self.check_descriptor()
        if fd < 0:
            return -EBADF
        if self.flags & STREAM_IS_UNIX:
            count = net_receive_unix(fd, buffer, size, &was_cut)
        else:
            count = net_receive(fd, buffer, size)
        if count < 0:
            count = -errno
        if count <= 0:
            self.flags &= ~<unsigned int>(STREAM_MAY_READ | STREAM_READS_ON)
        elif count < size and not was_cut and not self.flags & STREAM_READS_ON:
            self.flags &= ~<unsigned int>STREAM_MAY_READ
            poller_rearm(&self.loop.poller, fd, POLL_READABLE)
        return count

    cdef int nothing_received(self, Py_ssize_t answer) except -1:
        if answer == 0:
            return self.end_of_file()
        if net_would_block(-answer):
            poller_rearm(&self.loop.poller, self.fd, POLL_READABLE)
            return 0
        return self.fail_with_errno(-answer, "Fatal read error on socket transport")

    cdef int end_of_file(self) except -1:
        if self.loop.is_debug:
            logger.debug("%r received EOF", self)
        try:
            keep_open = self.protocol.eof_received()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            return self.fail_with(error, "Fatal error: protocol.eof_received() call failed.")
        if not keep_open:
            self.close()
        elif self.state == TRANSPORT_OPEN:
            self.move_to(TRANSPORT_READ_ENDED)
        return 0

    def is_reading(self):
        """Return True while data may arrive."""
        return self.state < TRANSPORT_CLOSING and not self.flags & TRANSPORT_READING_IS_PAUSED

    def pause_reading(self):
        """Have no data arrive until resume_reading(). Does nothing if reading is paused or the transport is closing."""
        if self.state >= TRANSPORT_CLOSING or self.flags & TRANSPORT_READING_IS_PAUSED:
            return
        self.flags |= TRANSPORT_READING_IS_PAUSED
        if self.loop.is_debug:
            logger.debug("%r pauses reading", self)

    def resume_reading(self):
        """Undo pause_reading(). Does nothing if reading is not paused or the transport is closing."""
        if self.state >= TRANSPORT_CLOSING or not self.flags & TRANSPORT_READING_IS_PAUSED:
            return
        self.flags &= ~<unsigned int>TRANSPORT_READING_IS_PAUSED
        if self.loop.is_debug:
            logger.debug("%r resumes reading", self)
        self.queue_work()

    # ---- writing ----

    def write(self, data):
        """Send data, a bytes-like object, without blocking; what is mutable is copied.

        It leaves when the running callback returns, together with what else was written until then. After the connection is
        lost, data is dropped. Raises TypeError for anything else, RuntimeError after write_eof() and during sendfile().
        """
        if not PyBytes_CheckExact(data):
            check_data(data)
        if self.accepts_writes() and data:
            self.push(data)
            self.send_soon()

    def writelines(self, list_of_data):
        """Send the bytes-like objects of an iterable one behind the other; see write()."""
        if not self.accepts_writes():
            return
        list_of_data = list(list_of_data)
        # All or nothing: a bad one must not leave half a message behind.
        for data in list_of_data:
            check_data(data)
        for data in list_of_data:
            if data and self.state < TRANSPORT_LOSING:
                self.push(data)
        if self.output.count > 0:
            self.send_soon()

    cdef bint accepts_writes(self) except -1:
        if self.flags & STREAM_WRITE_HAS_ENDED:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self.empty_waiter is not None:
            raise RuntimeError("unable to write; sendfile is in progress")
        if self.state < TRANSPORT_LOSING:
            return True
        if self.lost_writes + 1 >= MOST_SILENT_LOST_WRITES:
            logger.warning("socket.send() raised exception.")
        self.lost_writes += 1
        return False

    cdef int push(self, object data) except -1:
        if PyBytes_CheckExact(data):
            return write_queue_push(&self.output, data, 0)
        return self.push_copy(data)

    cdef int push_copy(self, object data) except -1:
        """What may change is copied; but not what the kernel takes at once, if it is much."""
        view = memoryview(data)
        if view.nbytes > MOST_UNSENT_BYTES and view.c_contiguous and not self.flags & STREAM_IS_BLOCKED:
            self.send_output()
            if self.output.count == 0:
                sent = self.send_directly(view)
                view = view.cast("B")[sent:]
        if view.nbytes and self.state < TRANSPORT_LOSING:
            write_queue_push(&self.output, bytes(view), 0)
        return 0

    cdef Py_ssize_t send_directly(self, object data) except -1:
        cdef Py_buffer view
        cdef ssize_t sent
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        sent = net_send(self.check_descriptor(), view.buf, view.len)
        PyBuffer_Release(&view)
        # A failure comes again when the copy is sent, and is dealt with there.
        return max(sent, 0)

    cdef int send_soon(self) except -1:
        """Something was added to output: send it when the callback returns, or now if there is much, or no callback runs."""
        cdef size_t most = min(self.high_water, <size_t>MOST_UNSENT_BYTES)
        if not self.flags & STREAM_IS_BLOCKED:
            if self.output.size_bytes > most or not self.loop.is_active:
                self.send_output()
            elif not self.flags & TRANSPORT_IS_UNFLUSHED:
                self.flags |= TRANSPORT_IS_UNFLUSHED
                return scheduler_flush_later(self.loop, self)
        return self.pause_protocol_if_full()

    cdef int flush(self) except -1:
        self.flags &= ~<unsigned int>TRANSPORT_IS_UNFLUSHED
        if self.output.count > 0 and not self.flags & STREAM_IS_BLOCKED:
            self.send_output()
            return self.pause_protocol_if_full()
        return 0

    cdef int send_output(self) except -1:
        """HOT. Send until output is empty or the kernel takes no more."""
        cdef iovec vectors[NET_MOST_VECTORS]
        cdef int vector_count
        cdef size_t size
        cdef ssize_t sent
        cdef int fd = self.check_descriptor()
        while self.output.count > 0:
            vector_count = write_queue_vectors(&self.output, vectors, NET_MOST_VECTORS, &size)
            if vector_count == 1:
                sent = net_send(fd, vectors[0].iov_base, vectors[0].iov_len)
            else:
                sent = net_send_vectors(fd, vectors, vector_count)
            if sent < 0:
                if net_would_block(errno):
                    self.block()
                    break
                return self.fail_with_errno(EBADF if fd < 0 else errno, "Fatal write error on socket transport")
            write_queue_advance(&self.output, sent)
            if <size_t>sent < size:
                self.block()
                break
        self.resume_protocol_if_drained()
        # resume_writing() may have written more, or closed.
        if self.output.count == 0 and self.state < TRANSPORT_LOSING:
            return self.output_is_empty()
        return 0

    cdef int block(self) except -1:
        cdef unsigned int interest = self.interest | POLL_WRITABLE | POLL_EDGE
        self.flags |= STREAM_IS_BLOCKED
        if interest == self.interest:
            poller_rearm(&self.loop.poller, self.fd, POLL_WRITABLE)
        else:
            self.loop.watch(self.fd, self, self.interest, interest)
            self.interest = interest
        return 0

    cdef int output_is_empty(self) except -1:
        if self.flags & STREAM_IS_UNIX and self.interest & POLL_WRITABLE and self.interest & POLL_READABLE:
            # A Unix socket is reported writable each time the peer reads.
            self.loop.watch(self.fd, self, self.interest, POLL_READABLE | POLL_EDGE)
            self.interest = POLL_READABLE | POLL_EDGE
        if self.empty_waiter is not None and not self.empty_waiter.done():
            self.empty_waiter.set_result(None)
        if self.state == TRANSPORT_CLOSING:
            return self.lose(None)
        if self.flags & STREAM_WRITE_HAS_ENDED and not self.flags & STREAM_EOF_IS_SENT:
            self.flags |= STREAM_EOF_IS_SENT
            net_shutdown_write(self.check_descriptor())
        return 0

    def write_eof(self):
        """Send what was written and then the end of file; reading goes on. Does nothing the second time."""
        if self.state >= TRANSPORT_CLOSING or self.flags & STREAM_WRITE_HAS_ENDED:
            return
        self.flags |= STREAM_WRITE_HAS_ENDED
        if not self.flags & STREAM_IS_BLOCKED:
            self.send_output()

    def can_write_eof(self):
        """Return True: stream sockets can be closed in one direction."""
        return True

    def close(self):
        """Send what was written, then close; connection_lost(None) follows. No more data arrives."""
        if self.state >= TRANSPORT_CLOSING:
            return
        if self.output.count > 0 and not self.flags & STREAM_IS_BLOCKED:
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
        if self.state < TRANSPORT_LOSING and self.output.count > 0 and not self.flags & STREAM_IS_BLOCKED:
            self.send_output()
        self.lose(None)

    cdef int drop_output(self) except -1:
        write_queue_clear(&self.output)
        return 0

    # ---- flow control ----

    def get_write_buffer_size(self):
        """Return the number of bytes that wait to be sent."""
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
        self.high_water, self.low_water = high, low
        if self.output.count > 0 and not self.flags & STREAM_IS_BLOCKED:
            self.send_output()
        if self.state < TRANSPORT_LOSING:
            self.pause_protocol_if_full()

    cdef int pause_protocol_if_full(self) except -1:
        # What nobody has tried to send yet does not count: the kernel may take it all.
        if (not self.flags & STREAM_IS_BLOCKED or self.flags & TRANSPORT_PROTOCOL_IS_PAUSED
                or self.output.size_bytes <= self.high_water):
            return 0
        self.flags |= TRANSPORT_PROTOCOL_IS_PAUSED
        return self.tell_protocol("pause_writing")

    cdef int resume_protocol_if_drained(self) except -1:
        if self.flags & TRANSPORT_PROTOCOL_IS_PAUSED and self.output.size_bytes <= self.low_water:
            self.flags &= ~<unsigned int>TRANSPORT_PROTOCOL_IS_PAUSED
            return self.tell_protocol("resume_writing")
        return 0

    # ---- sendfile() ----

    def _make_empty_waiter(self):
        """Return a future that is done when everything is sent; until _reset_empty_waiter() nothing can be written."""
        if self.empty_waiter is not None:
            raise RuntimeError("Empty waiter is already set")
        if self.output.count > 0 and not self.flags & STREAM_IS_BLOCKED:
            self.send_output()
        waiter = self.empty_waiter = self.loop.create_future()
        if self.output.count == 0:
            waiter.set_result(None)
        return waiter

    def _reset_empty_waiter(self):
        self.empty_waiter = self.writable_waiter = None

    def _open_descriptor(self):
        """The descriptor. Raises ConnectionError if the connection is gone."""
        if self.state >= TRANSPORT_LOSING:
            raise ConnectionError("Connection is closed by peer")
        return self.check_descriptor()

    def _wait_writable(self):
        """Return a future that is done when it is worth trying to send past the transport again."""
        self._open_descriptor()
        self.writable_waiter = self.loop.create_future()
        self.block()
        return self.writable_waiter

    cdef int wake_sendfile(self) except -1:
        waiter, self.writable_waiter = self.writable_waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        return 0

    def _call_connection_lost(self, exc):
        waiters = (self.empty_waiter, self.writable_waiter)
        try:
            Transport._call_connection_lost(self, exc)
        finally:
            for waiter in waiters:
                if waiter is not None and not waiter.done():
                    waiter.set_exception(ConnectionError("Connection is closed by peer"))

    def __repr__(self):
        text = Transport.__repr__(self)
        if self.state >= TRANSPORT_LOSING:
            return text
        reading = "polling" if self.is_reading_now() else "idle"
        writing = "polling" if self.flags & STREAM_IS_BLOCKED else "idle"
        return f"{text.removesuffix('>')} read={reading} write=<{writing}, bufsize={self.output.size_bytes}>>"


cdef int check_data(object data) except -1:
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}")
    return 0


cdef object unusable(object buffer):
    if not len(buffer):
        return RuntimeError("get_buffer() returned an empty buffer")
    return TypeError(f"get_buffer() returned a read-only buffer, {type(buffer).__name__!r}")


cdef PyObject *new_bytes(Py_ssize_t size) except NULL:
    """Bytes that nobody has seen yet, to be filled."""
    return bytes_of(NULL, size)


cdef inline object owned(PyObject *reference):
    """The object of a new reference, which passes to the result."""
    result = <object>reference
    Py_DECREF(result)
    return result


cdef StreamTransport new_stream_transport(LoopCore loop, object sock, object protocol, object context, dict extra, object server):
    cdef StreamTransport transport = StreamTransport.__new__(StreamTransport)
    transport.family, transport.type, transport.proto = sock.family, sock.type, sock.proto
    transport_init(transport, loop, sock, sock.fileno(), protocol, context, extra)
    if transport.family == AF_UNIX:
        transport.flags |= STREAM_IS_UNIX
    net_set_nodelay(transport.fd, transport.family, transport.type)
    if extra is not None and "peername" in extra:
        transport.peername = extra["peername"]
    else:
        try:
            transport.peername = sock.getpeername()
        except OSError:
            pass
    if server is not None:
        attach(server, transport)
    return transport


cdef StreamTransport new_accepted_transport(
        LoopCore loop, int fd, int family, int type, int proto, object peername, object protocol, object context, object server):
    cdef StreamTransport transport = StreamTransport.__new__(StreamTransport)
    transport.family, transport.type, transport.proto = family, type, proto
    transport_init(transport, loop, None, fd, protocol, context, None)
    if family == AF_UNIX:
        transport.flags |= STREAM_IS_UNIX
    transport.peername = peername
    if server is not None:
        attach(server, transport)
    return transport


cdef int stream_transport_start(StreamTransport transport) except -1:
    transport._call_connection_made(None)
    return 0
