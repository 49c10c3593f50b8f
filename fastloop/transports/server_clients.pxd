# ServerClients: the connections of an asyncio.Server, without a weak reference for each.

from fastloop.core.scheduler cimport Scheduler
from fastloop.transports.client_ring cimport client_link_t


cdef class ServerClients:
    cdef:
        # OWNERSHIP: borrowed references to clients, each of which leaves before it dies.
        client_link_t ring
        # The server's original WeakSet, for clients that are not fastloop's transports.
        object others

    cdef list transports(self)


# Make an asyncio.Server keep its clients in a ServerClients. Does nothing for one that only counts them, or that is not asyncio's own.
cdef int server_keep_clients(object server) except -1

# Tell the server of a new client; the link is a part of the client. AssertionError if the server is closed.
cdef int server_attach(Scheduler scheduler, object server, object client, client_link_t *link) except -1

# Tell the server that the client has left.
cdef int server_detach(object server, object client, client_link_t *link) except -1

# The same for a client that dies without the GIL, in another thread than the loop's.
cdef int server_detach_elsewhere(object loop, object server, object client) except -1
