"""SchedulerParts: the parts of the scheduler, and how they are opened, traversed and closed.

Owns: the ready queue, the timers, the poller, the inbox and the table of watched descriptors.
Promises: the garbage collector sees what they hold. release() closes the descriptors and drops what is queued.
Driven by: the scheduler, which runs them, and everything that watches a descriptor.
"""

import gc

from cpython.exc cimport PyErr_SetFromErrno
from cpython.object cimport PyObject, traverseproc, visitproc
from libc.stdint cimport uint32_t
from libc.string cimport memset

from fastloop.core.inbox cimport inbox_clear, inbox_close, inbox_open, inbox_traverse
from fastloop.core.loop_counters cimport loop_counters_open
from fastloop.core.loops_to_track cimport loops_to_track_forget, loops_to_track_note, loops_to_track_take
from fastloop.core.poll_pacing cimport poll_pacing_end_storm
from fastloop.core.queued_object cimport queued_object_drop, queued_object_take_held, queued_object_track_held
from fastloop.core.ready_queue cimport ready_queue_clear, ready_queue_close, ready_queue_open, ready_queue_traverse
from fastloop.core.shared_context cimport shared_context_forget, shared_context_traverse
from fastloop.core.signal_wakeup cimport signal_wakeup_close, signal_wakeup_drain, signal_wakeup_fd
from fastloop.core.task_registry cimport registry_new_set
from fastloop.core.timer_heap cimport timer_heap_close, timer_heap_open, timer_heap_traverse
from fastloop.core.watch_table cimport (
    watch_table_clear, watch_table_find, watch_table_free, watch_table_keep_alive, watch_table_reserve,
    watch_table_set, watch_table_traverse)
from fastloop.poll.busy_poll cimport busy_poll_open
from fastloop.poll.poller cimport poller_close, poller_forget, poller_open, poller_set_interest
from fastloop.poll.wakeup cimport WAKEUP_INTEREST, WAKEUP_NEEDS_DRAIN, wakeup_drain, wakeup_fd
from fastloop.python.type_slots cimport inquiry, type_slots


cdef class SchedulerParts:
    def __cinit__(self, *args, **kwargs):
        timer_heap_open(&self.timers)
        memset(&self.poller, 0, sizeof(self.poller))
        # INVARIANT: has_closed is true while a part is missing, so release() and __dealloc__() may run at any point.
        self.has_closed = True
        ready_queue_open(&self.ready)
        ready_queue_open(&self.unflushed)
        ready_queue_open(&self.next_turn)
        busy_poll_open(&self.busy_poll)
        poll_pacing_end_storm(&self.pacing)
        loop_counters_open(&self.counters)
        if poller_open(&self.poller) < 0:
            PyErr_SetFromErrno(OSError)
        if inbox_open(&self.inbox) < 0:
            poller_close(&self.poller)
            PyErr_SetFromErrno(OSError)
        if poller_set_interest(&self.poller, wakeup_fd(&self.inbox.wakeup), 0, WAKEUP_INTEREST) < 0:
            PyErr_SetFromErrno(OSError)
        self.pending_tasks = registry_new_set()
        self.has_closed = False

    def __dealloc__(self):
        loops_to_track_forget(<void *>self)
        inbox_close(&self.inbox)
        poller_close(&self.poller)
        signal_wakeup_close(&self.signals)
        scheduler_drop_timers(self)
        timer_heap_close(&self.timers)
        ready_queue_close(&self.ready)
        ready_queue_close(&self.unflushed)
        ready_queue_close(&self.next_turn)
        watch_table_free(&self.watches)
        shared_context_forget(&self.contexts)

    # ---- watched descriptors ----

    cdef Runnable watcher(self, int fd):
        cdef PyObject *found = watch_table_find(&self.watches, fd)
        return <Runnable>found if found is not NULL else None

    cdef int watch(self, int fd, Runnable watcher, unsigned int old_interest, unsigned int new_interest) except -1:
        """Report fd's events to watcher.on_events(). old_interest is this watcher's interest so far, 0 for a new watcher."""
        poll_pacing_end_storm(&self.pacing)
        if poller_set_interest(&self.poller, fd, old_interest, new_interest) < 0:
            PyErr_SetFromErrno(OSError)
        # After the poller, which refuses numbers that are too large for any table.
        if watch_table_reserve(&self.watches, fd) < 0:
            poller_forget(&self.poller, fd)
            raise MemoryError()
        if watch_table_find(&self.watches, fd) is not <PyObject *>watcher:
            watch_table_set(&self.watches, fd, <PyObject *>watcher)
        return 0

    cdef int unwatch(self, int fd) except -1:
        """Forget fd and its watcher. The descriptor may be closed already."""
        if watch_table_find(&self.watches, fd) is not NULL:
            poller_forget(&self.poller, fd)
            watch_table_set(&self.watches, fd, NULL)
        return 0

    cdef int watch_keeps_alive(self, int fd, bint keeps_alive) except -1:
        # The local reference outlives the table's.
        watcher = self.watcher(fd)
        if watcher is not None:
            watch_table_keep_alive(&self.watches, fd, keeps_alive)
        return 0

    cdef bint take_wakeup(self, int fd) noexcept:
        if fd == wakeup_fd(&self.inbox.wakeup):
            if WAKEUP_NEEDS_DRAIN:
                wakeup_drain(&self.inbox.wakeup)
            return True
        if fd == signal_wakeup_fd(&self.signals):
            signal_wakeup_drain(&self.signals)
            return True
        return False

    cdef int release(self) except -1:
        # Destructors that run here find a closed loop.
        self.has_closed = True
        shared_context_forget(&self.contexts)
        inbox_close(&self.inbox)
        poller_close(&self.poller)
        signal_wakeup_close(&self.signals)
        self.event_count = 0
        ready_queue_clear(&self.ready)
        ready_queue_clear(&self.unflushed)
        ready_queue_clear(&self.next_turn)
        scheduler_drop_timers(self)
        watch_table_clear(&self.watches)
        return 0


