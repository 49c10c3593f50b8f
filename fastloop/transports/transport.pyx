"""Transport: the protocol's half of every transport.

Owns: the protocol and the context that it is called in, until connection_lost() has been called.
Promises: connection_lost() is called once, through the loop, and no method of the protocol after it.
Driven by: the loop and the program's calls. lifecycle.h has the states and their edges.
Knows no descriptor: its subclasses have one, or another transport.
"""

import asyncio
import os
from asyncio import base_events, transports

from cpython.contextvars cimport PyContext_Copy, PyContext_CopyCurrent, PyContext_Exit
from cpython.object cimport PyObject

from fastloop.core.exception_handler cimport call_exception_handler
from fastloop.core.handle cimport call_soon_uninterrupted, new_queued_handle
from fastloop.core.interruption cimport call_uninterrupted, call_uninterrupted_with
from fastloop.core.scheduler cimport VARS_OFFSET
from fastloop.python.calls cimport call_enter, call_raised_exit
from fastloop.python.context_vars cimport context_vars_are_a_copy
from fastloop.python.cpython_compat cimport compat_take_exception
from fastloop.python.instance_dict cimport instance_dict_postpone
from fastloop.transports.lifecycle cimport (
    LIFECYCLE_EDGE_COUNT, TRANSPORT_CLOSED, TRANSPORT_CLOSING, TRANSPORT_LOSING, TRANSPORT_OPENING, lifecycle_edges,
    lifecycle_move, lifecycle_names)


cdef:
    # asyncio's own stream transports inherit from it what they do not define.
    object BASE = transports._FlowControlMixin
    object BASE_GET_EXTRA_INFO = BASE.get_extra_info


