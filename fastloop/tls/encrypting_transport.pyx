"""EncryptingTransport: the writing half of a TLS transport, and the transport below it.

Owns: what was written and is not encrypted yet, and the transport below.
Promises: what is written in one burst becomes as few records as possible and one system call. While the transport below is
  full, nothing more is encrypted. Write limits count what is unsent there, too.
Driven by: WritingTransport, for the program's writes, and TlsTransport.
"""

from asyncio import base_events, constants, exceptions

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcpy

from fastloop.core.scheduler cimport scheduler_is_in_step
from fastloop.net.syscalls cimport NET_MAX_VECTORS, iovec
from fastloop.tls.session_states cimport SESSION_OPEN
from fastloop.tls.tls_engine cimport TLS_WANTS_INPUT
from fastloop.transports.lifecycle cimport TRANSPORT_CLOSING, TRANSPORT_LOSING
from fastloop.transports.sendfile_waiters cimport SendfileWaiters
from fastloop.transports.write_queue cimport write_queue_advance, write_queue_clear, write_queue_push, write_queue_vectors
from fastloop.transports.writing_transport cimport WritingTransport


cdef enum:
    # The most data that a record holds.
    RECORD_BYTES = 16384
    # After so many records they are sent, and the transport below is asked whether it is full.
    MAX_UNSENT_RECORD_BYTES = 131072
    # As many writes of one burst leave at once.
    WRITES_OF_A_LOOP = 3
    # The limits of a transport below that has those of asyncio.
    LOWER_HIGH_BYTES = 65536
    LOWER_LOW_BYTES = 16384


cdef:
    Py_ssize_t HIGH_BYTES = 1024 * constants.FLOW_CONTROL_HIGH_WATER_SSL_WRITE
    Py_ssize_t MAX_SILENT_LOST_WRITES = constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES


cdef class EncryptingTransport(WritingTransport):
    def __cinit__(self, *args, **kwargs):
        self.limits.high_bytes, self.limits.low_bytes = HIGH_BYTES, HIGH_BYTES // 4
        # Nothing is sent before the handshake is done.
        self.bits.is_blocked = True

    # ---- what the program writes ----

    cdef bint drops_writes(self) except -1:
        # A peer that has left is not written to: the error would come before what it has sent.
        if self.state < TRANSPORT_CLOSING and not self.lower_has_ended:
            return False
        if self.lost_writes + (self.state >= TRANSPORT_LOSING) >= MAX_SILENT_LOST_WRITES:
            base_events.logger.warning("SSL connection is closed")
        self.lost_writes += 1
        return True

    cdef bint holds_back(self) noexcept:
        # After a few writes within microseconds, it is a loop that writes. A record for each costs more than its data.
        return WritingTransport.holds_back(self) or (
            self.burst.count > WRITES_OF_A_LOOP and scheduler_is_in_step(self.loop))

    cdef int send_bytes(self, object data) except -1:
        return self.encrypt(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), data)

    cdef int send_buffer(self, object data) except -1:
        cdef Py_buffer view
        if isinstance(data, memoryview) and not data.c_contiguous:
            return self.send_bytes(data.tobytes())
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            return self.encrypt(<char *>view.buf, view.len, None)
        finally:
            PyBuffer_Release(&view)

    cdef int send_memory(self, const char *data, Py_ssize_t size) except -1:
        """TLS inside TLS: the records of another session."""
        if self.drops_writes():
            return 0
        if self.bits.is_blocked or self.output.count > 0:
            self.push(PyBytes_FromStringAndSize(data, size))
            return self.pause_protocol_if_full() if self.bits.is_blocked else self.send_output_and_pause()
        return self.encrypt(data, size, None)

    cdef size_t unsent_bytes(self) noexcept:
        cdef size_t below = 0
        if self.native is not None:
            below = self.native.unsent_bytes()
        elif self.lower is not None:
            below = foreign_unsent_bytes(self.lower)
        return self.output.size_bytes + below

    # ---- encrypting ----

    cdef int encrypt(self, const char *data, Py_ssize_t size, object owner) except -1:
        cdef Py_ssize_t count, taken = 0
        try:
            while taken < size and not self.bits.is_blocked:
                count = self.session.engine.write(data + taken, min(size - taken, <Py_ssize_t>MAX_UNSENT_RECORD_BYTES))
                if count == TLS_WANTS_INPUT:
                    break
                taken += count
                if self.session.engine.output_bytes() >= MAX_UNSENT_RECORD_BYTES:
                    self.send_records()
            self.send_records()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            return self.fail_with(error, "")
        if taken < size and self.state < TRANSPORT_LOSING:
            if owner is None:
                write_queue_push(&self.output, PyBytes_FromStringAndSize(data + taken, size - taken), 0)
            else:
                write_queue_push(&self.output, owner, taken)
        return self.pause_protocol_if_full()

    cdef bint encrypt_some(self) except -1:
        cdef iovec first
        cdef size_t size
        # Not left empty: there is output. C compilers cannot know.
        first.iov_base = NULL
        write_queue_vectors(&self.output, &first, 1, &size)
        if size < RECORD_BYTES and self.output.count > 1:
            return self.encrypt_joined()
        # The queue keeps the data alive.
        return self.encrypt_queued(<char *>first.iov_base, min(size, <size_t>MAX_UNSENT_RECORD_BYTES))

    cdef bint encrypt_joined(self) except -1:
        """Encrypt several writes as one record. A method of its own: few calls need that much of the stack."""
        cdef iovec vectors[NET_MAX_VECTORS]
        cdef char joined[RECORD_BYTES]
        cdef size_t size
        cdef int vector_count = write_queue_vectors(&self.output, vectors, NET_MAX_VECTORS, &size)
        return self.encrypt_queued(joined, join_vectors(vectors, vector_count, joined))

    cdef bint encrypt_queued(self, const char *data, size_t size) except -1:
        cdef Py_ssize_t count = self.session.engine.write(data, size)
        if count == TLS_WANTS_INPUT:
            return False
        write_queue_advance(&self.output, count)
        return True

    cdef int send_output(self) except -1:
        if self.session.state == SESSION_OPEN:
            try:
                while self.output.count > 0 and not self.bits.is_blocked and self.encrypt_some():
                    if self.output.count == 0 or self.session.engine.output_bytes() >= MAX_UNSENT_RECORD_BYTES:
                        self.send_records()
                self.send_records()
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                return self.fail_with(error, "")
        self.resume_protocol_if_drained()
        # resume_writing() may have written more, or closed the transport.
        if self.output.count == 0 and self.state < TRANSPORT_LOSING:
            return self.output_is_empty()
        return 0

    cdef int send_output_and_pause(self) except -1:
        self.send_output()
        return self.pause_protocol_if_full()

    cdef int encrypt_all(self) except -1:
        while self.output.count > 0 and self.encrypt_some():
            pass
        return self.send_records()

    cdef int send_records(self) except -1:
        if self.session.engine.output_bytes() == 0:
            return 0
        if self.lower is None:
            return self.session.engine.drop_output()
        return self.session.engine.send_output(self.native, self.lower)

    cdef int abandon_output(self) except -1:
        # asyncio would have sent this by now: it was only held for a later write.
        try:
            if self.output.count > 0 and not self.bits.is_blocked and self.session.state == SESSION_OPEN:
                self.encrypt_all()
        finally:
            write_queue_clear(&self.output)
        return 0

    # ---- flow control ----

    def set_write_buffer_limits(self, high=None, low=None):
        """Have pause_writing() called above high unsent bytes, and resume_writing() at low or below.

        By default high is 512 KiB, or four times low, and low is a quarter of high. Raises ValueError unless high >= low >= 0.
        """
        if high is None and low is None:
            high = HIGH_BYTES
        WritingTransport.set_write_buffer_limits(self, high, low)
        self.set_lower_limits()

    cdef int set_lower_limits(self) except -1:
        """The transport below must not report later than this one has to."""
        if self.native is not None and not isinstance(self.native, EncryptingTransport):
            self.native.limits.high_bytes = min(self.limits.high_bytes, <size_t>LOWER_HIGH_BYTES)
            self.native.limits.low_bytes = min(self.limits.low_bytes, <size_t>LOWER_LOW_BYTES)
            return 0
        try:
            self.lower.set_write_buffer_limits(
                high=min(self.limits.high_bytes, <size_t>LOWER_HIGH_BYTES), low=min(self.limits.low_bytes, <size_t>LOWER_LOW_BYTES))
        except (AttributeError, NotImplementedError):
            # Not every transport has them.
            pass
        return 0

    cdef int lower_pauses_writing(self) except -1:
        self.lower_is_full = self.bits.is_blocked = True
        return self.pause_protocol_if_full()

    cdef int lower_resumes_writing(self) except -1:
        self.lower_is_full = False
        if self.session.state != SESSION_OPEN:
            return 0
        self.bits.is_blocked = False
        return self.send_output_and_pause()

    # ---- sendfile(), if the kernel encrypts: past this transport and the one below ----

    def _make_empty_waiter(self):
        if self.sendfile is not None:
            raise RuntimeError("Empty waiter is already set")
        self.send_held()
        if self.native is None or self.native.sendfile is not None or not self.session.engine.may_sendfile():
            raise exceptions.SendfileNotAvailableError("records must be sent first")
        # If something waits here, the one below is full. It is empty when everything has gone through.
        waiter = self.native._make_empty_waiter()
        self.sendfile = SendfileWaiters.__new__(SendfileWaiters)
        return waiter

    def _reset_empty_waiter(self):
        self.sendfile = None
        self.native._reset_empty_waiter()
        self.session.engine.sendfile_has_ended()
        if self.output.count > 0 and not self.bits.is_blocked:
            self.send_output()

    def _open_descriptor(self):
        if self.state >= TRANSPORT_CLOSING:
            raise ConnectionError("Connection is closed")
        if self.output.count > 0:
            raise exceptions.SendfileNotAvailableError("records must be sent first")
        return self.native._open_descriptor()

    def _wait_writable(self):
        return self.native._wait_writable()

    # ---- the transport below ----

    cdef int set_lower(self, object lower) except -1:
        self.lower = lower
        if isinstance(lower, WritingTransport):
            self.native = <WritingTransport>lower
            self.session.engine.set_transport(self.native)
        return self.set_lower_limits()

    cdef int close_lower(self) except -1:
        if self.lower is not None:
            self.lower.close()
        return 0

    cdef int force_lower_close(self, object exception) except -1:
        cdef object force
        if self.native is not None:
            return self.native.begin_losing(exception)
        if self.lower is not None:
            force = getattr(self.lower, "_force_close", None)
            if force is None:
                self.lower.abort()
            else:
                force(exception)
        return 0

    # ---- a transport with a descriptor asks the poller; this one has none ----

    cdef int stop_watching(self) except -1:
        return 0

    cdef int update_keep_alive(self) except -1:
        return 0

    cdef bint owner_is_shared(self) noexcept:
        return self.native is not None and self.native.owner_is_shared()


cdef size_t join_vectors(const iovec *vectors, int count, char *joined) noexcept:
    """Copy as many bytes as fit into a record. Returns how many."""
    cdef size_t size = 0, part
    cdef int i
    for i in range(count):
        part = min(vectors[i].iov_len, RECORD_BYTES - size)
        memcpy(joined + size, vectors[i].iov_base, part)
        size += part
        if size == RECORD_BYTES:
            break
    return size


cdef size_t foreign_unsent_bytes(object transport) noexcept:
    try:
        return transport.get_write_buffer_size()
    except Exception:
        # Not every transport can tell.
        return 0
