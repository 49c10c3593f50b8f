"""ServerClients: the connections of an asyncio.Server, without a weak reference for each.

Owns: nothing. A client that dies leaves by itself, as it would leave the WeakSet that this replaces.
Promises: the server's close_clients(), abort_clients() and wait_closed() find what they would find in the WeakSet.
Driven by: transports that come and go, and asyncio's Server. Up to Python 3.12 a server only counts its clients. Without
  the GIL clients may die in any thread, so the server keeps its WeakSet, which is made for that.
"""

from asyncio import base_events
from weakref import WeakSet

from cpython.object cimport PyObject

from fastloop.core.interruption cimport call_uninterrupted, call_uninterrupted_with
from fastloop.python.cpython_compat cimport COMPAT_HAS_GIL
from fastloop.transports.client_ring cimport (
    client_link_t, client_ring_close, client_ring_has, client_ring_is_empty, client_ring_join, client_ring_leave,
    client_ring_open)


cdef:
    object Server = base_events.Server
    bint SERVER_KEEPS_CLIENTS = "transport" in base_events.Server._attach.__code__.co_varnames


cdef class ServerClients:
    """What asyncio's Server uses of a WeakSet."""

    def __cinit__(self, others):
        client_ring_open(&self.ring)
        self.others = others

    def __dealloc__(self):
        client_ring_close(&self.ring)

    def __len__(self):
        return len(self.transports()) + len(self.others)

    def __bool__(self):
        return not client_ring_is_empty(&self.ring) or len(self.others) > 0

    def __iter__(self):
        return iter(self.copy())

    def copy(self):
        """Return a list of the clients, which keeps them alive."""
        return self.transports() + list(self.others)

    def add(self, client):
        self.others.add(client)

    def discard(self, client):
        self.others.discard(client)

    cdef list transports(self):
        cdef client_link_t *link = self.ring.next
        cdef list found = []
        while link.client is not NULL:
            found.append(<object>link.client)
            link = link.next
        return found


cdef int server_keep_clients(object server) except -1:
    if COMPAT_HAS_GIL and SERVER_KEEPS_CLIENTS and type(server) is Server and type(server._clients) is WeakSet:
        server._clients = ServerClients(server._clients)
    return 0


cdef int server_attach(Scheduler scheduler, object server, object client, client_link_t *link) except -1:
    if not SERVER_KEEPS_CLIENTS:
        call_uninterrupted(scheduler, server._attach)
        return 0
    clients = getattr(server, "_clients", None)
    if type(clients) is ServerClients and server._sockets is not None:
        client_ring_join(&(<ServerClients>clients).ring, link, <PyObject *>client)
    else:
        call_uninterrupted_with(scheduler, server._attach, client)
    return 0


cdef int server_detach(object server, object client, client_link_t *link) except -1:
    if client_ring_has(link):
        client_ring_leave(link)
        # As in Server._detach(): the last client to leave a closed server wakes the tasks that wait for that.
        if server._sockets is None and not server._clients:
            server_wake_waiters(server)
    elif SERVER_KEEPS_CLIENTS:
        server._detach(client)
    elif type(server) is not Server:
        server._detach()
    else:
        # As in Server._detach(), but no signal handler can interrupt it.
        server._active_count -= 1
        if server._active_count == 0 and server._sockets is None:
            server_wake_waiters(server)
    return 0


cdef int server_detach_elsewhere(object loop, object server, object client) except -1:
    server._clients.discard(client)
    try:
        loop.call_soon_threadsafe(server_wake_waiters_if_empty, server)
    except RuntimeError:
        # The loop was closed: nobody waits.
        if not loop.is_closed():
            raise
    return 0


def server_wake_waiters_if_empty(server):
    if server._sockets is None and not server._clients:
        server_wake_waiters(server)


cdef int server_wake_waiters(object server) except -1:
    if type(server) is not Server:
        server._wakeup()
        return 0
    # Not by server._wakeup(): if a signal handler interrupted it, it could not be called again.
    waiters, server._waiters = server._waiters, None
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
    return 0
