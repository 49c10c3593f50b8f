# SocketCore: the loop's operations on raw sockets.

from fastloop.core.loop_core cimport LoopCore
from fastloop.net.address_cache cimport address_cache_t
from fastloop.net.receive_buffer cimport receive_buffer_t


cdef class SocketCore(LoopCore):
    cdef:
        receive_buffer_t receive_buffer
        # Those that sock_recvfrom() and the like have seen.
        address_cache_t addresses
