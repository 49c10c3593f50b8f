# DatagramTransport: UDP, Unix datagrams, and sockets of any other family that are not streams.

from fastloop.net.address_cache cimport address_cache_t
from fastloop.net.socket_core cimport SocketCore
from fastloop.transports.arrivals cimport arrivals_t
from fastloop.transports.flow_control_transport cimport FlowControlTransport


cimport cython


@cython.final
cdef class DatagramTransport(FlowControlTransport):
    cdef:
        # asyncio's name: every datagram goes to this address, if it is true.
        public object _address
        # Unsent datagrams as (bytes, address), and their bytes, headers included. Empty unless is_blocked.
        object unsent
        size_t unsent_size_bytes
        address_cache_t addresses

        int family, type
        # The socket is connected, and asyncio ignores the addresses that datagrams are sent to.
        bint has_named_peer
        # Perhaps to a socket without a name, as half of a pair is.
        bint is_connected

        # Whether the last read has taken a datagram, and whether it pays to read on.
        bint has_read
        arrivals_t arrivals

        # How many bytes a read takes: max_size, or as many as there may be.
        Py_ssize_t read_bytes
        # The longest datagram that is delivered whole.
        Py_ssize_t max_size_bytes
        # Its datagrams may be longer than the receive buffer, or its addresses are of a kind that only the object knows.
        bint reads_by_socket_object

    cdef int read_by_socket_object(self) except -1
    cdef int deliver(self, object data, object address) except -1

    # None if it was sent, WOULD_BLOCK, or the OSError. Anything else is raised.
    cdef object send(self, object data, object address)
    cdef object send_by_socket_object(self, object data, object address)
    cdef object checked_address(self, object address)

    cdef int keep(self, object data, object address) except -1
    cdef int everything_is_sent(self) except -1
    cdef int tell_error(self, object error) except -1


cdef DatagramTransport new_datagram_transport(SocketCore loop, object sock, object protocol, object address, dict extra)
