# NetCore: the loop's methods that make transports and use sockets.

from fastloop.core.loop_core cimport LoopCore


cdef class NetCore(LoopCore):
    pass
