# SocketOperation: the awaitables of sock_recv(), sock_recv_into() and sock_sendall().

from cpython.object cimport PyObject

from fastloop.core.loop_core cimport LoopCore
from fastloop.core.native_coroutine cimport NativeCoroutine
from fastloop.net.receive_buffer cimport receive_buffer_t


cdef enum socket_operation_kind:
    SOCKET_RECEIVE
    SOCKET_RECEIVE_INTO
    SOCKET_SEND_ALL


cdef class SocketOperation(NativeCoroutine):
    cdef:
        LoopCore loop
        # OWNERSHIP: borrowed from the loop.
        receive_buffer_t *received
        object sock
        # SOCKET_RECEIVE_INTO and SOCKET_SEND_ALL: the program's buffer, pinned from the first step to the last.
        object buffer
        Py_buffer view
        bint has_view
        bint is_prepared
        socket_operation_kind kind
        # SOCKET_RECEIVE: the bytes that are wanted. SOCKET_SEND_ALL: the bytes that are sent.
        Py_ssize_t size

    cdef int prepare(self) except -1
    # The result; or NULL, with waits_for set or an exception raised.
    cdef PyObject *attempt(self) except? NULL
    cdef PyObject *receive(self, int fd) except? NULL
    cdef PyObject *receive_into(self, int fd) except? NULL
    cdef PyObject *send_all(self, int fd) except? NULL
    cdef PyObject *wait(self, int fd, unsigned int direction) except? NULL


cdef SocketOperation new_socket_operation(
    LoopCore loop, receive_buffer_t *received, socket_operation_kind kind, object sock, object buffer, Py_ssize_t size)
