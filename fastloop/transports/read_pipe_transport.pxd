# ReadPipeTransport: what comes out of a pipe.

from fastloop.net.socket_core cimport SocketCore
from fastloop.transports.descriptor_transport cimport DescriptorTransport


cimport cython


@cython.final
cdef class ReadPipeTransport(DescriptorTransport):
    cdef:
        # The descriptor, shown and asked for also after it is closed.
        int number

    cdef int receive(self, char *memory, Py_ssize_t count) except -1
    cdef int end_of_file(self) except -1


cdef ReadPipeTransport new_read_pipe_transport(SocketCore loop, object pipe, object protocol, object waiter, object extra)
