# Whether fastloop may use a socket object by system calls, without calling its methods.

# The methods that a transport of streams would call, a listener, and a transport of datagrams.
cdef tuple STREAM_METHODS
cdef tuple LISTENER_METHODS
cdef tuple DATAGRAM_METHODS

# HOT for a plain socket. True if an operation of the raw socket must call the object's own method of that name.
cdef bint calls_own_method(object sock, str name) except -1

# True for a subclass or an object with its own version of one of these methods, and for anything that only behaves like a socket.
cpdef bint has_own_methods(object sock, tuple names) except -1
