# Which callback has kept the loop longest.

from cpython.object cimport PyObject
from libc.stdint cimport uint64_t

from fastloop.core.runnable cimport Runnable
from fastloop.core.scheduler cimport Scheduler


# A block of callbacks (loop_counters.h) has passed the bar. runnable: the last of its steps, or NULL if it is gone.
cdef int longest_callback_note(Scheduler loop, PyObject *runnable, uint64_t took, uint64_t steps) except -1

# A text for what runs. In the loop's own thread, or with the GIL.
cdef str runnable_name(Runnable runnable)
