"""SocketOperation: the awaitables of sock_recv(), sock_sendto() and the others that receive and send.

Owns: the pin on the program's buffer while it is used.
Promises: like a coroutine, it does nothing before it is awaited. It tries first, and waits only if it would block. Then
  it tries again in the waiting task's own step, so a cancelled receive takes nothing from the socket.
Driven by: the task that awaits it, through a future that the descriptor's watcher completes.
"""

import os
import socket

try:
    from ssl import SSLSocket
except ImportError:
    # A Python without TLS has no such sockets.
    SSLSocket = ()

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING
from cpython.object cimport PyObject, destructor
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.errno cimport EBADF, errno

from fastloop.core.fd_watcher cimport wait_for_socket
from fastloop.core.loop_counters cimport loop_counter_add_bytes
from fastloop.core.native_coroutine cimport NativeCoroutine
from fastloop.core.scheduler cimport scheduler_expect_events
from fastloop.net.address_cache cimport address_cache_find, address_cache_show, address_cache_t
from fastloop.net.receive_buffer cimport (
    RECEIVE_BUFFER_SIZE, receive_buffer_bytes, receive_buffer_memory, receive_buffer_t)
from fastloop.net.sockaddr cimport sockaddr_knows_family, sockaddr_storage, socklen_t
from fastloop.net.socket_object cimport socket_object_family, socket_object_fd
from fastloop.net.syscalls cimport net_receive, net_receive_from, net_send, net_send_to, net_would_block
from fastloop.poll.poller cimport POLL_READABLE, POLL_WRITABLE
from fastloop.python.capi cimport (
    PyObject_CallFinalizerFromDealloc, _PyBytes_Resize, bytes_of, int_of, new_reference, object_type)
from fastloop.python.object_pool cimport (
    object_pool_dealloc, object_pool_new, object_pool_open, object_pool_t, object_type_forbid_construction)


cdef:
    object SOCKET = socket.socket
    tuple METHODS = ("sock_recv", "sock_recv_into", "sock_sendall", "sock_recvfrom", "sock_recvfrom_into", "sock_sendto")


