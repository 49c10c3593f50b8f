"""Documented in openssl.h."""


cdef extern from "openssl.h":
    ctypedef struct openssl_ssl_t:
        pass

    ctypedef struct openssl_bio_t:
        pass

    # OpenSSL's functions, by their own names. Only those that Cython code calls.
    ctypedef struct openssl_t:
        int (*SSL_read)(openssl_ssl_t *, void *, int) noexcept
        int (*SSL_write)(openssl_ssl_t *, const void *, int) noexcept
        int (*SSL_pending)(const openssl_ssl_t *) noexcept
        int (*SSL_in_init)(const openssl_ssl_t *) noexcept
        int (*SSL_get_key_update_type)(const openssl_ssl_t *) noexcept
        int (*SSL_shutdown)(openssl_ssl_t *) noexcept
        int (*SSL_get_shutdown)(const openssl_ssl_t *) noexcept
        int (*SSL_get_error)(const openssl_ssl_t *, int) noexcept
        void (*SSL_set_bio)(openssl_ssl_t *, openssl_bio_t *, openssl_bio_t *) noexcept
        int (*BIO_up_ref)(openssl_bio_t *) noexcept

    openssl_t openssl
    const int OPENSSL_ERROR_SSL
    const int OPENSSL_ERROR_WANT_READ
    const int OPENSSL_ERROR_WANT_WRITE
    const int OPENSSL_ERROR_ZERO_RETURN
    const int OPENSSL_RECEIVED_SHUTDOWN
    void openssl_clear_errors() noexcept
    const char *openssl_load(const char *path) noexcept
