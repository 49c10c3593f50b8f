"""Documented in ssl_object_layout.h."""

from fastloop.tls.openssl cimport openssl_ssl_t


cdef extern from "ssl_object_layout.h":
    openssl_ssl_t *layout_find_ssl(object ssl_object, object context, object incoming, object outgoing, bint was_seen) noexcept
