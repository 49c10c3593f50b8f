# SchedulerParts: what the scheduler is made of.

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t

from fastloop.core.inbox cimport inbox_t
from fastloop.core.poll_pacing cimport poll_pacing_t
from fastloop.core.ready_queue cimport ready_queue_t
from fastloop.core.runnable cimport Runnable
from fastloop.core.shared_context cimport shared_context_t
from fastloop.core.timer_heap cimport timer_heap_t, timer_heap_take
from fastloop.core.watch_table cimport watch_table_t
from fastloop.poll.busy_poll cimport busy_poll_t
from fastloop.poll.poller cimport poll_event_t, poller_t
from fastloop.python.shared_fields cimport shared_bool_t


cdef enum:
    # Events taken from the kernel at once; what does not fit follows with the next wait.
    POLL_BATCH = 256


cdef class SchedulerParts:
    cdef:
        # What runs next, what runs later, and who is told of the kernel's events. Owned by the thread that runs the loop.
        ready_queue_t ready
        timer_heap_t timers
        watch_table_t watches
        # What holds back writes of the step that runs: flushed when it ends.
        ready_queue_t unflushed
        # Transports that read on in the next turn, without asking the kernel.
        ready_queue_t resumed
        # What other threads may touch.
        inbox_t inbox

        poller_t poller
        # When to ask it while callbacks are ready, and whether to busy-poll for a few microseconds before sleeping.
        poll_pacing_t pacing
        busy_poll_t busy_poll
        # The batch in hand. An exception may interrupt it; the next question begins with what is left.
        poll_event_t events[POLL_BATCH]
        int event_count
        int next_event

        shared_context_t contexts
        # Kept alive here where tasks cannot be linked (task_registry.pyx), elsewhere None.
        set pending_tasks
        # True whenever a part is missing. Other threads may read it.
        shared_bool_t has_closed

    cdef Runnable watcher(self, int fd)
    cdef int watch(self, int fd, Runnable watcher, unsigned int old_interest, unsigned int new_interest) except -1
    cdef int unwatch(self, int fd) except -1
    # Whether the table keeps the watcher of fd alive; at first it does.
    cdef int watch_keeps_alive(self, int fd, bint keeps_alive) except -1

    cdef int release(self) except -1


# HOT. Take out the timer of a slot. The heap's reference passes to the caller.
cdef inline PyObject *scheduler_take_slot(SchedulerParts parts, uint32_t slot) noexcept:
    cdef PyObject *taken = timer_heap_take(&parts.timers, slot)
    (<Runnable>taken).word.timer_place = 0
    return taken
