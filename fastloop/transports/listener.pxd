# Listener: accepts the connections of a listening socket and makes their transports.

from fastloop.core.runnable cimport RUNNABLE_FIRST_FREE_FLAG, Runnable
from fastloop.net.sockaddr cimport sockaddr_raw_t, sockaddr_storage, socklen_t
from fastloop.net.socket_core cimport SocketCore
from fastloop.transports.stream_transport cimport StreamTransport


cdef enum:
    LISTENER_IS_QUEUED = RUNNABLE_FIRST_FREE_FLAG


cdef class Listener(Runnable):
    cdef:
        SocketCore loop
        # OWNERSHIP: the server's, which closes it after stop().
        object sock
        int fd
        int family, type, proto
        object protocol_factory
        # An asyncio.Server, or None.
        object server
        # Each connection gets a copy.
        object context
        bint has_given_context
        int max_accepts_per_turn
        bint is_stopped
        # Connections that the kernel accepted before TCP_NODELAY was set on the listening socket did not inherit it. It is set on each
        # connection until the backlog has been empty once.
        bint backlog_may_lack_nodelay

    cdef int listen(self) except -1
    cdef int stop(self) except -1
    cdef bint accept_one(self) except -1
    cdef int take_in(self, int fd, const sockaddr_storage *peer, socklen_t peer_size) except -1
    cdef int pause(self, int error) except -1


cdef class AcceptedConnection(Runnable):
    cdef:
        Listener listener
        # A copy of the listener's context. Everything of the connection runs in it.
        object context
        # OWNERSHIP: this object owns the descriptor until there is a transport. From then on it is -1.
        int fd
        sockaddr_raw_t raw_peername
        object peername
        StreamTransport transport

    cdef int make_transport(self) except -1
    cdef int refuse(self, object exception) except -1
    cdef int start_transport(self) except -1


cdef int start_listening(
    SocketCore loop, object sock, object protocol_factory, object server, int backlog, object context) except -1

# Does nothing if the socket is not listened on.
cdef int stop_listening(SocketCore loop, object sock) except -1
