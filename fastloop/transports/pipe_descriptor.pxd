# The file of a pipe's transport, and who waits for its descriptor.

from fastloop.net.socket_core cimport SocketCore
from fastloop.transports.descriptor_transport cimport DescriptorTransport


# Give the transport the file, if it is a pipe, a FIFO, a socket or a character device. ValueError(refusal) for anything else.
# Returns what os.fstat() says of it.
cdef object pipe_take(DescriptorTransport transport, SocketCore loop, object pipe, object protocol, object extra, str refusal)

# For programs that set _pipe: another file, or None for a transport that has no file any more and closes none.
cdef int pipe_give(DescriptorTransport transport, object pipe) except -1

# Schedule connection_made(), then start() if it is not None, then the result of waiter if that is not None.
cdef int pipe_announce(DescriptorTransport transport, object start, tuple args, object waiter) except -1

# Whether callbacks can be added: RuntimeError if the loop is closed or forked.
cdef int pipe_add_reader(DescriptorTransport transport, object callback) except -1
cdef int pipe_add_writer(DescriptorTransport transport, object callback) except -1
cdef int pipe_remove_reader(DescriptorTransport transport) except -1
cdef int pipe_remove_writer(DescriptorTransport transport) except -1

# Cancel what still waits for the descriptor, because it is about to be closed.
cdef int pipe_forget(DescriptorTransport transport, SocketCore loop) except -1

# In debug mode, note that the other side has closed. Returns whether the transport is still there: the logger runs code of the program.
cdef bint pipe_note_end(DescriptorTransport transport) except -1

# The parts of the repr that asyncio's transports have in common. direction is POLL_READABLE or POLL_WRITABLE.
cdef list pipe_describe(DescriptorTransport transport, str name, int number, unsigned int direction)
