"""SendingTransport: what a transport still has to send.

Owns: the bytes that were written and are not sent yet.
Promises: they are sent in order, whatever happens to the connection, or connection_lost() says why not. A full kernel is
  tried again when it reports room. close() and abort() lose nothing that asyncio would have sent.
Driven by: WritingTransport, and the poller through the subclass.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.errno cimport EBADF, errno

from fastloop.core.loop_counters cimport loop_counter_add_bytes
from fastloop.core.scheduler cimport scheduler_expect_events
from fastloop.net.syscalls cimport NET_MAX_VECTORS, iovec, net_send, net_send_vectors, net_would_block
from fastloop.poll.poller cimport POLL_WRITABLE
from fastloop.transports.descriptor_transport cimport DescriptorTransport, transport_fd
from fastloop.transports.flow_control_transport cimport FlowControlTransport
from fastloop.transports.lifecycle cimport TRANSPORT_CLOSING, TRANSPORT_LOSING, TRANSPORT_OPEN
from fastloop.transports.sendfile_waiters cimport SendfileWaiters
from fastloop.transports.write_queue cimport (
    write_queue_advance, write_queue_clear, write_queue_open, write_queue_push, write_queue_vectors)


cdef class SendingTransport(FlowControlTransport):
    def __cinit__(self, *args, **kwargs):
        write_queue_open(&self.output)

    def __dealloc__(self):
        write_queue_clear(&self.output)

    cdef size_t unsent_bytes(self) noexcept:
        return self.output.size_bytes

    # ---- sending ----

    cdef int push(self, object data) except -1:
        return write_queue_push(&self.output, data if PyBytes_CheckExact(data) else bytes(data), 0)

    cdef int send_bytes(self, object data) except -1:
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        cdef ssize_t sent = net_send(transport_fd(self), PyBytes_AS_STRING(data), size)
        loop_counter_add_bytes(&self.loop.counters.bytes_sent, sent)
        return 0 if sent == size else self.keep_rest(sent, errno, data, max(sent, 0))

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
            loop_counter_add_bytes(&self.loop.counters.bytes_sent, sent)
            if sent < view.len:
                rest = PyBytes_FromStringAndSize(<char *>view.buf + max(sent, 0), view.len - max(sent, 0))
        finally:
            PyBuffer_Release(&view)
        return 0 if rest is None else self.keep_rest(sent, error, rest, 0)

    cdef int send_memory(self, const char *data, Py_ssize_t size) except -1:
        cdef ssize_t sent
        cdef int error
        if self.drops_writes():
            return 0
        scheduler_expect_events(self.loop)
        if self.bits.is_blocked or self.output.count > 0:
            self.push(PyBytes_FromStringAndSize(data, size))
            return self.pause_protocol_if_full() if self.bits.is_blocked else self.send_output_and_pause()
        sent = net_send(transport_fd(self), data, size)
        error = errno
        loop_counter_add_bytes(&self.loop.counters.bytes_sent, sent)
        if sent == size:
            return 0
        return self.keep_rest(sent, error, PyBytes_FromStringAndSize(data + max(sent, 0), size - max(sent, 0)), 0)

    cdef int keep_rest(self, ssize_t sent, int error, object data, Py_ssize_t skip) except -1:
        """The kernel has taken a part, or (sent is -1) has refused everything with error. What is left of data begins at skip."""
        if sent < 0 and not net_would_block(error):
            return self.fail_with_errno(EBADF if transport_fd(self) < 0 else error, "Fatal write error on socket transport")
        write_queue_push(&self.output, data, skip)
        self.block()
        return self.pause_protocol_if_full()

    cdef int send_output(self) except -1:
        return send_all(self)

    cdef int send_output_and_pause(self) except -1:
        send_all(self)
        return self.pause_protocol_if_full()

    cdef int abandon_output(self) except -1:
        # asyncio would have sent this by now: it was only held for a later write.
        if not self.bits.is_blocked:
            send_ignoring_errors(self)
        write_queue_clear(&self.output)
        return 0

    # ---- a full kernel ----

    cdef int send_again(self) except -1:
        if self.state >= TRANSPORT_LOSING:
            return 0
        self.bits.may_send = False
        self.bits.is_blocked = False
        if self.sendfile is not None:
            self.sendfile.note_writable()
        return self.send_output()

    cdef int output_is_empty(self) except -1:
        if self.bits.uses_levels and self.interest & POLL_WRITABLE:
            self.update_interest()
        if self.state != TRANSPORT_OPEN or self.bits.reading_is_paused:
            self.update_keep_alive()
        if self.sendfile is not None:
            self.sendfile.note_empty()
        if self.state == TRANSPORT_CLOSING:
            return self.begin_losing(None)
        return self.finish_writing() if self.bits.eof_is_wanted else 0

    cdef int finish_writing(self) except -1:
        return 0

    # ---- sendfile() ----

    def _make_empty_waiter(self):
        """Return a future that is done when everything is sent. Nothing can be written until _reset_empty_waiter()."""
        if self.sendfile is not None:
            raise RuntimeError("Empty waiter is already set")
        if self.output.count > 0 and not self.bits.is_blocked:
            self.send_output()
        # First, since a loop's own create_future() may fail, and the transport must stay writable.
        waiter = self.loop.create_future()
        self.sendfile = SendfileWaiters()
        self.sendfile.empty = waiter
        if self.output.count == 0:
            self.sendfile.note_empty()
        return waiter

    def _reset_empty_waiter(self):
        self.sendfile = None

    def _open_descriptor(self):
        """Return the descriptor. Raises ConnectionError if the connection is gone."""
        if self.state >= TRANSPORT_LOSING:
            raise ConnectionError("Connection is closed by peer")
        return transport_fd(self)

    def _wait_writable(self):
        """Return a future that is done when the kernel may take more from sendfile()."""
        self._open_descriptor()
        waiter = self.loop.create_future()
        # Looked at again: create_future() may be the program's.
        if self.sendfile is None:
            raise RuntimeError("sendfile is not in progress")
        self.sendfile.writable = waiter
        self.block()
        return waiter

    cdef int release(self, bint has_caller) except -1:
        try:
            DescriptorTransport.release(self, has_caller)
        finally:
            if self.sendfile is not None:
                self.sendfile.fail()
        return 0


cdef inline ssize_t send_once(SendingTransport self, int fd, size_t *size) noexcept:
    """HOT. One system call for up to size bytes of output. Returns how many the kernel has taken, or -1 with errno."""
    cdef iovec vectors[NET_MAX_VECTORS]
    cdef ssize_t sent
    cdef int vector_count = write_queue_vectors(&self.output, vectors, NET_MAX_VECTORS, size)
    if vector_count == 1:
        sent = net_send(fd, vectors[0].iov_base, vectors[0].iov_len)
    else:
        sent = net_send_vectors(fd, vectors, vector_count)
    loop_counter_add_bytes(&self.loop.counters.bytes_sent, sent)
    if sent > 0:
        write_queue_advance(&self.output, sent)
    return sent


cdef inline int send_all(SendingTransport self) except -1:
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
    # resume_writing() may have written more, or closed the transport.
    if self.output.count == 0 and self.state < TRANSPORT_LOSING:
        return self.output_is_empty()
    return 0


cdef int send_ignoring_errors(SendingTransport self) noexcept:
    cdef size_t size
    cdef int fd = transport_fd(self)
    while fd >= 0 and self.output.count > 0 and send_once(self, fd, &size) > 0:
        pass
    return 0
