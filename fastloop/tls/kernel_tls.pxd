"""Documented in kernel_tls.h."""

from fastloop.tls.openssl cimport openssl_bio_t
from fastloop.tls.record_bio cimport record_bio_t


cdef extern from "kernel_tls.h":
    const unsigned char KERNEL_TLS_ALERT
    const unsigned char KERNEL_TLS_DATA

    ctypedef struct kernel_tls_t:
        record_bio_t *records
        int fd
        bint encrypts
        bint has_refused
        record_bio_t late

    bint kernel_tls_open() noexcept
    openssl_bio_t *kernel_tls_new(kernel_tls_t *kernel) noexcept
    int kernel_tls_send(kernel_tls_t *kernel, unsigned char type, const char *data, size_t size) noexcept
    int kernel_tls_send_late(kernel_tls_t *kernel) noexcept
