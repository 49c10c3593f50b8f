# SchedulerParts: the parts of the scheduler.

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t

from fastloop.core.inbox cimport inbox_t
from fastloop.core.loop_counters cimport loop_counters_t
from fastloop.core.poll_pacing cimport poll_pacing_t
from fastloop.core.ready_queue cimport ready_queue_t
from fastloop.core.runnable cimport Runnable
from fastloop.core.shared_context cimport shared_context_t
from fastloop.core.signal_wakeup cimport signal_wakeup_t
from fastloop.core.timer_heap cimport timer_heap_t, timer_heap_take
from fastloop.core.watch_table cimport watch_table_t
from fastloop.poll.busy_poll cimport busy_poll_t
from fastloop.poll.poller cimport poll_event_t, poller_t
from fastloop.python.shared_fields cimport shared_bool_t


cdef enum:
    # The most events that one wait returns. The next wait returns the rest.
    POLL_BATCH = 256


cdef class SchedulerParts:
    cdef:
        # What runs next, what runs later, and which object gets a descriptor's events. Used by the loop's own thread only.
        ready_queue_t ready
        timer_heap_t timers
        watch_table_t watches
        # Transports that hold back writes of the running step. Flushed when it ends.
        ready_queue_t unflushed
        # Transports that read again in the next turn, without an event from the kernel.
        ready_queue_t next_turn
        # The only part that other threads may touch.
        inbox_t inbox
        # What statistics() reports. Other threads may read it.
        loop_counters_t counters

        poller_t poller
        # Python's signal handler may write into it in any thread.
        signal_wakeup_t signals
        # When to poll while callbacks are ready, and whether to busy-poll for a few microseconds before sleeping.
        poll_pacing_t pacing
        busy_poll_t busy_poll
        # The current batch of events. If an exception interrupts it, the rest is dispatched before the kernel is polled again.
        poll_event_t events[POLL_BATCH]
        int event_count
        int next_event

        shared_context_t contexts
        # Keeps pending tasks alive where they cannot be linked (task_registry.pyx). None elsewhere.
        set pending_tasks
        # True whenever a part is missing. Other threads may read it.
        shared_bool_t has_closed

    cdef Runnable watcher(self, int fd)
    cdef int watch(self, int fd, Runnable watcher, unsigned int old_interest, unsigned int new_interest) except -1
    cdef int unwatch(self, int fd) except -1
    # Change whether the table keeps the watcher of fd alive. At first it does.
    cdef int watch_keeps_alive(self, int fd, bint keeps_alive) except -1
    # Whether an event of fd was only there to wake the loop.
    cdef bint take_wakeup(self, int fd) noexcept

    cdef int release(self) except -1


# HOT. Take the timer of a slot out of the heap. The heap's reference passes to the caller.
cdef inline PyObject *scheduler_take_slot(SchedulerParts parts, uint32_t slot) noexcept:
    cdef PyObject *taken = timer_heap_take(&parts.timers, slot)
    (<Runnable>taken).word.timer_slot_plus_one = 0
    return taken
