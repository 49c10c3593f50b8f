# DatagramTransport: UDP, Unix datagrams, and sockets of any other family that are not streams.

from fastloop.net.sockaddr cimport sockaddr_storage, socklen_t
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
        # How many bytes a read takes into the receive buffer: that, or as many as there may be.
        Py_ssize_t read_bytes
        # Where what is longer goes: rest_bytes, or NULL until first needed. OWNERSHIP: the transport's.
        char *rest
        Py_ssize_t rest_bytes
        # Addresses of its family are of a kind that only the object knows.
        bint reads_by_socket_object

    # Read one datagram. Returns its size, or -1 with errno.
    cdef Py_ssize_t receive_from(self, char *buffer, sockaddr_storage *raw, socklen_t *length) except? -2
    cdef object received_bytes(self, Py_ssize_t count)
    cdef int read_by_socket_object(self) except -1
    cdef int deliver(self, object data, object address) except -1


cdef DatagramTransport new_datagram_transport(SocketCore loop, object sock, object protocol, object address, dict extra)
