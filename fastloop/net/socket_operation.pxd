# SocketOperation: the awaitables of sock_recv(), sock_sendto() and the others that receive and send.

from cpython.object cimport PyObject

from fastloop.core.loop_core cimport LoopCore
from fastloop.core.native_coroutine cimport NativeCoroutine
from fastloop.net.address_cache cimport address_cache_t
from fastloop.net.receive_buffer cimport receive_buffer_t


cdef enum socket_operation_kind:
    SOCKET_RECEIVE
    SOCKET_RECEIVE_INTO
    SOCKET_SEND_ALL
    SOCKET_RECEIVE_FROM
    SOCKET_RECEIVE_FROM_INTO
    SOCKET_SEND_TO


cdef class SocketOperation(NativeCoroutine):
    cdef:
        LoopCore loop
        # OWNERSHIP: borrowed from the loop.
        receive_buffer_t *received
        address_cache_t *addresses
        object sock
        # SOCKET_SEND_TO.
        object address
        # All but SOCKET_RECEIVE and SOCKET_RECEIVE_FROM: the program's buffer, pinned from the first step to the last.
        object buffer
        Py_buffer view
        bint has_view
        bint is_prepared
        socket_operation_kind kind
        # SOCKET_RECEIVE and the two with addresses: the bytes that are wanted. SOCKET_SEND_ALL: the bytes that are sent.
        Py_ssize_t size

    cdef int prepare(self) except -1
    # The result; or NULL, with waits_for set or an exception raised.
    cdef PyObject *attempt(self) except? NULL
    cdef PyObject *receive(self, int fd) except? NULL
    cdef PyObject *receive_into(self, int fd) except? NULL
    cdef PyObject *send_all(self, int fd) except? NULL
    cdef PyObject *receive_from(self, int fd) except? NULL
    cdef PyObject *receive_from_into(self, int fd) except? NULL
    cdef PyObject *send_to(self, int fd) except? NULL
    # The socket object does it, and raises what there is to raise.
    cdef PyObject *use_socket_object(self, int fd) except? NULL
    # The system call has failed.
    cdef PyObject *wait(self, int fd, unsigned int direction) except? NULL
    cdef int wait_for_fd(self, int fd, unsigned int direction) except -1


cdef SocketOperation new_socket_operation(
    LoopCore loop, receive_buffer_t *received, socket_operation_kind kind, object sock, object buffer, Py_ssize_t size)

# For the kinds with addresses. Returns operation.
cdef SocketOperation socket_operation_use_addresses(SocketOperation operation, address_cache_t *addresses, object address)
