"""FlowControlTransport: when the kernel takes no more, and when the protocol must stop writing.

Owns: whether the output is blocked, the limits of what may be unsent, and whether the protocol is paused because of them.
Promises: pause_writing() and resume_writing() are called in turn, as asyncio does.
Driven by: the subclasses, which know what is unsent, and the poller through them.
"""

from asyncio import base_events, constants

from fastloop.poll.poller cimport POLL_EDGE, POLL_WRITABLE, poller_rearm
from fastloop.python.capi cimport PY_SSIZE_T_MAX
from fastloop.transports.descriptor_transport cimport DescriptorTransport
from fastloop.transports.flow_control cimport (
    FLOW_CONTROL_DEFAULT_HIGH_BYTES, flow_control_is_drained, flow_control_is_full, flow_control_open)
from fastloop.transports.lifecycle cimport TRANSPORT_LOSING
from fastloop.transports.transport cimport transport_is_reading, transport_runs_elsewhere


cdef Py_ssize_t MAX_SILENT_LOST_WRITES = constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES


cdef class FlowControlTransport(DescriptorTransport):
    def __cinit__(self, *args, **kwargs):
        flow_control_open(&self.limits)

    cdef size_t unsent_bytes(self) noexcept:
        return 0

    # ---- names that libraries read ----

    @property
    def _protocol_paused(self):
        return self.bits.protocol_is_paused

    @property
    def _conn_lost(self):
        return (self.state >= TRANSPORT_LOSING) + self.lost_writes

    def __repr__(self):
        text = DescriptorTransport.__repr__(self)
        if self.state >= TRANSPORT_LOSING or transport_runs_elsewhere(self):
            return text
        reading = "polling" if transport_is_reading(self) else "idle"
        writing = "polling" if self.bits.is_blocked else "idle"
        return f"{text.removesuffix('>')} read={reading} write=<{writing}, bufsize={self.unsent_bytes()}>>"

    cdef bint drops_writes(self) except -1:
        if self.state < TRANSPORT_LOSING:
            return False
        if self.lost_writes + 1 >= MAX_SILENT_LOST_WRITES:
            base_events.logger.warning("socket.send() raised exception.")
        self.lost_writes += 1
        return True

    # ---- a full kernel ----

    cdef int block(self) except -1:
        cdef unsigned int interest = self.interest | POLL_WRITABLE | POLL_EDGE
        self.bits.is_blocked = True
        if self.bits.uses_levels:
            self.update_interest()
        elif interest == self.interest:
            poller_rearm(&self.loop.poller, self.fd, POLL_WRITABLE)
        else:
            self.watch_for(interest)
        return self.update_keep_alive()

    cdef int note_writable(self) noexcept:
        if self.bits.is_blocked:
            self.bits.may_send = True
        return 0

    cdef int forget_writable(self) noexcept:
        self.bits.may_send = False
        return 0

    # ---- flow control ----

    def get_write_buffer_size(self):
        """Return the number of bytes that are not sent yet."""
        self.send_held()
        return self.unsent_bytes()

    def get_write_buffer_limits(self):
        """Return the limits (low, high) in bytes."""
        return (self.limits.low_bytes, self.limits.high_bytes)

    def set_write_buffer_limits(self, high=None, low=None):
        """Have pause_writing() called above high unsent bytes, and resume_writing() at low or below.

        By default high is 64 KiB, or four times low, and low is a quarter of high. Raises ValueError unless high >= low >= 0.
        """
        self.limits.high_bytes, self.limits.low_bytes = flow_control_limits(high, low, FLOW_CONTROL_DEFAULT_HIGH_BYTES)
        self.send_held()
        if self.state < TRANSPORT_LOSING:
            self.pause_protocol_if_full()

    cdef int pause_protocol_if_full(self) except -1:
        # Data that nobody has tried to send yet does not count: the kernel may take it all.
        if (not self.bits.is_blocked or self.bits.protocol_is_paused
                or not flow_control_is_full(&self.limits, self.unsent_bytes())):
            return 0
        self.bits.protocol_is_paused = True
        return self.tell_protocol("pause_writing")

    cdef int resume_protocol_if_drained(self) except -1:
        # A lost connection has nothing to send, but no room for more either.
        if (self.bits.protocol_is_paused and flow_control_is_drained(&self.limits, self.unsent_bytes())
                and self.state < TRANSPORT_LOSING):
            self.bits.protocol_is_paused = False
            return self.tell_protocol("resume_writing")
        return 0


cdef tuple flow_control_limits(object high, object low, object default_high):
    if high is None:
        high = default_high if low is None else 4 * low
    if low is None:
        low = high // 4
    if not high >= low >= 0:
        raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
    return min(high, PY_SSIZE_T_MAX), min(low, PY_SSIZE_T_MAX)


cdef int check_data(object data) except -1:
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}")
    return 0


cdef object plain_data(object data):
    """Return data, or a copy of it if its class is a subclass: its methods must not run in the middle of a write."""
    kind = type(data)
    return data if kind is bytearray or kind is memoryview else memoryview(data).tobytes()
