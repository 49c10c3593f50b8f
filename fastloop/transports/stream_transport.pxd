# StreamTransport: TCP and Unix stream sockets.

from fastloop.net.sockaddr cimport sockaddr_raw_t
from fastloop.net.socket_core cimport SocketCore
from fastloop.transports.receiver cimport Receiver
from fastloop.transports.socket_transport cimport SocketTransport


cimport cython


@cython.final
cdef class StreamTransport(SocketTransport):
    cdef:
        # Chosen by set_protocol().
        Receiver receiver

    cdef bint has_work(self) noexcept
    cdef int end_of_file(self) except -1
    cdef int log_end_of_file(self) except -1


# A transport over a socket object of the program, which then owns the descriptor.
cdef StreamTransport new_stream_transport(SocketCore loop, object sock, object protocol, object context, dict extra, object server)

# A transport over a descriptor that was just accepted.
cdef StreamTransport new_accepted_transport(
    SocketCore loop, int fd, int family, int type, int proto, const sockaddr_raw_t *peer, object peername, object protocol,
    object context)

# Tell the server. call_connection_made() must be the next call of the transport.
cdef int stream_transport_join(StreamTransport transport, object server) except -1
