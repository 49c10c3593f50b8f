"""DecryptingTransport: the reading half of a TLS transport.

Owns: how far the records were read, and what a read has raised.
Promises: everything that came before an error or the peer's end is delivered first. Nothing is delivered while reading is
  paused; then reading below stops, too, once much is unread.
Driven by: TlsTransport, when records have come, and the program's calls.
"""

from asyncio import base_events, constants

from libc.errno cimport EAGAIN, EPROTO

from fastloop.core.interruption cimport call_uninterrupted
from fastloop.net.receive_buffer cimport receive_buffer_hold
from fastloop.tls.encrypting_transport cimport EncryptingTransport
from fastloop.tls.session_states cimport SESSION_OPEN
from fastloop.tls.tls_engine cimport TLS_WANTS_INPUT, TlsEngine
from fastloop.transports.flow_control_transport cimport flow_control_limits
from fastloop.transports.lifecycle cimport TRANSPORT_CLOSING, TRANSPORT_LOSING, TRANSPORT_OPEN
from fastloop.transports.receiver cimport receiver_for
from fastloop.transports.transport cimport transport_is_reading, transport_queue
from fastloop.transports.writing_transport cimport WritingTransport


cdef:
    Py_ssize_t READ_HIGH_BYTES = 1024 * constants.FLOW_CONTROL_HIGH_WATER_SSL_READ
    # asyncio's message for whatever a method of the protocol raises.
    str FATAL_ERROR = "Fatal error on SSL protocol"


cdef class DecryptingTransport(EncryptingTransport):
    def __cinit__(self, *args, **kwargs):
        self.read_high_bytes, self.read_low_bytes = READ_HIGH_BYTES, READ_HIGH_BYTES // 4

    cdef int protocol_changed(self) except -1:
        self.receiver = receiver_for(self.protocol)
        self.receiver.attach(self, self.protocol)
        return WritingTransport.protocol_changed(self)

    cdef int deliver(self) except -1:
        cdef bint is_buffered = self.buffer_updated is not None
        # get_buffer() may run anything, which must not use the memory that the records are in.
        _held = receive_buffer_hold(&self.loop.receive_buffer) if is_buffered else None
        self.bits.is_receiving = True
        try:
            while transport_is_reading(self) and self.may_read():
                self.receiver.read(self)
                if is_buffered:
                    # asyncio calls the next get_buffer() from the ready queue.
                    if not self.bits.is_queued and self.state == TRANSPORT_OPEN and self.may_read():
                        transport_queue(self)
                    break
            self.learn_from_return()
        finally:
            self.bits.is_receiving = False
        if self.state == TRANSPORT_CLOSING and self.session.state == SESSION_OPEN:
            self.session.drop_data()
        if self.output.count > 0 and not self.bits.is_blocked and not self.bits.is_unflushed:
            return self.send_output()
        return self.send_records()

    cdef bint may_read(self) except -1:
        return self.peer_has_closed or self.read_error is not None or self.session.engine.may_have_data()

    cdef Py_ssize_t receive_into(self, char *buffer, Py_ssize_t size) noexcept:
        cdef Py_ssize_t total = 0
        try:
            decrypt(self, buffer, size, &total)
        except BaseException as error:
            self.read_error = error
        if total > 0:
            return total
        return -EPROTO if self.read_error is not None else 0 if self.peer_has_closed else -EAGAIN

    cdef object expected_size(self):
        return self.session.engine.unread_bytes()

    cdef int nothing_received(self, Py_ssize_t answer) except -1:
        if answer == -EAGAIN:
            return 0
        if answer == 0:
            self.tell_eof()
            return self.begin_closing()
        error, self.read_error = self.read_error, None
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            raise error
        return self.fail_with(error, FATAL_ERROR)

    cdef int tell_eof(self) except -1:
        if self.knows_eof or not self.knows_connection or self.protocol is None:
            return 0
        self.knows_eof = True
        try:
            keeps_open = call_uninterrupted(self.loop, self.protocol.eof_received)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            return self.fail_with(error, "Error calling eof_received()")
        if keeps_open:
            base_events.logger.warning("returning true from eof_received() has no effect when using ssl")
        return 0

    cdef int control_lower_reading(self) except -1:
        cdef Py_ssize_t unread
        if self.lower_is_lost or self.lower is None:
            return 0
        unread = self.session.engine.unread_bytes()
        if unread >= self.read_high_bytes and unread > 0 and not self.lower_is_paused:
            self.lower_is_paused = True
            self.lower.pause_reading()
        elif unread <= self.read_low_bytes and self.lower_is_paused:
            self.lower_is_paused = False
            self.lower.resume_reading()
        return 0

    cdef int begin_closing(self) except -1:
        return 0

    # ---- what the program calls ----

    def is_reading(self):
        """Return True unless reading is paused."""
        return not self.bits.reading_is_paused

    def pause_reading(self):
        """Deliver no data until resume_reading()."""
        self.bits.reading_is_paused = True

    def resume_reading(self):
        """Undo pause_reading(). What has arrived is delivered in the next turn."""
        if self.bits.reading_is_paused:
            self.bits.reading_is_paused = False
            if not self.bits.is_queued and self.state < TRANSPORT_LOSING:
                transport_queue(self)

    def get_read_buffer_size(self):
        """Return the number of bytes that have arrived and are not decrypted yet."""
        return self.session.engine.unread_bytes()

    def get_read_buffer_limits(self):
        """Return the limits (low, high) in bytes."""
        return (self.read_low_bytes, self.read_high_bytes)

    def set_read_buffer_limits(self, high=None, low=None):
        """Stop reading from the peer at high undelivered bytes, and continue at low or below.

        By default high is 256 KiB, or four times low, and low is a quarter of high. Raises ValueError unless high >= low >= 0.
        """
        self.read_high_bytes, self.read_low_bytes = flow_control_limits(high, low, READ_HIGH_BYTES)
        self.control_lower_reading()


cdef int decrypt(DecryptingTransport self, char *buffer, Py_ssize_t size, Py_ssize_t *total) except -1:
    """HOT. Decrypt what there is, up to size bytes. total counts them, also if it raises."""
    cdef TlsEngine engine = self.session.engine
    cdef const char *records
    cdef Py_ssize_t room, count
    while total[0] < size and not self.peer_has_closed:
        room = size - total[0]
        # What is decrypted must not reach the records that are not.
        records = engine.borrowed_input()
        if records != NULL and records >= buffer + total[0] and records < buffer + size:
            room = records - (buffer + total[0])
        if room == 0:
            engine.keep_input()
            continue
        count = engine.read(buffer + total[0], room)
        if count == TLS_WANTS_INPUT:
            break
        if count == 0:
            self.peer_has_closed = True
        total[0] += count
        if not engine.may_have_data():
            break
    if self.buffer_updated is None and engine.borrowed_input() != NULL:
        # The protocol gets the data next, and may use the memory again.
        engine.keep_input()
    return 0
