"""DatagramSender: sendto(), and what it could not send yet.

Owns: the datagrams that the kernel has not taken yet, and the addresses that were seen last.
Promises: datagrams leave whole and in order, at once if the kernel takes them. An error of the socket goes to error_received(),
  and the transport stays open. close() sends what is left.
Driven by: the program's sendto(), and the poller through the subclass.
"""

import os
from collections import deque

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from libc.errno cimport EBADF, errno

from fastloop.core.interruption cimport call_uninterrupted_with
from fastloop.core.loop_counters cimport loop_counter_add_bytes
from fastloop.core.runnable cimport RUNNABLE_EXPECTS_NO_ANSWER
from fastloop.core.scheduler cimport scheduler_expect_events
from fastloop.net.address_cache cimport address_cache_close, address_cache_find
from fastloop.net.sockaddr cimport sockaddr_knows_family, socklen_t
from fastloop.net.syscalls cimport net_send_to, net_would_block
from fastloop.python.cpython_compat cimport COMPAT_DATAGRAM_HEADER_BYTES, COMPAT_SENDS_EMPTY_DATAGRAMS
from fastloop.transports.descriptor_transport cimport transport_fd
from fastloop.transports.flow_control_transport cimport FlowControlTransport, check_data, plain_data
from fastloop.transports.lifecycle cimport TRANSPORT_CLOSED, TRANSPORT_CLOSING, TRANSPORT_LOSING
from fastloop.transports.transport cimport transport_closes_elsewhere


cdef object WOULD_BLOCK = BlockingIOError()


cdef class DatagramSender(FlowControlTransport):
    def __cinit__(self, *args, **kwargs):
        self.unsent = deque()

    def __dealloc__(self):
        address_cache_close(&self.addresses)

    @property
    def _buffer(self):
        return self.unsent

    cdef size_t unsent_bytes(self) noexcept:
        return self.unsent_size_bytes

    # ---- sending ----

    def sendto(self, data, addr=None):
        """Send data, a bytes-like object, as one datagram, without blocking.

        addr: where to, in the form of socket.sendto(); None for the address that the endpoint was made with. A datagram that
        the kernel has no room for is copied and sent later. Errors of the kernel go to the protocol's error_received().
        Raises TypeError for anything that is not bytes-like, ValueError for an address other than the endpoint's.
        """
        if not PyBytes_CheckExact(data):
            check_data(data)
            data = plain_data(data)
        if not COMPAT_SENDS_EMPTY_DATAGRAMS and not data:
            return
        if self._address:
            addr = self.checked_address(addr)
            if self.drops_writes():
                return
        if self.bits.is_blocked and self.unsent:
            self.keep(data, addr)
            return
        failure = self.attempt(data, addr)
        if failure is WOULD_BLOCK:
            self.keep(data, addr)
        elif failure is not None:
            self.tell_error(failure)

    cdef object attempt(self, object data, object address):
        if self.state == TRANSPORT_CLOSED:
            # The exception of asyncio, which has lost socket and loop by now.
            raise AttributeError("'NoneType' object has no attribute 'call_exception_handler'")
        try:
            return self.send(data, address)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.fail_with(error, "Fatal write error on datagram transport")
            return None

    cdef object checked_address(self, object address):
        cdef tuple accepted
        if address is None or address is self._address:
            return self._address
        accepted = (None, self._address)
        if address not in accepted:
            raise ValueError(f"Invalid address: must be None or {self._address}")
        return self._address

    cdef object send(self, object data, object address):
        cdef Py_buffer view
        cdef socklen_t length = 0
        cdef const void *raw = NULL
        cdef ssize_t sent
        cdef int error
        self.flags &= ~<unsigned int>RUNNABLE_EXPECTS_NO_ANSWER
        scheduler_expect_events(self.loop)
        if not sockaddr_knows_family(self.family):
            return self.send_by_socket_object(data, address)
        if not self.has_named_peer and not (address is None and self.is_connected):
            raw = address_cache_find(&self.addresses, address, self.family, &length)
            if raw is NULL:
                return self.send_by_socket_object(data, address)
        if PyBytes_CheckExact(data):
            sent = net_send_to(transport_fd(self), PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), raw, length)
            error = errno
        else:
            PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
            sent = net_send_to(transport_fd(self), view.buf, view.len, raw, length)
            error = errno
            PyBuffer_Release(&view)
        loop_counter_add_bytes(&self.loop.counters.bytes_sent, sent)
        return None if sent >= 0 else outcome_of(EBADF if transport_fd(self) < 0 else error)

    cdef object send_by_socket_object(self, object data, object address):
        try:
            if self.has_named_peer or (address is None and self.is_connected):
                self.owner.send(data)
            else:
                self.owner.sendto(data, address)
        except (BlockingIOError, InterruptedError):
            return WOULD_BLOCK
        except OSError as error:
            return error
        return None

    cdef int keep(self, object data, object address) except -1:
        """The kernel has no room: send it later."""
        if self.state >= TRANSPORT_LOSING:
            return 0
        data = bytes(data)
        self.unsent.append((data, address))
        self.unsent_size_bytes += PyBytes_GET_SIZE(data) + COMPAT_DATAGRAM_HEADER_BYTES
        if not self.bits.is_blocked:
            self.block()
        return self.pause_protocol_if_full()

    cdef int send_again(self) except -1:
        """Send until nothing is left, the kernel takes no more, or it reports an error."""
        self.forget_writable()
        while self.state < TRANSPORT_LOSING and self.unsent:
            datagram = self.unsent.popleft()
            data, address = datagram
            self.unsent_size_bytes -= PyBytes_GET_SIZE(data) + COMPAT_DATAGRAM_HEADER_BYTES
            failure = self.attempt(data, address)
            if failure is WOULD_BLOCK:
                self.unsent.appendleft(datagram)
                self.unsent_size_bytes += PyBytes_GET_SIZE(data) + COMPAT_DATAGRAM_HEADER_BYTES
                break
            if failure is not None:
                # The rest follows in the next turn, as in asyncio.
                return self.tell_error(failure)
        self.resume_protocol_if_drained()
        # resume_writing() may have sent more, or closed the transport.
        return self.everything_is_sent() if self.state < TRANSPORT_LOSING and not self.unsent else 0

    cdef int everything_is_sent(self) except -1:
        self.bits.is_blocked = False
        if self.state != TRANSPORT_CLOSING:
            self.update_interest()
            return self.update_keep_alive()
        self.move_to(TRANSPORT_LOSING)
        self.stop_watching()
        return self.call_connection_lost_in_turn()

    cdef int tell_error(self, object error) except -1:
        call_uninterrupted_with(self.loop, self.protocol.error_received, error)
        return 0

    # ---- the end ----

    def close(self):
        """Send what was sent to a full kernel, then close. No more datagrams arrive, and connection_lost(None) follows."""
        if transport_closes_elsewhere(self):
            return
        if self.state >= TRANSPORT_CLOSING:
            return
        if not self.unsent:
            self.begin_losing(None)
        else:
            self.move_to(TRANSPORT_CLOSING)
            self.update_interest()

    def abort(self):
        """Close at once. What the kernel has not taken is dropped. connection_lost(None) is called in the next turn."""
        self.begin_losing(None)

    cdef int abandon_output(self) except -1:
        self.unsent.clear()
        self.unsent_size_bytes = 0
        return 0


cdef object outcome_of(int error):
    return WOULD_BLOCK if net_would_block(error) else OSError(error, os.strerror(error))
