# SendingTransport: what a transport still has to send.

from fastloop.transports.flow_control_transport cimport FlowControlTransport
from fastloop.transports.sendfile_waiters cimport SendfileWaiters
from fastloop.transports.write_queue cimport write_queue_t


cdef class SendingTransport(FlowControlTransport):
    cdef:
        write_queue_t output
        # Only while sendfile() is in progress, which bypasses output.
        SendfileWaiters sendfile

    # Put data into output, without sending it.
    cdef int push(self, object data) except -1
    cdef int send_bytes(self, object data) except -1
    cdef int send_buffer(self, object data) except -1
    # Send memory of the caller's after what was written before. What the kernel does not take is copied.
    cdef int send_memory(self, const char *data, Py_ssize_t size) except -1
    cdef int keep_rest(self, ssize_t sent, int error, object data, Py_ssize_t skip) except -1
    cdef int send_output(self) except -1
    cdef int send_output_and_pause(self) except -1

    # The kernel has reported that it takes more: send it.
    cdef int send_again(self) except -1
    cdef int output_is_empty(self) except -1
    # The last byte is sent, and the end of file is wanted.
    cdef int finish_writing(self) except -1
