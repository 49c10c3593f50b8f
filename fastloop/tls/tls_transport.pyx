"""TlsTransport: an encrypted connection over another transport: from the first record to the end.

Owns: the order in which handshake, data and end follow one another.
Promises: data comes in order and complete, or connection_lost() says why not. After close() none is delivered, close_notify goes
  out, and the connection ends in time. The order of calls is that of asyncio's TLS transports.
Driven by: TlsProtocol, for the transport below, and the program's calls.
"""

import warnings
from asyncio import base_events, constants, exceptions, sslproto

from cpython.contextvars cimport PyContext_Exit

from fastloop.net.socket_core cimport SocketCore
from fastloop.python.calls cimport call_enter
from fastloop.python.method_copies cimport method_copies_make
from fastloop.tls.handshaking_transport cimport HandshakingTransport
from fastloop.tls.decrypting_transport cimport DecryptingTransport
from fastloop.tls.encrypting_transport cimport EncryptingTransport
from fastloop.tls.session_states cimport SESSION_CLOSED, SESSION_HANDSHAKING, SESSION_OPEN, SESSION_SHUTTING_DOWN
from fastloop.tls.tls_engine cimport TlsEngine
from fastloop.tls.tls_session cimport new_tls_session
from fastloop.transports.descriptor_transport cimport DescriptorTransport
from fastloop.transports.flow_control_transport cimport FlowControlTransport
from fastloop.transports.lifecycle cimport TRANSPORT_CLOSING, TRANSPORT_LOSING
from fastloop.transports.sending_transport cimport SendingTransport
from fastloop.transports.transport cimport (
    Transport, transport_init, transport_queue_for_next_turn, transport_closes_elsewhere,
    transport_unqueue)
from fastloop.transports.write_queue cimport write_queue_clear
from fastloop.transports.writing_transport cimport WritingTransport


cimport cython


cdef:
    object SENDFILE_BY_KERNEL = constants._SendfileMode.TRY_NATIVE
    object SENDFILE_BY_WRITING = constants._SendfileMode.FALLBACK
    object ASYNCIO_CLASS = sslproto._SSLProtocolTransport
    # asyncio's message for whatever a method of the protocol raises.
    str FATAL_ERROR = "Fatal error on SSL protocol"
    # What get_extra_info() knows of the session, by methods of the ssl.SSLObject.
    dict SESSION_INFO = {"ssl_object": None, "peercert": "getpeercert", "cipher": "cipher", "compression": "compression"}


