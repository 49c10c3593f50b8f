"""Documented in syscalls.h."""

from fastloop.net.sockaddr cimport sockaddr_storage, socklen_t


cdef extern from "syscalls.h" nogil:
    enum:
        NET_MAX_VECTORS
        NET_PIPE_HEARS_OF_READER
        NET_FIFO_HEARS_OF_READER

    ctypedef struct iovec "struct iovec":
        void *iov_base
        size_t iov_len

    bint net_would_block(int error) noexcept
    ssize_t net_receive(int fd, void *buffer, size_t size) noexcept
    ssize_t net_send(int fd, const void *data, size_t size) noexcept
    ssize_t net_receive_from(int fd, void *buffer, size_t size, sockaddr_storage *address, socklen_t *length) noexcept
    ssize_t net_receive_from_vectors(
        int fd, iovec *vectors, int vector_count, sockaddr_storage *address, socklen_t *length) noexcept
    ssize_t net_send_to(int fd, const void *data, size_t size, const void *address, socklen_t length) noexcept
    ssize_t net_read(int fd, void *buffer, size_t size) noexcept
    ssize_t net_write(int fd, const void *data, size_t size) noexcept
    ssize_t net_write_vectors(int fd, const iovec *vectors, int vector_count) noexcept
    ssize_t net_send_vectors(int fd, const iovec *vectors, int vector_count) noexcept
    int net_accept(int fd, sockaddr_storage *address, socklen_t *length) noexcept
    bint net_accept_error_is_passing(int error) noexcept
    bint net_is_out_of_resources(int error) noexcept
    void net_set_nodelay(int fd, int family, int type) noexcept
    int net_encrypt_output(int fd, const void *info, size_t size) noexcept
    ssize_t net_send_record(int fd, unsigned char type, const void *data, size_t size) noexcept
    int net_shutdown_write(int fd) noexcept
    void net_close(int fd) noexcept
