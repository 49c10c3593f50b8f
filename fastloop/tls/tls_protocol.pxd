# TlsProtocol: what the transport below a TLS transport talks to.

from fastloop.tls.tls_transport cimport TlsTransport
from fastloop.transports.receiver cimport ProtocolWithReceiver


cdef class TlsProtocol(ProtocolWithReceiver):
    cdef:
        dict __dict__
        object __weakref__
        TlsTransport transport
