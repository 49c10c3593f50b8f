"""Runnable: the base of everything that the ready queue holds or that waits for a descriptor.

Promises: three virtual methods and one word of flags; this is all that the scheduler knows of its users.
"""


cdef class Runnable:
    cdef int run(self) except -1:
        raise SystemError(f"{type(self).__name__} cannot run")

    cdef int flush(self) except -1:
        raise SystemError(f"{type(self).__name__} has nothing to flush")

    cdef int on_events(self, unsigned int events) except -1:
        raise SystemError(f"{type(self).__name__} does not watch a descriptor")
