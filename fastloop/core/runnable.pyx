"""Runnable: the base class of everything that is in the ready queue or watches a descriptor.

Owns: a word of flags, and a word for the subclass.
Promises: three virtual methods and the flags are all that the scheduler uses.
Driven by: the scheduler.
"""


cdef class Runnable:
    cdef int run(self) except -1:
        raise SystemError(f"{type(self).__name__} cannot run")

    cdef int flush(self) except -1:
        raise SystemError(f"{type(self).__name__} has nothing to flush")

    cdef int on_events(self, unsigned int events) except -1:
        raise SystemError(f"{type(self).__name__} does not watch a descriptor")
