# StreamTransport: TCP and Unix stream sockets.

from fastloop.core.loop_core cimport LoopCore
from fastloop.net.transport cimport TRANSPORT_FIRST_FREE_FLAG, Transport


cdef extern from "write_queue.h":
    ctypedef struct write_queue_t:
        size_t count
        size_t size_bytes


cdef enum:
    # The kernel has reported something to read since it last had nothing.
    STREAM_MAY_READ = TRANSPORT_FIRST_FREE_FLAG
    # And with it that the peer has closed or sent something urgent: a short read is not the last one.
    STREAM_READS_ON = TRANSPORT_FIRST_FREE_FLAG << 1
    # The last read was large: the next one goes into its own bytes object.
    STREAM_READS_LARGE = TRANSPORT_FIRST_FREE_FLAG << 2
    # The kernel takes no more; it reports when it does.
    STREAM_IS_BLOCKED = TRANSPORT_FIRST_FREE_FLAG << 3
    # It has reported that.
    STREAM_MAY_WRITE = TRANSPORT_FIRST_FREE_FLAG << 4
    # write_eof() was called; and has reached the kernel.
    STREAM_WRITE_HAS_ENDED = TRANSPORT_FIRST_FREE_FLAG << 5
    STREAM_EOF_IS_SENT = TRANSPORT_FIRST_FREE_FLAG << 6
    # A Unix socket: reads may come back short for other reasons, and it is watched for writing only while it is blocked.
    STREAM_IS_UNIX = TRANSPORT_FIRST_FREE_FLAG << 7


cdef class StreamTransport(Transport):
    cdef:
        write_queue_t output
        # Bytes; see set_write_buffer_limits().
        size_t high_water
        size_t low_water
        # Done when output is empty; for sendfile(), which writes past it.
        object empty_waiter
        # Done when the kernel takes more; for sendfile() too.
        object writable_waiter

    cdef int queue_work(self) except -1
    cdef int wake_sendfile(self) except -1
    cdef int read_once(self) except -1
    cdef int read_bytes(self) except -1
    cdef int read_into_buffer(self) except -1
    cdef int deliver(self, object data) except -1
    cdef Py_ssize_t receive_into(self, char *buffer, Py_ssize_t size) noexcept
    cdef int nothing_received(self, Py_ssize_t answer) except -1
    cdef int end_of_file(self) except -1

    cdef bint accepts_writes(self) except -1
    cdef int push(self, object data) except -1
    cdef int push_copy(self, object data) except -1
    cdef Py_ssize_t send_directly(self, object data) except -1
    cdef int send_soon(self) except -1
    cdef int send_output(self) except -1
    cdef int block(self) except -1
    cdef int output_is_empty(self) except -1
    cdef int pause_protocol_if_full(self) except -1
    cdef int resume_protocol_if_drained(self) except -1


# A transport over a socket object of the program's, which then owns the descriptor.
cdef StreamTransport new_stream_transport(LoopCore loop, object sock, object protocol, object context, dict extra, object server)

# A transport over a descriptor that was just accepted.
cdef StreamTransport new_accepted_transport(
    LoopCore loop, int fd, int family, int type, int proto, object peername, object protocol, object context, object server)

# Call connection_made() and begin to read.
cdef int stream_transport_start(StreamTransport transport) except -1
