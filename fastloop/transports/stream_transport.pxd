# StreamTransport: TCP and Unix stream sockets.

from fastloop.net.sockaddr cimport sockaddr_kept_t
from fastloop.net.socket_core cimport SocketCore
from fastloop.transports.output_transport cimport OUTPUT_FIRST_FREE_FLAG, OutputTransport


cimport cython


cdef enum:
    # The kernel has reported something to read since it last had nothing.
    STREAM_MAY_READ = OUTPUT_FIRST_FREE_FLAG
    # And with it that the peer has closed or sent something urgent: a short read is not the last one.
    STREAM_READS_ON = OUTPUT_FIRST_FREE_FLAG << 1
    # Reading was paused after the kernel reported data. As on asyncio that report is ignored, and the kernel is asked again.
    STREAM_SKIPS_READ = OUTPUT_FIRST_FREE_FLAG << 2


@cython.final
cdef class StreamTransport(OutputTransport):
    cdef:
        # Done when the kernel takes more; for sendfile().
        object writable_waiter

    cdef int queue_work(self) except -1
    cdef int ask_again(self) except -1
    cdef int work_failed(self) except -1
    cdef int wake_sendfile(self) except -1
    cdef int fail_sendfile(self) except -1
    cdef int read_into_buffer(self) except -1
    cdef int nothing_received(self, Py_ssize_t answer) except -1
    cdef int end_of_file(self) except -1
    cdef int log_end_of_file(self) except -1


# A transport over a socket object of the program's, which then owns the descriptor.
cdef StreamTransport new_stream_transport(SocketCore loop, object sock, object protocol, object context, dict extra, object server)

# A transport over a descriptor that was just accepted.
cdef StreamTransport new_accepted_transport(
    SocketCore loop, int fd, int family, int type, int proto, const sockaddr_kept_t *peer, object peername, object protocol,
    object context)

# Tell the server. Its begin() is the next that happens to the transport.
cdef int stream_transport_join(StreamTransport transport, object server) except -1
