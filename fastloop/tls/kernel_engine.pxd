# KernelEngine: a DirectEngine whose data the kernel encrypts, if it can.

from fastloop.tls.direct_engine cimport DirectEngine
from fastloop.tls.kernel_tls cimport kernel_tls_t
from fastloop.tls.tls_engine cimport EngineInputs
from fastloop.transports.sendfile_waiters cimport SendfileWaiters
from fastloop.transports.sending_transport cimport SendingTransport


cdef class KernelEngine(DirectEngine):
    cdef:
        kernel_tls_t kernel
        # The transport below, if the kernel can encrypt what it sends.
        SendingTransport transport
        # Tells of room for late records. Made when it is needed, and kept.
        LateRecordsWaiter waiter

    # Let OpenSSL use the socket in the next call, unless something must be sent before. close_socket() follows.
    cdef void open_socket(self) noexcept
    cdef void close_socket(self) noexcept
    # Raise if the peer wants new keys.
    cdef int check_keys(self) except -1
    cdef int send_late(self) except -1
    cdef int await_room(self) except -1


# Stands where sendfile() notes what it waits for.
cdef class LateRecordsWaiter(SendfileWaiters):
    cdef KernelEngine engine


# None if the context does not want it, or the engine cannot serve this connection.
cdef KernelEngine new_kernel_engine(EngineInputs inputs)