@cython.final
cdef class TlsTransport(HandshakingTransport):
    """What asyncio.Transport promises, encrypted; isinstance() accepts it as one.

    Use it in the loop's thread only.
    """

    def __del__(self):
        if self.lower is not None and self.state < TRANSPORT_CLOSING:
            warnings.warn(f"unclosed transport {self!r}", ResourceWarning, source=self)

    # ---- names that libraries and asyncio read ----

    @property
    def __class__(self):
        return ASYNCIO_CLASS

    @property
    def _start_tls_compatible(self):
        return True

    @property
    def _sendfile_compatible(self):
        return SENDFILE_BY_KERNEL if self.session.engine.kernel_encrypts() else SENDFILE_BY_WRITING

    @property
    def _ssl_protocol(self):
        return self.tls_protocol

    @property
    def _sslcontext(self):
        return self.sslcontext

    cdef object extra_info(self, object name, object default):
        if name == "sslcontext":
            return self.sslcontext
        if name == "tls_engine":
            return self.session.engine.name
        if name == "tls_kernel":
            return self.session.engine.kernel_encrypts()
        if self.knows_session and name in SESSION_INFO:
            ssl_object = self.session.engine.ssl_object
            return ssl_object if name == "ssl_object" else getattr(ssl_object, SESSION_INFO[name])()
        # As in asyncio, what the transport below knew is gone with it.
        return default if self.lower is None or self.lower_is_lost else self.lower.get_extra_info(name, default)

    def _test__append_write_backlog(self, data):
        """Write without sending. CPython's tests call this."""
        self.push(data)

    def __repr__(self):
        state = " closed" if self.lower_is_lost else " closing" if self.state >= TRANSPORT_CLOSING else ""
        return f"<{type(self).__name__}{state} over {self.lower!r}>"

    # ---- what the transport below says ----

    cdef int begin(self, object lower) except -1:
        if self.lower is not None or self.lower_is_lost:
            raise RuntimeError("a TLS transport is over one other transport only")
        self.set_lower(lower)
        if self.state >= TRANSPORT_LOSING:
            # Closed before it began, for example because create_connection() was cancelled.
            return self.force_lower_close(None)
        if lower.is_closing():
            # Of start_tls(): nothing would ever answer.
            return self.handshake_failed(ConnectionResetError("the transport is closing"))
        if self.loop.is_debug:
            base_events.logger.debug("%r starts SSL handshake", self)
            self.began_at_s = self.loop.time()
        self.start_timer(self.handshake_timeout, self._handshake_timed_out)
        return self.process()

    cdef int receive(self, const char *records, Py_ssize_t size) except -1:
        if self.session.state == SESSION_CLOSED:
            return 0
        if self.native is not None:
            # Where it is called now.
            self.context = self.native.context
        self.session.engine.feed(records, size)
        return self.process()

    cdef bint eof_received(self) except -1:
        if self.lower_is_lost:
            return False
        self.lower_has_ended = True
        if self.loop.is_debug:
            base_events.logger.debug("%r received EOF", self)
        if self.bits.is_queued or (self.session.state == SESSION_OPEN and self.bits.reading_is_paused):
            # Something that came before is not processed yet.
            return True
        self.lower_has_nothing_more()
        return False

    cdef int lower_has_nothing_more(self) except -1:
        if self.session.state == SESSION_HANDSHAKING:
            return self.handshake_failed(ConnectionResetError())
        if self.session.state == SESSION_OPEN:
            # Without close_notify. asyncio takes this for a regular end.
            if self.state < TRANSPORT_CLOSING:
                self.move_to(TRANSPORT_CLOSING)
            self.encrypt_all()
            return self.shutdown_done()
        return self.shutdown_done() if self.session.state == SESSION_SHUTTING_DOWN else 0

    cdef int connection_lost(self, object exception) except -1:
        cdef bint is_told = self.knows_connection and self.session.state != SESSION_HANDSHAKING
        if self.lower_is_lost:
            return 0
        self.lower_is_lost = True
        self.stop_timer()
        write_queue_clear(&self.output)
        self.session.end()
        if self.state < TRANSPORT_LOSING:
            self.move_to(TRANSPORT_LOSING)
        if is_told:
            self.call_soon(self._call_connection_lost, (exception,), None)
        self.wake_waiter(exception)
        # Without this cycle, what nobody holds dies at once.
        self.tls_protocol = None
        if self.forgets_session:
            self.forget_session()
        return 0 if is_told else self.release(True)

    cdef int forget_session(self) except -1:
        """As in asyncio, a transport that was closed twice does not keep the context alive until connection_lost() is called."""
        cdef TlsEngine engine = TlsEngine.__new__(TlsEngine)
        engine.name = self.session.engine.name
        self.session.engine = engine
        self.sslcontext = None
        self.knows_session = False
        return 0

    # ---- its turn ----

    cdef int run(self) except -1:
        context = self.context
        transport_unqueue(self)
        if self.state >= TRANSPORT_LOSING:
            return 0
        has_entered = call_enter(context)
        try:
            self.process()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.fail_with(error, FATAL_ERROR)
        finally:
            if has_entered:
                PyContext_Exit(context)
        return 0

    cdef int process(self) except -1:
        """Do what the records that have come make possible."""
        try:
            if self.session.state == SESSION_HANDSHAKING:
                self.take_handshake_turn()
            if self.session.state == SESSION_OPEN:
                self.deliver()
            elif self.session.state == SESSION_SHUTTING_DOWN:
                self.continue_shutdown()
            if self.lower_has_ended and not self.bits.is_queued and not self.bits.reading_is_paused:
                self.lower_has_nothing_more()
        except (SystemExit, KeyboardInterrupt):
            if not self.bits.is_queued and self.state < TRANSPORT_LOSING:
                transport_queue_for_next_turn(self)
            raise
        finally:
            self.session.engine.keep_input()
        return self.control_lower_reading()

    # ---- the end ----

    def write_eof(self):
        """Raise NotImplementedError: TLS cannot end one direction alone."""
        raise NotImplementedError

    def can_write_eof(self):
        """Return False."""
        return False

    def close(self):
        """Send what was written, then close_notify, and close. No more data arrives, and connection_lost(None) follows."""
        if transport_closes_elsewhere(self):
            return
        if self.state >= TRANSPORT_CLOSING:
            self.forgets_session = True
        self.begin_closing()

    cdef int begin_closing(self) except -1:
        if self.state >= TRANSPORT_CLOSING:
            return 0
        if self.session.state == SESSION_HANDSHAKING:
            return self.begin_losing(None)
        if self.output.count > 0 and not self.bits.is_blocked:
            self.send_output()
        if self.state >= TRANSPORT_CLOSING:
            return 0
        self.move_to(TRANSPORT_CLOSING)
        self.start_timer(self.shutdown_timeout, self._shutdown_timed_out)
        return self.begin_shutdown() if self.output.count == 0 else 0

    cdef int output_is_empty(self) except -1:
        if self.state == TRANSPORT_CLOSING and self.session.state == SESSION_OPEN:
            return self.begin_shutdown()
        return 0

    cdef int begin_shutdown(self) except -1:
        cdef bint is_over
        try:
            is_over = self.session.shut_down()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            return self.fail_with(error, FATAL_ERROR)
        self.send_records()
        if is_over:
            return self.shutdown_done()
        return self.control_lower_reading()

    cdef int continue_shutdown(self) except -1:
        try:
            if self.session.await_close_notify():
                return self.shutdown_done()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            return self.fail_with(error, FATAL_ERROR)
        return 0

    cdef int shutdown_done(self) except -1:
        self.session.end()
        self.tell_eof()
        self.stop_timer()
        if self.lower is not None and not self.lower_is_lost:
            self.call_soon(self.lower.close, (), None)
        return 0

    def _shutdown_timed_out(self):
        if self.state == TRANSPORT_CLOSING:
            self.force_lower_close(exceptions.TimeoutError("SSL shutdown timed out"))

    def abort(self):
        """Close at once. What was not sent is dropped. connection_lost(None) follows."""
        self.begin_losing(None)

    cdef int begin_losing(self, object exception) except -1:
        if self.state >= TRANSPORT_LOSING:
            return 0
        self.move_to(TRANSPORT_LOSING)
        try:
            self.abandon_output()
        except Exception:
            # It is lost either way.
            pass
        self.session.end()
        self.stop_timer()
        return self.force_lower_close(exception)

    cdef int fail_with(self, object exception, str message) except -1:
        loop = self.loop
        if self.lower_is_lost:
            return 0
        self.begin_losing(exception)
        # asyncio has one message for all methods of the protocol.
        return self.report_fatal(loop, exception, FATAL_ERROR if message.startswith("Fatal error") or not message else message)


