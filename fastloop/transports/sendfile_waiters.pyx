"""SendfileWaiters: what sendfile() waits for while it bypasses a transport's output.

Owns: the futures that sendfile() awaits.
Promises: each is done once; with ConnectionError if the connection ends first.
Driven by: the transport, which reports what happens to its writing half.
"""


cdef class SendfileWaiters:
    cdef int note_empty(self) except -1:
        # Held here: the program's own future may reset the transport in done(), and then this object is gone.
        waiter = self.empty
        if not waiter.done():
            waiter.set_result(None)
        return 0

    cdef int note_writable(self) except -1:
        waiter, self.writable = self.writable, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        return 0

    cdef int fail(self) except -1:
        for waiter in (self.empty, self.writable):
            if waiter is not None and not waiter.done():
                waiter.set_exception(ConnectionError("Connection is closed by peer"))
        return 0
