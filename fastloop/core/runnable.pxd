# Runnable: what the ready queue holds.

from libc.stdint cimport uint32_t

from fastloop.python.shared_fields cimport shared_flags_t


cdef enum:
    # Running it resumes a task. Before anything without this flag, the scheduler leaves the lingering task.
    RUNNABLE_KEEPS_CURRENT_TASK = 1
    # A long busy poll for its events would not pay off (busy_poll.h).
    RUNNABLE_BUSY_POLLS_BRIEFLY = 2
    # It has sent nothing since its last event, so no answer is on its way.
    RUNNABLE_EXPECTS_NO_ANSWER = 4
    # Bits from here on belong to the subclasses.
    RUNNABLE_FIRST_FREE_FLAG = 8


# One word that only the subclass uses.
cdef union runnable_word_t:
    # TimerHandle: its slot in the heap, plus one. 0 while it is not in the heap.
    uint32_t timer_slot_plus_one
    # Task: calls of cancel() minus calls of uncancel().
    uint32_t cancel_requests
    # FdWatcher: events that its waiters have not seen yet.
    uint32_t pending_events


cdef class Runnable:
    cdef:
        shared_flags_t flags
        runnable_word_t word

    # Called by the scheduler when the object's turn in the ready queue has come. Raises KeyboardInterrupt and SystemExit only.
    cdef int run(self) except -1

    # Called when the step has ended during which this object called scheduler_flush_later().
    cdef int flush(self) except -1

    # Called when the poller reports events (POLL_READABLE, ...) on the descriptor that this object watches.
    cdef int on_events(self, unsigned int events) except -1