cdef class SocketOperation(NativeCoroutine):
    def __dealloc__(self):
        if self.has_view:
            PyBuffer_Release(&self.view)

    cdef str qualified_name(self):
        return f"EventLoop.{METHODS[self.kind]}"

    cdef bint advance(self) except -1:
        cdef PyObject *answer
        self.stop_waiting()
        if not self.is_prepared:
            self.prepare()
        answer = self.attempt()
        if answer is NULL:
            return False
        self.value = <object>answer
        Py_DECREF(self.value)
        return True

    cdef int prepare(self) except -1:
        self.is_prepared = True
        if self.loop.is_debug or type(self.sock) is not SOCKET:
            check_socket(self.loop, self.sock)
        if self.kind == SOCKET_RECEIVE_FROM_INTO and self.size == 0:
            # As in asyncio: the number of items.
            self.size = len(self.buffer)
        if self.kind != SOCKET_RECEIVE and self.kind != SOCKET_RECEIVE_FROM:
            is_written = self.kind == SOCKET_RECEIVE_INTO or self.kind == SOCKET_RECEIVE_FROM_INTO
            PyObject_GetBuffer(self.buffer, &self.view, PyBUF_WRITABLE if is_written else PyBUF_SIMPLE)
            self.has_view = True
        if self.size < 0:
            raise ValueError(f"negative buffersize in {METHODS[self.kind].removeprefix('sock_')}")
        if self.kind == SOCKET_RECEIVE_FROM_INTO and self.size > self.view.len:
            raise ValueError("nbytes is greater than the length of the buffer")
        return 0

    cdef int end(self) except -1:
        if self.has_view:
            self.has_view = False
            PyBuffer_Release(&self.view)
        self.sock = self.buffer = self.address = None
        return NativeCoroutine.end(self)

    cdef PyObject *attempt(self) except? NULL:
        cdef int fd = socket_object_fd(self.sock)
        if fd < 0:
            raise OSError(EBADF, "Bad file descriptor")
        if self.kind == SOCKET_RECEIVE:
            return self.receive(fd)
        if self.kind == SOCKET_RECEIVE_INTO:
            return self.receive_into(fd)
        if self.kind == SOCKET_SEND_ALL:
            return self.send_all(fd)
        if not sockaddr_knows_family(socket_object_family(self.sock)):
            return self.use_socket_object(fd)
        if self.kind == SOCKET_RECEIVE_FROM:
            return self.receive_from(fd)
        return self.receive_from_into(fd) if self.kind == SOCKET_RECEIVE_FROM_INTO else self.send_to(fd)

    cdef PyObject *receive(self, int fd) except? NULL:
        """Receive once. A second call would take the next datagram, or an error that belongs to the next receive."""
        cdef PyObject *data
        cdef ssize_t count
        if self.size == 0:
            # Like socket.recv(0): no system call.
            return bytes_of(NULL, 0)
        if self.size <= RECEIVE_BUFFER_SIZE:
            count = net_receive(fd, receive_buffer_memory(self.received), self.size)
            loop_counter_add_bytes(&self.loop.counters.bytes_received, count)
            return new_reference(receive_buffer_bytes(self.received, count)) if count >= 0 else self.wait(fd, POLL_READABLE)
        data = bytes_of(NULL, self.size)
        count = net_receive(fd, PyBytes_AS_STRING(<object>data), self.size)
        loop_counter_add_bytes(&self.loop.counters.bytes_received, count)
        if count >= 0:
            _PyBytes_Resize(&data, count)
            return data
        # errno survives this: only the bytes object is freed.
        Py_DECREF(<object>data)
        return self.wait(fd, POLL_READABLE)

    cdef PyObject *receive_into(self, int fd) except? NULL:
        cdef ssize_t count = net_receive(fd, self.view.buf, self.view.len) if self.view.len > 0 else 0
        loop_counter_add_bytes(&self.loop.counters.bytes_received, count)
        return int_of(count) if count >= 0 else self.wait(fd, POLL_READABLE)

    cdef PyObject *send_all(self, int fd) except? NULL:
        cdef ssize_t count
        scheduler_expect_events(self.loop)
        while True:
            # At least once. Empty data may be a datagram, and send(2) reports errors of the socket.
            count = net_send(fd, <char *>self.view.buf + self.size, self.view.len - self.size)
            loop_counter_add_bytes(&self.loop.counters.bytes_sent, count)
            if count < 0:
                return self.wait(fd, POLL_WRITABLE)
            self.size += count
            if self.size == self.view.len:
                break
        Py_INCREF(None)
        return <PyObject *>None

    # ---- with addresses ----

    cdef PyObject *receive_from(self, int fd) except? NULL:
        cdef sockaddr_storage raw
        cdef socklen_t length = 0
        cdef ssize_t count
        if self.size > RECEIVE_BUFFER_SIZE:
            return self.use_socket_object(fd)
        count = net_receive_from(fd, receive_buffer_memory(self.received), self.size, &raw, &length)
        loop_counter_add_bytes(&self.loop.counters.bytes_received, count)
        if count < 0:
            return self.wait(fd, POLL_READABLE)
        return new_reference((receive_buffer_bytes(self.received, count), address_cache_show(self.addresses, &raw, length)))

    cdef PyObject *receive_from_into(self, int fd) except? NULL:
        cdef sockaddr_storage raw
        cdef socklen_t length = 0
        cdef ssize_t count = net_receive_from(fd, self.view.buf, self.size, &raw, &length)
        loop_counter_add_bytes(&self.loop.counters.bytes_received, count)
        if count < 0:
            return self.wait(fd, POLL_READABLE)
        return new_reference((count, address_cache_show(self.addresses, &raw, length)))

    cdef PyObject *send_to(self, int fd) except? NULL:
        cdef socklen_t length = 0
        cdef ssize_t count
        cdef const void *raw = address_cache_find(self.addresses, self.address, socket_object_family(self.sock), &length)
        if raw is NULL:
            return self.use_socket_object(fd)
        scheduler_expect_events(self.loop)
        count = net_send_to(fd, self.view.buf, self.view.len, raw, length)
        loop_counter_add_bytes(&self.loop.counters.bytes_sent, count)
        return int_of(count) if count >= 0 else self.wait(fd, POLL_WRITABLE)

    cdef PyObject *use_socket_object(self, int fd) except? NULL:
        scheduler_expect_events(self.loop)
        try:
            if self.kind == SOCKET_SEND_TO:
                return new_reference(self.sock.sendto(self.buffer, self.address))
            if self.kind == SOCKET_RECEIVE_FROM:
                return new_reference(self.sock.recvfrom(self.size))
            return new_reference(self.sock.recvfrom_into(self.buffer, self.size))
        except (BlockingIOError, InterruptedError):
            self.wait_for_fd(fd, POLL_WRITABLE if self.kind == SOCKET_SEND_TO else POLL_READABLE)
            return NULL

    cdef PyObject *wait(self, int fd, unsigned int direction) except? NULL:
        """The system call has failed. Return NULL, with waits_for set if it would only have blocked."""
        cdef int error = errno
        if not net_would_block(error):
            raise OSError(error, os.strerror(error))
        self.wait_for_fd(fd, direction)
        return NULL

    cdef int wait_for_fd(self, int fd, unsigned int direction) except -1:
        self.loop._check_closed()
        self.loop._ensure_fd_no_transport(fd)
        self.wait_for(wait_for_socket(self.loop, fd, self.sock, direction))
        return 0


def check_socket(LoopCore loop, sock):
    """Raise what asyncio raises for sockets that it does not support."""
    if isinstance(sock, SSLSocket):
        raise TypeError("Socket cannot be of type SSLSocket")
    if loop.is_debug and sock.gettimeout() != 0:
        raise ValueError("the socket must be non-blocking")


# ---- made and destroyed ----

cdef object_pool_t pool


cdef void socket_operation_dealloc(PyObject *self) noexcept:
    if object_type(self) is not pool.type:
        pool.plain_dealloc(self)
    elif (<SocketOperation>self).has_begun or PyObject_CallFinalizerFromDealloc(self) == 0:
        if (<SocketOperation>self).has_view:
            PyBuffer_Release(&(<SocketOperation>self).view)
        object_pool_dealloc(&pool, self)


object_pool_open(&pool, SocketOperation.__new__(SocketOperation), sizeof(PyObject), 7, <destructor>socket_operation_dealloc)
object_type_forbid_construction(SocketOperation)


cdef SocketOperation new_socket_operation(
        LoopCore loop, receive_buffer_t *received, socket_operation_kind kind, object sock, object buffer, Py_ssize_t size):
    cdef SocketOperation operation = <SocketOperation>object_pool_new(&pool)
    operation.has_begun = operation.has_ended = operation.is_prepared = operation.has_view = False
    operation.loop = loop
    operation.received = received
    operation.kind = kind
    operation.sock = sock
    operation.buffer = buffer
    operation.size = size
    return operation


cdef SocketOperation socket_operation_use_addresses(SocketOperation operation, address_cache_t *addresses, object address):
    operation.addresses = addresses
    operation.address = address
    return operation
