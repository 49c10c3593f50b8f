# DescriptorTransport: a transport that has a descriptor.

from fastloop.net.socket_core cimport SocketCore
from fastloop.net.socket_object cimport socket_object_fd
from fastloop.poll.poller cimport POLL_CLOSED
from fastloop.python.shared_fields cimport shared_int_t
from fastloop.transports.lifecycle cimport TRANSPORT_CLOSING
from fastloop.transports.transport cimport Transport


cdef class DescriptorTransport(Transport):
    cdef:
        # OWNERSHIP: the descriptor belongs to this socket or file object, and to the transport if this is None. An
        # accepted connection gets a socket object when somebody asks for it.
        object owner
        # The methods that each read calls: data_received, or get_buffer and buffer_updated. Looked up by set_protocol().
        object receive_method
        object buffer_updated

        # -1 once it is closed.
        shared_int_t fd
        # What the poller reports about it: POLL_READABLE, ...
        unsigned int interest

    # Change what the poller reports about the descriptor. If the kernel refuses, the connection ends.
    cdef int watch_for(self, unsigned int interest) except -1
    cdef int watch_again(self) except -1
    cdef int set_interest(self, unsigned int interest) except -1
    cdef int watch_reading(self) except -1
    # Watch only for what is wanted now. Where levels are used, anything else would be reported in every turn.
    cdef int update_interest(self) except -1

    # The loop keeps the transport alive while something may happen to it. Otherwise its user must.
    cdef int update_keep_alive(self) except -1
    # The same without the GIL.
    cdef int update_watch(self) except -1
    cdef bint must_stay_alive(self) noexcept
    cdef bint owner_is_shared(self) noexcept

    # pause_reading() and resume_reading(), for the subclasses that have them.
    cdef int stop_reading(self) except -1
    cdef int read_again(self) except -1
    # A report may have been left unused: have the kernel repeat it.
    cdef int ask_again(self) except -1

    # Read once; no Python code runs. Returns the number of bytes, 0 at the end of file, or -errno.
    cdef Py_ssize_t receive_into(self, char *buffer, Py_ssize_t size) noexcept
    # What a read will give, for get_buffer(): -1 if that cannot be known.
    cdef object expected_size(self)
    # Handle 0 or -errno.
    cdef int nothing_received(self, Py_ssize_t answer) except -1

    cdef int close_descriptor(self, SocketCore loop) except -1
    cdef int leave_server(self) except -1


# What is_reading() returns.
cdef inline bint transport_wants_data(DescriptorTransport transport) noexcept:
    return transport.state < TRANSPORT_CLOSING and not transport.bits.reading_is_paused


# HOT. The poller's report: there may be something to read.
cdef inline void transport_note_readable(DescriptorTransport transport, unsigned int events) noexcept:
    transport.bits.may_have_data = True
    if events & POLL_CLOSED:
        transport.bits.peer_may_have_ended = True


# The poller was asked for another report, which will come.
cdef inline void transport_forget_readable(DescriptorTransport transport) noexcept:
    transport.bits.may_have_data = transport.bits.peer_may_have_ended = False


# HOT. The descriptor; -1 if somebody closed the owner, because the number may belong to another file by now.
cdef inline int transport_fd(DescriptorTransport transport) noexcept:
    if transport.owner is not None and socket_object_fd(transport.owner) != transport.fd:
        return -1
    return transport.fd


# The transport has its descriptor. It closes the owner, or the descriptor if there is no owner. INVARIANT: it has its loop.
cdef int transport_take_descriptor(DescriptorTransport transport, object owner, int fd) noexcept
