# Bytes for asyncio's StreamReader, without a call into Python.

from fastloop.core.scheduler cimport Scheduler


# Whether stream_reader_feed() may do what protocol.data_received() does.
cdef bint is_plain_stream_protocol(object protocol) except -1

# HOT. Do what protocol.data_received() does with these bytes. Returns False if that takes Python code; then nothing has happened.
cdef bint stream_reader_feed(Scheduler loop, object protocol, const char *data, Py_ssize_t size) except -1
