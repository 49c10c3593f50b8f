# Receiver: how received data reaches a protocol.

from fastloop.transports.descriptor_transport cimport DescriptorTransport


cdef class Receiver:
    # Look the protocol's methods up that read() calls.
    cdef int attach(self, DescriptorTransport transport, object protocol) except -1
    # Read once and hand over what came.
    cdef int read(self, DescriptorTransport transport) except -1


# The one for the kind of the protocol.
cdef Receiver receiver_for(object protocol)
