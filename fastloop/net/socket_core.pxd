# SocketCore: the loop's operations on raw sockets.

from fastloop.core.loop_core cimport LoopCore
from fastloop.net.receive_buffer cimport receive_buffer_t


cdef class SocketCore(LoopCore):
    cdef receive_buffer_t receive_buffer
