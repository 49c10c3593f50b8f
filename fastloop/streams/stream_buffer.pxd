"""Documented in stream_buffer.h."""


cdef extern from "stream_buffer.h":
    ctypedef struct stream_buffer_t:
        pass

    Py_ssize_t stream_buffer_size(const stream_buffer_t *buffer) noexcept
    char *stream_buffer_data(const stream_buffer_t *buffer) noexcept
    void stream_buffer_clear(stream_buffer_t *buffer) noexcept
    void stream_buffer_adopt(stream_buffer_t *buffer, object bytes) noexcept
    int stream_buffer_append(stream_buffer_t *buffer, const char *data, Py_ssize_t size, Py_ssize_t wanted) except -1
    void stream_buffer_drop(stream_buffer_t *buffer, Py_ssize_t size) noexcept
    object stream_buffer_take(stream_buffer_t *buffer, Py_ssize_t size)
    Py_ssize_t stream_buffer_find(
        const stream_buffer_t *buffer, const char *separator, Py_ssize_t separator_size, Py_ssize_t offset) noexcept
