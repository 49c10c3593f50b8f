# ServerClients: the connections of an asyncio.Server, without a weak reference for each.

from fastloop.core.scheduler cimport Scheduler
from fastloop.transports.client_ring cimport client_link_t


cdef class ServerClients:
    cdef:
        # OWNERSHIP: borrowed references to clients, each of which leaves before it dies.
        client_link_t ring
        # The WeakSet that the server came with, for whatever is no transport of fastloop's.
        object others

    cdef list transports(self)


# Have an asyncio.Server keep its clients so. Does nothing for one that only counts them, or that is not asyncio's own.
cdef int keep_clients(object server) except -1

# Tell the server of a new client, whose link this is. AssertionError if the server is closed.
cdef int attach(Scheduler scheduler, object server, object client, client_link_t *link) except -1

# Its opposite.
cdef int detach(object server, object client, client_link_t *link) except -1

# The same for a client that dies without the GIL, in another thread than the loop's.
cdef int detach_elsewhere(object loop, object server, object client) except -1
