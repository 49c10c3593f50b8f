# WritePipeTransport: what goes into a pipe.

from fastloop.net.socket_core cimport SocketCore
from fastloop.transports.sending_transport cimport SendingTransport


cimport cython


@cython.final
cdef class WritePipeTransport(SendingTransport):
    cdef:
        # The descriptor, shown and asked for also after it is closed.
        int number
        # Failed writes, and writes since then or since the end was near; above a limit they are reported.
        Py_ssize_t lost_writes

    cdef int end_if_drained(self) except -1


cdef WritePipeTransport new_write_pipe_transport(SocketCore loop, object pipe, object protocol, object waiter, object extra)
