# SendfileWaiters: what waits while sendfile() writes past a transport.


cdef class SendfileWaiters:
    cdef:
        # A future: everything that was written is sent.
        object empty
        # None, or a future: the kernel takes more.
        object writable

    cdef int note_empty(self) except -1
    cdef int note_writable(self) except -1
    cdef int fail(self) except -1
