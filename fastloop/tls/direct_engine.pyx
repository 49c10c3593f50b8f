"""DirectEngine: data by SSL_read() and SSL_write() on the SSL object that Python's own context has made.

Owns: the BIO that the records go through, and what of them was not read yet. The SSL belongs to the ssl.SSLObject.
Promises: handshakes are Python's own, with all of its callbacks, and so are exceptions. A context whose callbacks could raise
  in the middle of a read is not served.
Driven by: TlsSession.
"""

import _ssl
import ssl

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from fastloop.python.shared_fields cimport shared_bool_t
from fastloop.tls.openssl cimport (
    OPENSSL_ERROR_WANT_READ, OPENSSL_ERROR_WANT_WRITE, OPENSSL_ERROR_ZERO_RETURN, OPENSSL_RECEIVED_SHUTDOWN, openssl,
    openssl_bio_t, openssl_clear_errors, openssl_load, openssl_ssl_t)
from fastloop.tls.record_bio cimport (
    record_bio_clear_output, record_bio_detach, record_bio_new, record_bio_open)
from fastloop.tls.ssl_object_layout cimport layout_find_ssl
from fastloop.tls.tls_engine cimport TLS_WANTS_INPUT
from fastloop.transports.sending_transport cimport SendingTransport


cdef enum:
    # SSL_read() and SSL_write() count in int.
    MAX_CALL_BYTES = 1 << 20


cdef:
    object SSLObject = ssl.SSLObject
    # The objects in C that those of the ssl module are made of.
    object SSLSocket = _ssl._SSLSocket
    object SSLContext = _ssl._SSLContext


cdef class DirectEngine(TlsEngine):
    def __dealloc__(self):
        if self.bio != NULL:
            record_bio_detach(self.bio)
        record_bio_clear_output(&self.records)

    # ---- records from the peer ----

    cdef int feed(self, const char *records, Py_ssize_t size) except -1:
        if self.records.input_size > 0:
            # Only what was left over before: put both into one piece.
            rest = PyBytes_FromStringAndSize(self.records.input, self.records.input_size)
            return self.keep(rest + PyBytes_FromStringAndSize(records, size))
        self.kept = None
        self.records.input, self.records.input_size = records, size
        return 0

    cdef int keep_input(self) except -1:
        if self.records.input_size == 0:
            self.kept = None
        elif self.kept is None:
            return self.keep(PyBytes_FromStringAndSize(self.records.input, self.records.input_size))
        return 0

    cdef int keep(self, bytes records) except -1:
        self.kept = records
        self.records.input, self.records.input_size = PyBytes_AS_STRING(records), PyBytes_GET_SIZE(records)
        return 0

    cdef Py_ssize_t unread_bytes(self) except -1:
        return self.records.input_size

    cdef bint may_have_data(self) except -1:
        return self.records.input_size > 0 or openssl.SSL_pending(self.ssl) > 0

    cdef const char *borrowed_input(self) noexcept:
        return self.records.input if self.kept is None and self.records.input_size > 0 else NULL

    # ---- data ----

    cdef Py_ssize_t read(self, char *buffer, Py_ssize_t size) except -1:
        cdef int count, error
        openssl_clear_errors()
        count = openssl.SSL_read(self.ssl, buffer, <int>min(size, MAX_CALL_BYTES))
        if count > 0:
            return count
        error = openssl.SSL_get_error(self.ssl, count)
        if error == OPENSSL_ERROR_WANT_READ or error == OPENSSL_ERROR_WANT_WRITE:
            return TLS_WANTS_INPUT
        if error == OPENSSL_ERROR_ZERO_RETURN:
            return 0
        return self.raise_error(error)

    cdef Py_ssize_t write(self, const char *data, Py_ssize_t size) except -1:
        cdef int count, error
        openssl_clear_errors()
        count = openssl.SSL_write(self.ssl, data, <int>min(size, MAX_CALL_BYTES))
        if count > 0:
            return count
        error = openssl.SSL_get_error(self.ssl, count)
        if error == OPENSSL_ERROR_WANT_READ or error == OPENSSL_ERROR_WANT_WRITE:
            return TLS_WANTS_INPUT
        return self.raise_error(error)

    cdef bint send_close_notify(self) except -1:
        cdef int answer
        openssl_clear_errors()
        answer = openssl.SSL_shutdown(self.ssl)
        if answer < 0:
            self.raise_error(openssl.SSL_get_error(self.ssl, answer))
        return openssl.SSL_get_shutdown(self.ssl) & OPENSSL_RECEIVED_SHUTDOWN

    cdef int raise_error(self, int error) except -1:
        """Raise what OpenSSL has reported, by a call of Python's that finds the report and makes an exception of it."""
        self.ssl_object.read(1)
        raise ssl.SSLError(error, "TLS failed")

    # ---- records to the peer ----

    cdef Py_ssize_t output_bytes(self) except -1:
        return self.records.output_size

    cdef int send_output(self, SendingTransport transport, object other) except -1:
        # Taken away first: what is called below may encrypt more.
        cdef record_bio_t sent = self.records
        self.records.output = NULL
        self.records.output_size = self.records.output_capacity = 0
        try:
            if transport is not None:
                return transport.send_memory(sent.output, sent.output_size)
            other.write(PyBytes_FromStringAndSize(sent.output, sent.output_size))
            return 0
        finally:
            record_bio_clear_output(&sent)

    cdef int drop_output(self) except -1:
        record_bio_clear_output(&self.records)
        return 0


