# Runnable: what the ready queue holds.

from libc.stdint cimport uint32_t

from fastloop.python.shared_fields cimport shared_flags_t


cdef enum:
    # The scheduler leaves the current task before it runs anything without this flag.
    RUNNABLE_STEPS_TASK = 1
    # It is not worth it to wait awake for its events for long: busy_poll.h.
    RUNNABLE_IS_POLLED_BRIEFLY = 2
    # Bits from here on belong to the subclasses.
    RUNNABLE_FIRST_FREE_FLAG = 4


cdef class Runnable:
    cdef:
        shared_flags_t flags
        # Free for the subclass: Task counts its cancellation requests here, TimerHandle keeps its place, FdWatcher
        # the events that its waiters have yet to hear of.
        uint32_t number

    # Do what the ready queue was asked for. Only KeyboardInterrupt and SystemExit come out.
    cdef int run(self) except -1

    # The callback during which this object asked for it by scheduler_flush_later() has returned.
    cdef int flush(self) except -1

    # The poller reports flags (POLL_READABLE, ...) on the descriptor that this object watches.
    cdef int on_events(self, unsigned int events) except -1
