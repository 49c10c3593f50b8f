"""MemoryBioEngine: TLS through the methods of Python's ssl module, for every Python and every context.

Owns: the two BIOs.
Promises: what ssl.SSLObject promises. Data is read into memory that is used again.
LIMIT: if a signal handler raises in the very call that decrypts, ssl drops what it has decrypted.
Driven by: TlsSession.
"""

import ssl

from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.buffer cimport PyBUF_READ, PyBUF_WRITE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

from fastloop.core.interruption cimport interrupt_soon
from fastloop.tls.tls_engine cimport TLS_WANTS_INPUT
from fastloop.transports.sending_transport cimport SendingTransport


cdef enum:
    # The most data that a record holds: a call makes one record or none.
    RECORD_BYTES = 16384


cdef:
    object WANTS_INPUT = (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLSyscallError)
    object SSLError = ssl.SSLError
    object SSLZeroReturnError = ssl.SSLZeroReturnError
    object SSLObject = ssl.SSLObject


cdef class MemoryBioEngine(TlsEngine):
    cdef int feed(self, const char *records, Py_ssize_t size) except -1:
        self.incoming.write(PyMemoryView_FromMemory(<char *>records, size, PyBUF_READ))
        return 0

    cdef Py_ssize_t unread_bytes(self) except -1:
        return self.incoming.pending

    cdef bint may_have_data(self) except -1:
        return self.incoming.pending > 0 or self.pending_method() > 0

    cdef Py_ssize_t read(self, char *buffer, Py_ssize_t size) except -1:
        view = PyMemoryView_FromMemory(buffer, size, PyBUF_WRITE)
        try:
            return self.read_method(size, view)
        except WANTS_INPUT:
            return TLS_WANTS_INPUT
        except SSLZeroReturnError:
            return 0
        finally:
            # The memory is used again: nobody may write there later.
            view.release()

    cdef Py_ssize_t write(self, const char *data, Py_ssize_t size) except -1:
        cdef Py_ssize_t unsent = self.outgoing.pending
        size = min(size, <Py_ssize_t>RECORD_BYTES)
        view = PyMemoryView_FromMemory(<char *>data, size, PyBUF_READ)
        try:
            return self.write_method(view)
        except WANTS_INPUT:
            return TLS_WANTS_INPUT
        except BaseException as error:
            if isinstance(error, SSLError) or self.has_callbacks or self.outgoing.pending == unsent:
                raise
            # A signal handler has raised after the record was made. It must not be made twice.
            interrupt_soon(self.loop, error)
            return size
        finally:
            view.release()

    cdef bint send_close_notify(self) except -1:
        try:
            self.ssl_object.unwrap()
        except WANTS_INPUT:
            return False
        return True

    cdef Py_ssize_t output_bytes(self) except -1:
        return self.outgoing.pending

    cdef int send_output(self, SendingTransport transport, object other) except -1:
        records = self.outgoing.read()
        if transport is not None:
            return transport.send_memory(PyBytes_AS_STRING(records), PyBytes_GET_SIZE(records))
        other.write(records)
        return 0

    cdef int drop_output(self) except -1:
        self.outgoing.read()
        return 0


cdef MemoryBioEngine new_memory_bio_engine(EngineInputs inputs):
    cdef MemoryBioEngine engine = MemoryBioEngine.__new__(MemoryBioEngine)
    engine.name = "memorybio"
    engine.loop, engine.has_callbacks = inputs.loop, inputs.has_callbacks
    engine.ssl_object = inputs.ssl_object
    engine.incoming, engine.outgoing = inputs.incoming, inputs.outgoing
    # The methods of the object in C, without SSLObject's in between, which only call them.
    methods = inputs.ssl_object._sslobj if type(inputs.ssl_object) is SSLObject else inputs.ssl_object
    engine.read_method, engine.write_method, engine.pending_method = methods.read, methods.write, methods.pending
    return engine
