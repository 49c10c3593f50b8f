# Whether a socket object is one that fastloop may use past its methods, by the system calls.

# The methods that a transport, and the two that a listener, would call.
cdef tuple STREAM_METHODS
cdef tuple LISTENER_METHODS

# HOT for a plain socket. True if an operation of the raw socket must call the object's own method of that name.
cdef bint calls_own_method(object sock, str name) except -1

# True for a subclass or an object that has its own version of one of these methods, and for what only behaves like a socket.
cpdef bint has_own_methods(object sock, tuple names) except -1
