"""Documented in receive_buffer.h."""


cdef extern from "receive_buffer.h":
    ctypedef struct receive_buffer_t:
        pass

    const Py_ssize_t RECEIVE_BUFFER_SIZE
    char *receive_buffer_memory(receive_buffer_t *buffer) except NULL
    object receive_buffer_bytes(receive_buffer_t *buffer, Py_ssize_t size)
    object receive_buffer_hold(receive_buffer_t *buffer)
    void receive_buffer_close(receive_buffer_t *buffer) noexcept
