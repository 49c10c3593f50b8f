# OutputTransport: what a transport still has to send.

from fastloop.transports.transport cimport TRANSPORT_FIRST_FREE_FLAG, Transport
from fastloop.transports.write_habit cimport write_burst_t
from fastloop.transports.write_queue cimport write_queue_t


cdef enum:
    # The kernel takes no more; it reports when it does.
    OUTPUT_IS_BLOCKED = TRANSPORT_FIRST_FREE_FLAG
    # It has reported that.
    OUTPUT_MAY_FLOW = TRANSPORT_FIRST_FREE_FLAG << 1
    # write_eof() was called; and has reached the kernel.
    OUTPUT_HAS_ENDED = TRANSPORT_FIRST_FREE_FLAG << 2
    OUTPUT_EOF_IS_SENT = TRANSPORT_FIRST_FREE_FLAG << 3
    # The descriptor is watched for levels, and only for what is wanted; without it for edges, once and for all.
    OUTPUT_USES_LEVELS = TRANSPORT_FIRST_FREE_FLAG << 4
    # The protocol's callback for what was received runs.
    OUTPUT_IN_CALLBACK = TRANSPORT_FIRST_FREE_FLAG << 5
    # Bits from here on belong to the subclasses.
    OUTPUT_FIRST_FREE_FLAG = TRANSPORT_FIRST_FREE_FLAG << 6


cdef class OutputTransport(Transport):
    cdef:
        write_queue_t output
        # What was written lately, and whether more is expected.
        write_burst_t burst
        # Bytes; see set_write_buffer_limits().
        size_t high_water
        size_t low_water
        # Done when output is empty; for sendfile(), which writes past it.
        object empty_waiter

    cdef int check_writable(self, str method) except -1
    cdef bint drops_writes(self) except -1
    cdef int push(self, object data) except -1
    cdef int send_bytes(self, object data) except -1
    cdef int send_buffer(self, object data) except -1
    cdef int keep_rest(self, ssize_t sent, int error, object data, Py_ssize_t skip) except -1
    cdef bint holds_back(self) noexcept
    cdef int hold(self) except -1
    cdef int send_pushed(self) except -1
    cdef int end_burst(self) noexcept
    cdef int callback_returned(self) noexcept
    cdef int send_output(self) except -1
    cdef int block(self) except -1
    cdef int settle_interest(self) except -1
    cdef int output_is_empty(self) except -1
    cdef int pause_protocol_if_full(self) except -1
    cdef int resume_protocol_if_drained(self) except -1
