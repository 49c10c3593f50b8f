# FlowControlTransport: when the kernel takes no more, and when the protocol must stop writing.

from fastloop.transports.descriptor_transport cimport DescriptorTransport
from fastloop.transports.flow_control cimport flow_control_t


cdef class FlowControlTransport(DescriptorTransport):
    cdef:
        flow_control_t limits
        # Writes since the connection was lost; above a limit they are reported.
        Py_ssize_t lost_writes

    # What counts for the limits. Nothing here.
    cdef size_t unsent_bytes(self) noexcept
    # Whether the connection is lost. Then the write is dropped and counted.
    cdef bint drops_writes(self) except -1

    # The kernel takes no more: have it report when it does.
    cdef int block(self) except -1
    # The kernel reports that it takes more.
    cdef int note_writable(self) noexcept
    # The kernel was asked to report it again, and will.
    cdef int forget_writable(self) noexcept

    cdef int pause_protocol_if_full(self) except -1
    cdef int resume_protocol_if_drained(self) except -1


# The two limits in bytes, as asyncio's set_write_buffer_limits() understands them.
cdef tuple flow_control_limits(object high, object low, object default_high)

# Raise TypeError unless data is bytes-like, as asyncio's transports do.
cdef int check_data(object data) except -1

# Return data, or a copy of it if its class is a subclass: its methods must not run in the middle of a write.
cdef object plain_data(object data)