method_copies_make(TlsTransport, HandshakingTransport)
method_copies_make(TlsTransport, DecryptingTransport)
method_copies_make(TlsTransport, EncryptingTransport)
method_copies_make(TlsTransport, WritingTransport)
method_copies_make(TlsTransport, SendingTransport)
method_copies_make(TlsTransport, FlowControlTransport)
method_copies_make(TlsTransport, DescriptorTransport)
method_copies_make(TlsTransport, Transport)


cdef TlsTransport new_tls_transport(
        SocketCore loop, object protocol, object sslcontext, object waiter, bint server_side, object server_hostname,
        bint makes_connection, object handshake_timeout, object shutdown_timeout):
    cdef TlsTransport transport = TlsTransport.__new__(TlsTransport)
    transport.handshake_timeout = checked_timeout("ssl_handshake_timeout", handshake_timeout, constants.SSL_HANDSHAKE_TIMEOUT)
    transport.shutdown_timeout = checked_timeout("ssl_shutdown_timeout", shutdown_timeout, constants.SSL_SHUTDOWN_TIMEOUT)
    # asyncio's own, with the certificates of the system; ValueError for a server.
    transport.sslcontext = sslcontext or sslproto._create_transport_context(server_side, server_hostname)
    if server_side or not server_hostname:
        server_hostname = None
    transport.session = new_tls_session(loop, transport.sslcontext, server_side, server_hostname)
    transport.waiter = waiter
    transport.is_accepted = waiter is None
    transport.knows_connection = not makes_connection
    transport_init(transport, loop, protocol, None, None)
    return transport


cdef object checked_timeout(str name, object timeout, object default):
    if timeout is None:
        return default
    if timeout <= 0:
        raise ValueError(f"{name} should be a positive number, got {timeout}")
    return timeout
