"""Documented in write_queue.h."""

from fastloop.net.syscalls cimport iovec


cdef extern from "write_queue.h":
    ctypedef struct write_queue_t:
        size_t count
        size_t size_bytes

    void write_queue_open(write_queue_t *queue) noexcept
    int write_queue_push(write_queue_t *queue, object data, size_t skip) except -1
    int write_queue_vectors(const write_queue_t *queue, iovec *vectors, int max_vectors, size_t *size) noexcept
    void write_queue_advance(write_queue_t *queue, size_t sent) noexcept
    bytes write_queue_content(const write_queue_t *queue)
    void write_queue_clear(write_queue_t *queue) noexcept