# ---- whether it can be used ----

cdef:
    object obstacle = "OpenSSL was not looked for yet"
    # Whether the layout of SSL objects is proven.
    shared_bool_t layout_is_proven = False


cdef object direct_engine_obstacle():
    return obstacle


cdef object find_obstacle():
    path = getattr(_ssl, "__file__", None)
    if path is None:
        return "the ssl module is part of the interpreter, and its OpenSSL cannot be reached"
    missing = openssl_load(path.encode("utf-8", "surrogateescape"))
    if missing != NULL:
        return f"OpenSSL's {missing.decode(errors='replace')} was not found"
    return None if record_bio_open() else "OpenSSL refuses a BIO of fastloop's"


obstacle = find_obstacle()


cdef openssl_ssl_t *direct_engine_ssl(EngineInputs inputs) except? NULL:
    global layout_is_proven
    cdef openssl_ssl_t *found
    if obstacle is not None or type(inputs.ssl_object) is not SSLObject:
        return NULL
    inner, context = inputs.ssl_object._sslobj, inputs.ssl_object.context
    if type(inner) is not SSLSocket or not isinstance(context, SSLContext) or inputs.has_callbacks:
        return NULL
    found = layout_find_ssl(inner, context, inputs.incoming, inputs.outgoing, layout_is_proven)
    if found != NULL:
        layout_is_proven = True
    return found


cdef DirectEngine new_direct_engine(EngineInputs inputs):
    cdef DirectEngine engine
    cdef openssl_ssl_t *found = direct_engine_ssl(inputs)
    if found == NULL:
        return None
    engine = DirectEngine.__new__(DirectEngine)
    return direct_engine_open(engine, inputs, found, record_bio_new(&engine.records))


cdef DirectEngine direct_engine_open(DirectEngine engine, EngineInputs inputs, openssl_ssl_t *found, openssl_bio_t *bio):
    engine.name = "direct"
    engine.ssl_object, engine.ssl = inputs.ssl_object, found
    engine.bio = bio
    if engine.bio == NULL:
        raise MemoryError()
    # One reference for the SSL, for both directions.
    openssl.BIO_up_ref(engine.bio)
    openssl.SSL_set_bio(found, engine.bio, engine.bio)
    return engine
