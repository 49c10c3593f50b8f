# MemoryBioEngine: TLS through Python's ssl module alone.

from fastloop.core.scheduler cimport Scheduler
from fastloop.tls.tls_engine cimport EngineInputs, TlsEngine


cdef class MemoryBioEngine(TlsEngine):
    cdef:
        # Whose signal handlers may raise in the middle of a call.
        Scheduler loop
        # Of the context: they may raise, too.
        bint has_callbacks
        object incoming, outgoing
        # Methods of the SSL object, looked up once.
        object read_method, write_method, pending_method


cdef MemoryBioEngine new_memory_bio_engine(EngineInputs inputs)
