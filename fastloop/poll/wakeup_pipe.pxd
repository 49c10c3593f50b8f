"""The names of the pipe that ends a wait, for Cython; wakeup_pipe.h holds their contract."""


cdef extern from "wakeup_pipe.h" nogil:
    ctypedef struct wakeup_pipe_t:
        int write_fd