cdef int scheduler_drop_timers(SchedulerParts self) except -1:
    """Drop the timers that are in the heap on entry. Destructors that run here may add others."""
    cdef PyObject *timer
    cdef uint32_t left = self.timers.count
    while left > 0 and self.timers.count > 0:
        left -= 1
        timer = scheduler_take_slot(self, self.timers.entries[self.timers.count - 1].slot)
        queued_object_drop(timer)
    return 0


# Cython does not know the references in the C structures. They are part of cycles: loop -> ready queue -> handle -> loop.
# The slots that Cython makes for LoopCore call these two for the base class.
cdef int scheduler_traverse(PyObject *self, visitproc visit, void *arg) noexcept:
    cdef int status
    queued_object_take_held()
    status = ready_queue_traverse(&(<SchedulerParts>self).ready, visit, arg)
    if status == 0:
        status = ready_queue_traverse(&(<SchedulerParts>self).unflushed, visit, arg)
    if status == 0:
        status = ready_queue_traverse(&(<SchedulerParts>self).next_turn, visit, arg)
    if status == 0:
        status = timer_heap_traverse(&(<SchedulerParts>self).timers, visit, arg)
    if queued_object_take_held():
        loops_to_track_note(self)
    if status == 0:
        status = inbox_traverse(&(<SchedulerParts>self).inbox, visit, arg)
    if status == 0:
        status = watch_table_traverse(&(<SchedulerParts>self).watches, visit, arg)
    if status == 0:
        status = shared_context_traverse(&(<SchedulerParts>self).contexts, visit, arg)
    return status


cdef int scheduler_clear(PyObject *self) noexcept:
    inbox_clear(&(<SchedulerParts>self).inbox)
    ready_queue_clear(&(<SchedulerParts>self).ready)
    ready_queue_clear(&(<SchedulerParts>self).unflushed)
    ready_queue_clear(&(<SchedulerParts>self).next_turn)
    scheduler_drop_timers(<SchedulerParts>self)
    watch_table_clear(&(<SchedulerParts>self).watches)
    shared_context_forget(&(<SchedulerParts>self).contexts)
    return 0


def track_held_handles(phase, info):
    """Called after a collection. Queued handles that the program holds may be in cycles, which the next collection then sees."""
    cdef void *loop = loops_to_track_take() if phase == "stop" else NULL
    while loop is not NULL:
        ready_queue_traverse(&(<SchedulerParts>loop).ready, <visitproc>queued_object_track_held, <void *>Runnable)
        timer_heap_traverse(&(<SchedulerParts>loop).timers, <visitproc>queued_object_track_held, <void *>Runnable)
        loop = loops_to_track_take()


gc.callbacks.append(track_held_handles)

(<type_slots *>SchedulerParts).tp_traverse = <traverseproc>scheduler_traverse
(<type_slots *>SchedulerParts).tp_clear = <inquiry>scheduler_clear
