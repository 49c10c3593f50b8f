"""Whether a socket object is one that fastloop may use past its methods, by the system calls.

Owns: socket.socket's methods, as they were when this was imported.
Promises: an object that has methods of its own, in its class, in itself, or because somebody has patched socket.socket, is told apart.
  asyncio's code then serves it, which calls them.
Driven by: the loop's methods that are given sockets.
"""

import socket


cdef:
    object SOCKET = socket.socket
    tuple STREAM_METHODS = ("recv", "recv_into", "send", "sendmsg", "shutdown", "fileno", "getsockname", "getpeername")
    tuple LISTENER_METHODS = ("accept", "fileno")
    tuple OTHERS = ("recvfrom", "recvfrom_into", "sendto", "connect")
    dict PLAIN = {name: getattr(SOCKET, name) for name in STREAM_METHODS + LISTENER_METHODS + OTHERS}


cpdef bint has_own_methods(object sock, tuple names) except -1:
    cls = type(sock)
    own = getattr(sock, "__dict__", None)
    for name in names:
        if getattr(cls, name, None) is not PLAIN[name] or (own is not None and name in own):
            return True
    return False


cdef bint calls_own_method(object sock, str name) except -1:
    # LIMIT: a patched method of socket.socket itself goes unnoticed here, for the sake of a look-up in each operation.
    return type(sock) is not SOCKET and has_own_methods(sock, (name, "fileno"))
