# DatagramSender: sendto(), and what it could not send yet.

from fastloop.net.address_cache cimport address_cache_t
from fastloop.transports.flow_control_transport cimport FlowControlTransport


cdef class DatagramSender(FlowControlTransport):
    cdef:
        # asyncio's name: if it is true, every datagram goes to this address.
        public object _address
        # Unsent datagrams as (bytes, address), and their bytes, headers included. Empty unless is_blocked.
        object unsent
        size_t unsent_size_bytes
        address_cache_t addresses

        int family
        # The socket is connected, and asyncio ignores the addresses that datagrams are sent to.
        bint has_named_peer
        # Perhaps to a socket without a name, as half of a pair is.
        bint is_connected

    # Each of these three sends one datagram. Returns None, WOULD_BLOCK, or the OSError.
    # An exception of any other kind ends the transport.
    cdef object attempt(self, object data, object address)
    # It is raised.
    cdef object send(self, object data, object address)
    cdef object send_by_socket_object(self, object data, object address)
    cdef object checked_address(self, object address)

    # The kernel has no room: send it later.
    cdef int keep(self, object data, object address) except -1
    # The kernel has reported that it takes more. Send until nothing is left, or the kernel takes no more or reports an error.
    cdef int send_again(self) except -1
    cdef int everything_is_sent(self) except -1
    cdef int tell_error(self, object error) except -1


cdef object WOULD_BLOCK

# The outcome of a system call that has failed: WOULD_BLOCK, or the OSError.
cdef object outcome_of(int error)
