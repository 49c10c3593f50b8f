"""Whether fastloop may use a socket object by system calls, without calling its methods.

Owns: socket.socket's methods, as they were when this was imported.
Promises: an object with methods of its own is recognised, whether they are in its class, in the object itself, or patched
  into socket.socket. asyncio's code then serves the object, and calls them.
Driven by: the loop's methods that take sockets.
"""

import socket


cdef:
    object SOCKET = socket.socket
    tuple STREAM_METHODS = ("recv", "recv_into", "send", "sendmsg", "shutdown", "fileno", "getsockname", "getpeername")
    tuple LISTENER_METHODS = ("accept", "fileno")
    tuple DATAGRAM_METHODS = ("recvfrom", "send", "sendto", "fileno", "getsockname", "getpeername")
    tuple OTHER_METHODS = ("recvfrom_into", "connect")
    dict PLAIN_METHODS = {
        name: getattr(SOCKET, name) for name in STREAM_METHODS + LISTENER_METHODS + DATAGRAM_METHODS + OTHER_METHODS}


cpdef bint has_own_methods(object sock, tuple names) except -1:
    cls = type(sock)
    own = getattr(sock, "__dict__", None)
    for name in names:
        if getattr(cls, name, None) is not PLAIN_METHODS[name] or (own is not None and name in own):
            return True
    return False


def has_own_accept(sock):
    """Return whether a listening socket must be asked by its methods."""
    return has_own_methods(sock, LISTENER_METHODS)


cdef bint calls_own_method(object sock, str name) except -1:
    # LIMIT: a patched method of socket.socket itself goes unnoticed here. Noticing it would take a look-up in each operation.
    return type(sock) is not SOCKET and has_own_methods(sock, (name, "fileno"))
