# SendfileWaiters: what sendfile() waits for while it bypasses a transport's output.


cdef class SendfileWaiters:
    cdef:
        # A future that is done when everything that was written is sent.
        object empty
        # None, or a future that is done when the kernel takes more.
        object writable

    cdef int note_empty(self) except -1
    cdef int note_writable(self) except -1
    cdef int fail(self) except -1
