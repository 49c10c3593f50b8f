# StreamProtocolCore: the hot half of a stream reader's protocol.

from fastloop.streams.stream_input cimport StreamInput
from fastloop.transports.receiver cimport ProtocolWithReceiver


cdef class StreamProtocolCore(ProtocolWithReceiver):
    cdef:
        # A weak reference, as in asyncio: a stream that nobody can read any more must not stay alive.
        object reader_ref
        # The transport has called pause_writing(), or connection_lost().
        bint is_paused
        bint is_lost
        # The class or the object has a drain helper, or a method for received data, that is not asyncio's or fastloop's own.
        bint has_own_drain
        bint has_own_data_received

    # The reader, if data may go to it directly.
    cdef StreamInput native_reader(self)
