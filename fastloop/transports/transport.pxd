# Transport: a descriptor with a protocol; what all transports share.

from fastloop.core.runnable cimport RUNNABLE_FIRST_FREE_FLAG, Runnable
from fastloop.core.scheduler cimport scheduler_runs_elsewhere
from fastloop.net.sockaddr cimport sockaddr_kept_t
from fastloop.net.socket_core cimport SocketCore
from fastloop.net.socket_object cimport socket_object_fd
from fastloop.python.cpython_compat cimport COMPAT_HAS_GIL
from fastloop.python.shared_fields cimport shared_int_t
from fastloop.transports.client_ring cimport client_link_t
from fastloop.transports.lifecycle cimport TRANSPORT_OPEN, transport_state_t


cdef enum:
    # It is in the ready queue.
    TRANSPORT_IS_QUEUED = RUNNABLE_FIRST_FREE_FLAG
    # Stands among those that are flushed when the running callback returns.
    TRANSPORT_IS_UNFLUSHED = RUNNABLE_FIRST_FREE_FLAG << 1
    # pause_reading() was called.
    TRANSPORT_READING_IS_PAUSED = RUNNABLE_FIRST_FREE_FLAG << 2
    # pause_writing() was called, resume_writing() not yet.
    TRANSPORT_PROTOCOL_IS_PAUSED = RUNNABLE_FIRST_FREE_FLAG << 3
    # The protocol has its own buffer.
    TRANSPORT_PROTOCOL_IS_BUFFERED = RUNNABLE_FIRST_FREE_FLAG << 4
    # It is in the ready queue for connection_lost(None).
    TRANSPORT_IS_ENDING = RUNNABLE_FIRST_FREE_FLAG << 5
    # It was made with a context of its own, in which everything runs; from Python 3.15 on servers do that.
    TRANSPORT_HAS_GIVEN_CONTEXT = RUNNABLE_FIRST_FREE_FLAG << 6
    # Bits from here on belong to the subclasses.
    TRANSPORT_FIRST_FREE_FLAG = RUNNABLE_FIRST_FREE_FLAG << 7


cdef class Transport(Runnable):
    cdef:
        dict __dict__
        object __weakref__

        # None once connection_lost() has been called.
        SocketCore loop
        object protocol
        # What the protocol is told of received data, of limits and of the end runs in it; connection_made() in a copy, unless the
        # context was given. None until the transport is attached.
        object context
        # The methods that each read calls, looked up by set_protocol(): data_received, or get_buffer and buffer_updated.
        object receive
        object buffer_updated

        # OWNERSHIP: the socket object owns the descriptor if there is one, else the transport does. An accepted connection
        # gets a socket object when somebody asks for one.
        object sock
        shared_int_t fd
        int family, type, proto

        # What get_extra_info() says. peername is made of peer_address, if that is known, when somebody asks; own_address then, too.
        sockaddr_kept_t peer_address
        object peername
        object own_address
        object transport_socket
        dict extra
        object server
        # Where the server keeps its clients.
        client_link_t link

        shared_int_t state
        unsigned int interest
        # Writes since the connection was lost; above a limit they are reported.
        Py_ssize_t lost_writes

    cdef int move_to(self, transport_state_t state) except -1
    # Call callback(*args) in the next turn.
    cdef int call_soon(self, object callback, tuple args, object context) except -1
    cdef int take_context(self) except -1
    # In which connection_made() runs.
    cdef object first_context(self)
    # Call a method of the protocol now, in the transport's context. KeyboardInterrupt and SystemExit come out, everything else
    # goes to the exception handler.
    cdef int tell_protocol(self, str method) except -1
    # Drop what waits and schedule connection_lost(exception); nothing if that has happened.
    cdef int lose(self, object exception) except -1
    # The raised exception ends the connection. KeyboardInterrupt and SystemExit come out.
    cdef int fail_raised(self, str message) except -1
    cdef int fail_with(self, object exception, str message) except -1
    cdef int fail_with_errno(self, int error, str message) except -1
    # Change what the poller reports of the descriptor. If the kernel refuses, the connection ends.
    cdef int watch_for(self, unsigned int interest) except -1
    cdef int watch_again(self) except -1
    cdef int set_interest(self, unsigned int interest) except -1
    # Stop the poller from reporting it.
    cdef int stop_watching(self) except -1
    # set_protocol() has set another one.
    cdef int note_protocol(self) except -1
    # Before a question is answered: send what was held back.
    cdef int settle_output(self) except -1
    # What waits to be sent is not wanted any more.
    cdef int drop_output(self) except -1
    # Call connection_made(), begin to read, then wake who waits for the connection.
    cdef int begin(self, object waiter) except -1
    cdef int begin_reading(self) except -1
    # Call connection_lost(), then let go of everything.
    cdef int end(self, object exception) except -1
    # The same for None as the exception, from the ready queue, where nobody else catches what connection_lost() raises.
    cdef int end_in_turn(self) except -1
    # has_caller: somebody besides the scheduler may hold the transport.
    cdef int let_go(self, bint has_caller) except -1
    cdef int leave_server(self) except -1
    # Made when first asked for.
    cdef object socket_object(self)
    cdef object socket_for_users(self)
    cdef object known_peername(self)
    cdef object sockname(self)
    cdef int close_descriptor(self, SocketCore loop) except -1
    # While something may happen to it, the loop keeps the transport alive; otherwise its user must.
    cdef int update_hold(self) except -1
    # The same without the GIL.
    cdef int update_watch(self) except -1
    cdef int watch_reading(self) except -1
    cdef bint has_work(self) noexcept


# HOT. Whether data that arrive are read.
cdef inline bint transport_reads(Transport transport) noexcept:
    return transport.state == TRANSPORT_OPEN and not transport.flags & TRANSPORT_READING_IS_PAUSED


# Without the GIL: whether another thread runs the loop, as when this one collects garbage or drops a StreamWriter.
cdef inline bint transport_runs_elsewhere(Transport transport) noexcept:
    if COMPAT_HAS_GIL:
        return False
    # Once: the other thread may let go of it.
    loop = transport.loop
    return loop is not None and scheduler_runs_elsewhere(loop)


# HOT. The descriptor; -1 if somebody closed the socket object, whose number may by now be another's.
cdef inline int transport_fd(Transport transport) noexcept:
    if transport.sock is not None and socket_object_fd(transport.sock) != transport.fd:
        return -1
    return transport.fd


cdef int transport_init(
    Transport transport, SocketCore loop, object sock, int fd, object protocol, object context, dict extra) except -1

cdef int join_server(Transport transport, object server) except -1
