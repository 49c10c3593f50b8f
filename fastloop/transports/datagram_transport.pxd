# DatagramTransport: UDP, Unix datagrams, and sockets of any other family that are not streams.

from fastloop.net.socket_core cimport SocketCore
from fastloop.transports.arrivals cimport arrivals_t
from fastloop.transports.datagram_sender cimport DatagramSender


cimport cython


@cython.final
cdef class DatagramTransport(DatagramSender):
    cdef:
        int type
        # Whether the last read has taken a datagram, and whether it pays to read on.
        bint has_read
        arrivals_t arrivals

        # The longest datagram that is delivered whole.
        Py_ssize_t max_size_bytes
        # How many bytes a read takes: that, or as many as there may be.
        Py_ssize_t read_bytes
        # Its datagrams may be longer than the receive buffer, or its addresses are of a kind that only the object knows.
        bint reads_by_socket_object

    cdef int read_by_socket_object(self) except -1
    cdef int deliver(self, object data, object address) except -1


cdef DatagramTransport new_datagram_transport(SocketCore loop, object sock, object protocol, object address, dict extra)