cdef class Transport(Runnable):
    """What asyncio.BaseTransport promises. Only the loop makes transports."""

    def __cinit__(self, *args, **kwargs):
        self.state = TRANSPORT_OPENING

    def __init__(self):
        raise TypeError(f"{type(self).__name__} is made by the loop's methods, such as create_connection()")

    # ---- what asyncio.BaseTransport has ----

    def get_extra_info(self, name, default=None):
        """Return what is known under name, or default: "socket", "peername", "sockname" and what TLS adds.

        It still answers after the connection is closed.
        """
        self.send_held()
        if BASE.get_extra_info is not BASE_GET_EXTRA_INFO:
            # Called as the program most likely called it: a mock records its arguments.
            method = replaced_base_method(self, "get_extra_info")
            return method(name) if default is None else method(name, default)
        return self.extra_info(name, default)

    cdef object extra_info(self, object name, object default):
        return default if self.extra is None else self.extra.get(name, default)

    def is_closing(self):
        """Return True once the transport is closed or about to be."""
        self.send_held()
        return self.state >= TRANSPORT_CLOSING

    def set_protocol(self, protocol):
        """Use protocol from now on.

        Its methods are looked up here, once. If you replace one of them later, call set_protocol() again.
        """
        self.send_held()
        self.protocol = protocol
        self.protocol_changed()

    def get_protocol(self):
        """Return the protocol; None once connection_lost() has been called."""
        return self.protocol

    def _force_close(self, exc):
        self.begin_losing(exc)

    def _fatal_error(self, exc, message="Fatal error on transport"):
        self.fail_with(exc, message)

    # ---- names that libraries and asyncio read ----

    @property
    def _loop(self):
        return self.loop

    @property
    def _protocol(self):
        return self.protocol

    @property
    def _closing(self):
        return self.state >= TRANSPORT_CLOSING

    @property
    def _extra(self):
        return {} if self.extra is None else self.extra

    # ---- calls of the protocol ----

    cdef int move_to(self, transport_state_t state) except -1:
        return lifecycle_move(&self.state, state)

    cdef int call_soon(self, object callback, tuple args, object context) except -1:
        if self.loop.bypasses_call_soon:
            scheduler_push(self.loop, new_queued_handle(self.loop, callback, args, context))
        else:
            call_soon_uninterrupted(self.loop, callback, args, context)
        return 0

    cdef int renew_context(self) except -1:
        # As asyncio does with each new callback.
        if self.bits.has_given_context:
            return 0
        if VARS_OFFSET == 0 or not context_vars_are_a_copy(self.context, VARS_OFFSET):
            self.context = PyContext_CopyCurrent()
        return 0

    cdef object context_of_connection_made(self):
        return self.context if self.bits.has_given_context else PyContext_Copy(self.context)

    def _call_connection_made(self, waiter):
        """Runs as a callback of the loop."""
        self.call_connection_made(waiter)

    cdef int call_connection_made(self, object waiter) except -1:
        try:
            # The transport may have been closed since this was scheduled.
            call_uninterrupted_with(self.loop, self.protocol.connection_made, self)
        finally:
            self.start_reading()
            if waiter is not None and not waiter.done():
                waiter.set_result(None)
        return 0

    def _call_connection_lost(self, exc):
        """Runs as a callback of the loop."""
        self.call_connection_lost(exc)

    cdef int call_connection_lost(self, object exception) except -1:
        try:
            if self.protocol is not None:
                call_uninterrupted_with(self.loop, self.protocol.connection_lost, exception)
        finally:
            self.release(True)
        return 0

    cdef int call_connection_lost_in_turn(self) except -1:
        self.bits.connection_lost_is_queued = False
        try:
            if self.protocol is not None:
                call_uninterrupted_with(self.loop, self.protocol.connection_lost, None)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.report("Exception in callback connection_lost()", error, self.protocol)
        finally:
            self.release(False)
        return 0

    cdef int tell_protocol(self, str method) except -1:
        cdef bint has_entered
        protocol = self.protocol
        context = self.context
        if protocol is None:
            return 0
        # The context is entered already if the protocol has caused this in one of its own methods.
        has_entered = call_enter(context)
        try:
            call_uninterrupted(self.loop, getattr(protocol, method))
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            if self.loop is not None:
                self.report(f"protocol.{method}() failed", error, protocol)
        finally:
            if has_entered:
                PyContext_Exit(context)
        return 0

    cdef int report(self, str message, object exception, object protocol) except -1:
        self.loop.call_exception_handler(
            {"message": message, "exception": exception, "transport": self, "protocol": protocol})
        return 0

    cdef int turn_failed(self) except -1:
        """Report the exception like that of a callback. The loop keeps running."""
        if call_raised_exit():
            return -1
        exception = compat_take_exception()
        # A transport that has ended has no loop: use the one that runs here.
        return call_exception_handler(asyncio.get_running_loop(), {
            "message": f"Exception in callback of {type(self).__name__}",
            "exception": exception,
            "transport": self,
            "protocol": self.protocol,
        })

    # ---- the end ----

    cdef int begin_losing(self, object exception) except -1:
        if self.state >= TRANSPORT_LOSING:
            return 0
        self.move_to(TRANSPORT_LOSING)
        self.renew_context()
        self.abandon_output()
        self.stop_watching()
        if exception is None and self.loop.bypasses_call_soon and not self.bits.is_queued:
            self.bits.connection_lost_is_queued = True
            return transport_queue(self)
        return self.call_soon(self._call_connection_lost, (exception,), self.context)

    cdef int release(self, bint has_caller) except -1:
        loop = self.loop
        self.move_to(TRANSPORT_CLOSED)
        self.protocol = self.loop = self.context = None
        return self.release_descriptor(loop, has_caller)

    cdef int fail_raised(self, str message) except -1:
        if call_raised_exit():
            return -1
        return self.fail_with(compat_take_exception(), message)

    cdef int fail_with_errno(self, int error, str message) except -1:
        return self.fail_with(OSError(error, os.strerror(error)), message)

    cdef int fail_with(self, object exception, str message) except -1:
        loop = self.loop
        if loop is None:
            return 0
        try:
            if not isinstance(exception, OSError):
                call_exception_handler(
                    loop, {"message": message, "exception": exception, "transport": self, "protocol": self.protocol})
            elif loop.is_debug:
                base_events.logger.debug("%r: %s", self, message, exc_info=exception)
        finally:
            self.begin_losing(exception)
        return 0

    # ---- for the subclasses ----

    cdef int start_reading(self) except -1:
        return 0

    cdef int protocol_changed(self) except -1:
        return 0

    cdef int send_held(self) except -1:
        return 0

    cdef int abandon_output(self) except -1:
        return 0

    cdef int stop_watching(self) except -1:
        return 0

    cdef int release_descriptor(self, SocketCore loop, bint has_caller) except -1:
        return 0


cdef object replaced_base_method(Transport transport, str name):
    """Return the method that replaces asyncio's own in one of asyncio's classes, bound as asyncio's transports find it."""
    attribute = next(vars(cls)[name] for cls in BASE.__mro__ if name in vars(cls))
    bind = getattr(type(attribute), "__get__", None)
    return attribute if bind is None else bind(attribute, transport, BASE)


cdef bint transport_closes_elsewhere(Transport transport) except -1:
    """A StreamWriter calls close() from any thread in which it dies."""
    if not transport_runs_elsewhere(transport):
        return False
    loop = transport.loop
    if loop is not None:
        loop.call_soon_threadsafe(transport.close)
    return True


cdef int transport_init(Transport transport, SocketCore loop, object protocol, object context, dict extra) except -1:
    instance_dict_postpone(<PyObject *>transport)
    transport.loop = loop
    transport.context = PyContext_CopyCurrent() if context is None else context
    transport.extra = extra
    transport.set_protocol(protocol)
    return 0


def lifecycle():
    """Return the table of lifecycle.h: (state, next state, cause) for each edge."""
    return [
        (lifecycle_names[<int>lifecycle_edges[i].from_state].decode(), lifecycle_names[<int>lifecycle_edges[i].to].decode(),
         lifecycle_edges[i].cause.decode())
        for i in range(LIFECYCLE_EDGE_COUNT)
    ]
