# StreamInput: the receiving half of a stream reader.

from fastloop.core.scheduler cimport Scheduler
from fastloop.net.receive_buffer cimport receive_buffer_t
from fastloop.streams.stream_buffer cimport stream_buffer_t


cdef class StreamInput:
    cdef:
        object loop
        # The loop, if its create_future() is fastloop's own.
        Scheduler scheduler
        object transport
        # The future that one read waits for, or None.
        object waiter
        # What set_exception() was given.
        object failure
        object limit
        # Debug mode only.
        object source_traceback
        # The bytearray that the program got as _buffer. It then has the unread data. LIMIT: each read copies all of it.
        object exposed

        stream_buffer_t received
        # limit, cut to what fits.
        size_t limit_bytes
        # How many bytes readexactly() waits for, or 0.
        Py_ssize_t wanted
        bint has_eof
        bint is_paused
        # False if the program has replaced a method. asyncio's own methods then do the work, over _buffer.
        bint is_native

    # Data has arrived, in the loop's receive buffer.
    cdef int receive(self, receive_buffer_t *source, Py_ssize_t size) except -1
    cdef int data_arrived(self) except -1
    cdef int pause_transport(self) except -1
    cdef int wake(self) except -1
    cdef int resume_transport(self) except -1
    # A future for the next data or the end of file. It is what _wait_for_data() waits for.
    cdef object new_waiter(self, str method)
    # Take the first bytes, and let the transport continue if there is room again.
    cdef object take(self, Py_ssize_t size)
    # While a read runs, received has what is in the bytearray. load_exposed() returns that for store_exposed(), or None.
    cdef object load_exposed(self)
    cdef int store_exposed(self, object exposed) except -1


# The class that the program uses. A subclass of it that replaces one of the methods which call each other runs asyncio's code.
cdef int stream_input_set_final_class(type cls) except -1
