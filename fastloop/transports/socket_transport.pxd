# SocketTransport: what is known about a transport's socket.

from fastloop.net.sockaddr cimport sockaddr_raw_t
from fastloop.net.socket_core cimport SocketCore
from fastloop.transports.client_ring cimport client_link_t
from fastloop.transports.writing_transport cimport WritingTransport


cdef class SocketTransport(WritingTransport):
    cdef:
        short family, type
        # Python does not check it where a socket object is made for a descriptor.
        int proto

        # The addresses in Python's form, made when somebody asks: peername from raw_peername if that is set, sockname from the kernel.
        sockaddr_raw_t raw_peername
        object peername
        object sockname
        # What get_extra_info("socket") returns.
        object sock_for_users

        # The asyncio.Server that accepted the connection, or None.
        object server
        # Its place among the server's clients.
        client_link_t link

    # Each is made when first asked for.
    cdef object make_sock(self)
    cdef object make_sock_for_users(self)
    cdef object make_peername(self)
    cdef object make_sockname(self)


cdef int socket_transport_init(
    SocketTransport transport, SocketCore loop, object sock, int fd, object protocol, object context, dict extra) except -1

# Look up the peer's address, if it is not known.
cdef int socket_transport_find_peer(SocketTransport transport) except -1

cdef int socket_transport_join(SocketTransport transport, object server) except -1
