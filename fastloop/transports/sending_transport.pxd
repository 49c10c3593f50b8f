# SendingTransport: what a transport still has to send.

from fastloop.transports.descriptor_transport cimport DescriptorTransport
from fastloop.transports.flow_control cimport flow_control_t
from fastloop.transports.sendfile_waiters cimport SendfileWaiters
from fastloop.transports.write_queue cimport write_queue_t


cdef class SendingTransport(DescriptorTransport):
    cdef:
        write_queue_t output
        flow_control_t limits
        # Only while sendfile() is in progress, which bypasses output.
        SendfileWaiters sendfile

    # Put data into output, without sending it.
    cdef int push(self, object data) except -1
    cdef int send_bytes(self, object data) except -1
    cdef int send_buffer(self, object data) except -1
    cdef int keep_rest(self, ssize_t sent, int error, object data, Py_ssize_t skip) except -1
    cdef int send_output(self) except -1
    cdef int send_output_and_pause(self) except -1

    # The kernel takes no more: have it report when it does.
    cdef int block(self) except -1
    # The kernel reports that it takes more.
    cdef int note_writable(self) noexcept
    # The kernel was asked to report it again, and will.
    cdef int forget_writable(self) noexcept
    # The kernel has reported it: send what it takes.
    cdef int send_again(self) except -1
    cdef int output_is_empty(self) except -1
    # The last byte is sent, and the end of file is wanted.
    cdef int finish_writing(self) except -1

    cdef int pause_protocol_if_full(self) except -1
    cdef int resume_protocol_if_drained(self) except -1
