# Transport: the protocol's half of every transport.

from fastloop.core.runnable cimport Runnable
from fastloop.core.scheduler cimport scheduler_push, scheduler_resume_later, scheduler_runs_elsewhere
from fastloop.net.socket_core cimport SocketCore
from fastloop.python.cpython_compat cimport COMPAT_HAS_GIL
from fastloop.python.shared_fields cimport shared_int_t
from fastloop.transports.lifecycle cimport TRANSPORT_OPEN, transport_state_t
from fastloop.transports.transport_bits cimport transport_bits_t


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
        # What get_extra_info() answers besides what the transport finds out itself; None for nothing.
        dict extra

        # Changed by move_to() only; other threads may read it.
        shared_int_t state
        transport_bits_t bits

    cdef int move_to(self, transport_state_t state) except -1

    # ---- calls of the protocol ----

    # Call callback(*args) in the next turn.
    cdef int call_soon(self, object callback, tuple args, object context) except -1
    # From here on the protocol is called in a copy of the current context.
    cdef int renew_context(self) except -1
    cdef object context_of_connection_made(self)
    # Then start reading and wake the task that waits for the connection.
    cdef int call_connection_made(self, object waiter) except -1
    # Then release everything.
    cdef int call_connection_lost(self, object exception) except -1
    # With None as the exception, from the ready queue, where nobody else catches what connection_lost() raises.
    cdef int call_connection_lost_in_turn(self) except -1
    # Call a method of the protocol now, in the transport's context. KeyboardInterrupt and SystemExit come out; anything else goes to
    # the exception handler.
    cdef int tell_protocol(self, str method) except -1

    # Tell the loop's exception handler.
    cdef int report(self, str message, object exception, object protocol) except -1

    # ---- the end ----

    # Drop what is unsent and schedule connection_lost(exception); nothing if that has happened.
    cdef int begin_losing(self, object exception) except -1
    # The connection is over, and connection_lost() has been called. has_caller: somebody besides the scheduler may hold the transport.
    cdef int release(self, bint has_caller) except -1
    # The raised exception ends the connection. KeyboardInterrupt and SystemExit come out.
    cdef int fail_raised(self, str message) except -1
    cdef int fail_with(self, object exception, str message) except -1
    cdef int fail_with_errno(self, int error, str message) except -1

    # ---- what the other half does; nothing here ----

    cdef int start_reading(self) except -1
    # set_protocol() was called.
    cdef int protocol_changed(self) except -1
    # The program asks the transport something: what was held for a later write must be sent first.
    cdef int send_held(self) except -1
    cdef int drop_unsent(self) except -1
    cdef int stop_watching(self) except -1
    # The part of release() that is the descriptor's. The transport has no loop any more.
    cdef int release_descriptor(self, SocketCore loop, bint has_caller) except -1
    # get_extra_info() of a name that the transport knows.
    cdef object extra_info(self, object name, object default)


# Put it into the ready queue. INVARIANT: it is not there.
cdef inline int transport_queue(Transport transport) except -1:
    transport.bits.is_queued = True
    return scheduler_push(transport.loop, transport)


# The same for the next turn, without a question to the kernel.
cdef inline int transport_queue_for_next_turn(Transport transport) except -1:
    transport.bits.is_queued = True
    return scheduler_resume_later(transport.loop, transport)


# HOT. Its turn has come.
cdef inline void transport_unqueue(Transport transport) noexcept:
    transport.bits.is_queued = False


# Everything of the protocol runs in the context that the transport was made with, none of it in a copy.
cdef inline void transport_keep_context(Transport transport) noexcept:
    transport.bits.has_given_context = True


# HOT. Whether data that arrives is read.
cdef inline bint transport_is_reading(Transport transport) noexcept:
    return transport.state == TRANSPORT_OPEN and not transport.bits.reading_is_paused


# Without the GIL: whether another thread runs the loop, as when this one collects garbage or drops a StreamWriter.
cdef inline bint transport_runs_elsewhere(Transport transport) noexcept:
    if COMPAT_HAS_GIL:
        return False
    # Once: the other thread may release it.
    loop = transport.loop
    return loop is not None and scheduler_runs_elsewhere(loop)


cdef int transport_init(Transport transport, SocketCore loop, object protocol, object context, dict extra) except -1
