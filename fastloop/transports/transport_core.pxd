# TransportCore: the loop's methods that make transports.

from fastloop.net.socket_core cimport SocketCore


cdef class TransportCore(SocketCore):
    pass
