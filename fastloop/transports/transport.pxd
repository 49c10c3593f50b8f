# Transport: the protocol's half of every transport.

from fastloop.core.runnable cimport Runnable
from fastloop.core.scheduler cimport scheduler_push, scheduler_run_next_turn, scheduler_runs_elsewhere
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
        # The protocol's methods run in this context. connection_made() runs in a copy of it, unless the context was
        # given. None until transport_init(), and again once connection_lost() has been called.
        object context
        # What get_extra_info() returns besides what the transport finds out itself; None for nothing.
        dict extra

        # Changed by move_to() only; other threads may read it.
        shared_int_t state
        transport_bits_t bits

    cdef int move_to(self, transport_state_t state) except -1

    # ---- calls of the protocol ----

    # Call callback(*args) in the next turn.
    cdef int call_soon(self, object callback, tuple args, object context) except -1
    # From here on the protocol is called in a copy of the current context, unless a context was given.
    cdef int renew_context(self) except -1
    cdef object context_of_connection_made(self)
    # After connection_made(), start reading and wake the task that waits for the connection.
    cdef int call_connection_made(self, object waiter) except -1
    # After connection_lost(), release everything.
    cdef int call_connection_lost(self, object exception) except -1
    # Call connection_lost(None) from the ready queue. Nothing there catches what it raises, so it is reported here.
    cdef int call_connection_lost_in_turn(self) except -1
    # Call a method of the protocol now, in the transport's context. KeyboardInterrupt and SystemExit propagate; anything
    # else goes to the exception handler.
    cdef int tell_protocol(self, str method) except -1

    # Its turn has raised. Report the exception like that of a callback, unless it leaves the loop.
    cdef int turn_failed(self) except -1
    # Tell the loop's exception handler.
    cdef int report(self, str message, object exception, object protocol) except -1

    # ---- the end ----

    # Drop what is unsent and schedule connection_lost(exception). Does nothing the second time.
    cdef int begin_losing(self, object exception) except -1
    # The connection is over, and connection_lost() has been called. has_caller: somebody besides the scheduler may hold the transport.
    cdef int release(self, bint has_caller) except -1
    # End the connection with the raised exception. KeyboardInterrupt and SystemExit propagate.
    cdef int fail_raised(self, str message) except -1
    cdef int fail_with(self, object exception, str message) except -1
    cdef int fail_with_errno(self, int error, str message) except -1

    # ---- for the subclasses; nothing here ----

    cdef int start_reading(self) except -1
    # set_protocol() was called.
    cdef int protocol_changed(self) except -1
    # The program asks the transport something: send first what was held for a later write.
    cdef int send_held(self) except -1
    cdef int abandon_output(self) except -1
    cdef int stop_watching(self) except -1
    # The descriptor's part of release(). The transport has no loop by then.
    cdef int release_descriptor(self, SocketCore loop, bint has_caller) except -1
    # What get_extra_info() returns for name.
    cdef object extra_info(self, object name, object default)


# Put it into the ready queue. INVARIANT: it is not in it.
cdef inline int transport_queue(Transport transport) except -1:
    transport.bits.is_queued = True
    return scheduler_push(transport.loop, transport)


# The same for the next turn, without polling the kernel.
cdef inline int transport_queue_for_next_turn(Transport transport) except -1:
    transport.bits.is_queued = True
    return scheduler_run_next_turn(transport.loop, transport)


# HOT. Its turn has come.
cdef inline void transport_unqueue(Transport transport) noexcept:
    transport.bits.is_queued = False


# All of the protocol's methods run in the context that the transport was made with, none in a copy.
cdef inline void transport_keep_context(Transport transport) noexcept:
    transport.bits.has_given_context = True


# HOT. Whether data that arrives is read.
cdef inline bint transport_is_reading(Transport transport) noexcept:
    return transport.state == TRANSPORT_OPEN and not transport.bits.reading_is_paused


# Without the GIL: whether another thread runs the loop, for example while this one collects garbage or drops a StreamWriter.
cdef inline bint transport_runs_elsewhere(Transport transport) noexcept:
    if COMPAT_HAS_GIL:
        return False
    # Read once: the other thread may set it to None.
    loop = transport.loop
    return loop is not None and scheduler_runs_elsewhere(loop)


# For close(): have the loop's thread call it, if that is another one. Return whether it is.
cdef bint transport_closes_elsewhere(Transport transport) except -1

cdef int transport_init(Transport transport, SocketCore loop, object protocol, object context, dict extra) except -1
