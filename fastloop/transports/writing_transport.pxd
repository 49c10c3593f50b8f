# WritingTransport: write() and writelines(), and which writes are held for the next one.

from fastloop.transports.sending_transport cimport SendingTransport
from fastloop.transports.write_habit cimport write_burst_t


cdef class WritingTransport(SendingTransport):
    cdef:
        # What was written lately, and whether more is expected.
        write_burst_t burst

    # write(), for callers that are not Python code.
    cdef int write_data(self, object data) except -1
    cdef int check_writable(self, str method) except -1

    cdef bint holds_back(self) noexcept
    cdef int hold(self) except -1
    cdef int end_burst(self) noexcept
    # The protocol's callback for received data has returned: did it write once, and only just now?
    cdef int learn_from_return(self) noexcept
