# Receiver: how received data reaches a protocol.

from fastloop.transports.descriptor_transport cimport DescriptorTransport


cdef class Receiver:
    # Look up the protocol's methods that read() calls.
    cdef int attach(self, DescriptorTransport transport, object protocol) except -1
    # Read once and pass on what came.
    cdef int read(self, DescriptorTransport transport) except -1


cdef class BytesReceiver(Receiver):
    pass


# The base class of protocols to which data does not go through a method.
cdef class ProtocolWithReceiver:
    # None if data_received() must be called after all.
    cdef Receiver own_receiver(self)


# The receiver for this kind of protocol.
cdef Receiver receiver_for(object protocol)
