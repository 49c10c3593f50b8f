"""Documented in record_bio.h."""

from fastloop.tls.openssl cimport openssl_bio_t


cdef extern from "record_bio.h":
    ctypedef struct record_bio_t:
        const char *input
        size_t input_size
        char *output
        size_t output_size
        size_t output_capacity

    bint record_bio_open() noexcept
    openssl_bio_t *record_bio_new(record_bio_t *bio) noexcept
    void record_bio_detach(openssl_bio_t *object) noexcept
    int record_bio_append(record_bio_t *bio, const char *data, size_t size) noexcept
    void record_bio_clear_output(record_bio_t *bio) noexcept
