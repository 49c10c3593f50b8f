# DirectEngine: data goes through OpenSSL's own functions.

from fastloop.tls.openssl cimport openssl_bio_t, openssl_ssl_t
from fastloop.tls.record_bio cimport record_bio_t
from fastloop.tls.tls_engine cimport EngineInputs, TlsEngine


cdef class DirectEngine(TlsEngine):
    cdef:
        # OWNERSHIP: ssl_object's.
        openssl_ssl_t *ssl
        # One reference. The SSL has another one.
        openssl_bio_t *bio
        record_bio_t records
        # What keep_input() copied; the window in records points into it.
        bytes kept

    cdef int keep(self, bytes records) except -1
    cdef int raise_error(self, int error) except -1


# None if the engine cannot serve this connection.
cdef DirectEngine new_direct_engine(EngineInputs inputs)

# The same in two steps, for an engine of a subclass, with a BIO of its own: NULL if the engine cannot serve this connection.
cdef openssl_ssl_t *direct_engine_ssl(EngineInputs inputs) except? NULL
cdef DirectEngine direct_engine_open(DirectEngine engine, EngineInputs inputs, openssl_ssl_t *found, openssl_bio_t *bio)

# Why it can serve none in this process, or None.
cdef object direct_engine_obstacle()
