"""HandshakingTransport: a TLS transport until its handshake is done, and the clock that limits it.

Owns: the future that waits for the handshake, and the one timer: of the handshake, later of the end.
Promises: connection_made() is called when the peer is known. A handshake that fails or takes too long ends the connection, and the
  alert for the peer goes out.
Driven by: TlsTransport.
"""

import ssl
from asyncio import base_events, exceptions

from fastloop.core.clock cimport clock_now_ns
from fastloop.core.exception_handler cimport call_exception_handler
from fastloop.core.interruption cimport call_uninterrupted_with
from fastloop.net.socket_core cimport SocketCore
from fastloop.tls.decrypting_transport cimport DecryptingTransport
from fastloop.tls.handshake_turns cimport handshake_has_run, handshake_may_run
from fastloop.tls.session_states cimport SESSION_HANDSHAKING
from fastloop.transports.lifecycle cimport TRANSPORT_OPEN, TRANSPORT_OPENING
from fastloop.transports.transport cimport transport_queue_for_next_turn


cdef class HandshakingTransport(DecryptingTransport):
    cdef int take_handshake_turn(self) except -1:
        if handshake_may_run(self.loop):
            return self.continue_handshake()
        return 0 if self.bits.is_queued else transport_queue_for_next_turn(self)

    cdef int continue_handshake(self) except -1:
        cdef bint is_done
        cdef long long began_ns = clock_now_ns()
        # A failure may end the transport, which has no loop then.
        loop = self.loop
        try:
            is_done = self.session.handshake()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            # The alert for the peer.
            self.send_records()
            return self.handshake_failed(error)
        finally:
            handshake_has_run(loop, began_ns)
        # The last records go together with what connection_made() writes.
        return self.handshake_done() if is_done else self.send_records()

    cdef int handshake_done(self) except -1:
        self.stop_timer()
        if self.loop.is_debug:
            base_events.logger.debug("%r: SSL handshake took %.1f ms", self, 1e3 * (self.loop.time() - self.began_at_s))
        self.knows_session = True
        self.bits.is_blocked = self.lower_is_full
        try:
            if not self.knows_connection:
                self.knows_connection = True
                call_uninterrupted_with(self.loop, self.protocol.connection_made, self)
        finally:
            self.start_reading()
        self.wake_waiter(None)
        return 0

    cdef int start_reading(self) except -1:
        return self.move_to(TRANSPORT_OPEN) if self.state == TRANSPORT_OPENING else 0

    cdef int handshake_failed(self, object exception) except -1:
        is_refused = isinstance(exception, ssl.CertificateError)
        # Some transports tell of their end at once, and would wake it without the exception.
        waiter, self.waiter = self.waiter, None
        self.session.end()
        self.fail_with(exception, "SSL handshake failed on verifying the certificate" if is_refused else "SSL handshake failed")
        self.waiter = waiter
        return self.wake_waiter(exception)

    def _handshake_timed_out(self):
        if self.session.state == SESSION_HANDSHAKING:
            self.report_fatal(
                self.loop,
                ConnectionAbortedError(
                    f"SSL handshake is taking longer than {self.handshake_timeout} seconds: aborting the connection"),
                "Fatal error on transport")

    cdef int report_fatal(self, SocketCore loop, object exception, str message) except -1:
        self.force_lower_close(exception)
        if isinstance(exception, OSError):
            if loop.is_debug:
                base_events.logger.debug("%r: %s", self, message, exc_info=exception)
        elif not isinstance(exception, exceptions.CancelledError):
            call_exception_handler(loop, {
                "message": message, "exception": exception, "transport": self.lower, "protocol": self.tls_protocol})
        return 0

    cdef int wake_waiter(self, object exception) except -1:
        waiter, self.waiter = self.waiter, None
        is_accepted, self.is_accepted = self.is_accepted, False
        if is_accepted and exception is not None and self.loop.is_debug:
            call_exception_handler(self.loop, {
                "message": "Error on transport creation for incoming connection", "exception": exception,
                "protocol": self.protocol, "transport": self})
        if waiter is None or waiter.cancelled():
            return 0
        if exception is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(exception)
        return 0

    cdef int start_timer(self, object delay, object callback) except -1:
        self.stop_timer()
        self.timer = self.loop.call_later(delay, callback)
        return 0

    cdef int stop_timer(self) except -1:
        timer, self.timer = self.timer, None
        if timer is not None:
            timer.cancel()
        return 0
