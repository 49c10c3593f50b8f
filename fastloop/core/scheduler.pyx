"""The scheduler: what runs next, and when to ask the kernel.

Owns: the ready queue, the timers, the poller, the inbox and the table of watched descriptors.
Order: asyncio's. A turn first collects I/O and due timers behind what is ready, then runs what is ready by then;
  what those callbacks schedule waits for the next turn.
Promises: with callbacks ready the kernel is asked in every turn, and only in a storm more rarely (poll_pacing.h); due timers are
  collected in every turn. With nothing ready the loop sleeps exactly until the next timer, after a few microseconds of busy
  polling where that has paid off lately (busy_poll.h). An exception, such as a signal handler raises, interrupts a turn and
  loses nothing: the next turn continues where it was.
Driven by: LoopCore.run_forever().
"""

import contextvars
import gc
import os

from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno
from cpython.object cimport PyObject, traverseproc, visitproc
from cpython.ref cimport Py_DECREF
from libc.errno cimport EINTR, errno
from libc.string cimport memset

from fastloop.core.clock cimport (
    CLOCK_TICKS_PER_US, clock_deadline, clock_now_ns, clock_seconds, clock_ticks, clock_ticks_before, clock_wait_ns)
from fastloop.core.current_task cimport swap_current_task
from fastloop.core.held_queues cimport held_queues_forget, held_queues_note, held_queues_take
from fastloop.core.inbox cimport (
    inbox_begin_sleep, inbox_clear, inbox_close, inbox_collect, inbox_end_sleep, inbox_open, inbox_traverse)
from fastloop.core.poll_pacing cimport poll_pacing_end_storm, poll_pacing_is_due, poll_pacing_note
from fastloop.core.queued_object cimport queued_object_disown_held, queued_object_drop, queued_object_take_held
from fastloop.core.ready_queue cimport (
    ready_queue_append, ready_queue_clear, ready_queue_close, ready_queue_open, ready_queue_pop, ready_queue_traverse,
    ready_queue_trim)
from fastloop.core.runnable cimport RUNNABLE_IS_POLLED_BRIEFLY, RUNNABLE_STEPS_TASK, Runnable
from fastloop.core.shared_context cimport shared_context_forget, shared_context_traverse
from fastloop.core.task_registry cimport registry_new_set
from fastloop.core.timer_heap cimport timer_heap_close, timer_heap_open, timer_heap_take, timer_heap_traverse
from fastloop.core.watch_table cimport (
    watch_table_clear, watch_table_find, watch_table_free, watch_table_hold, watch_table_reserve, watch_table_set,
    watch_table_traverse)
from fastloop.poll.busy_poll cimport busy_poll_is_due, busy_poll_note, busy_poll_open, busy_poll_us
from fastloop.poll.poller cimport poller_close, poller_forget, poller_open, poller_set_interest, poller_wait
from fastloop.poll.wakeup cimport WAKEUP_INTEREST, WAKEUP_NEEDS_DRAIN, wakeup_drain, wakeup_fd
from fastloop.python.context_vars cimport context_vars_find
from fastloop.python.cpython_compat cimport compat_has_other_threads
from fastloop.python.type_slots cimport inquiry, type_slots


cdef Py_ssize_t find_vars_offset() except -1:
    context = contextvars.copy_context()
    changed = context.copy()
    changed.run(contextvars.ContextVar("probe").set, None)
    return context_vars_find(context, context.copy(), changed)


VARS_OFFSET = find_vars_offset()


cdef class Scheduler:
    def __cinit__(self, *args, **kwargs):
        timer_heap_open(&self.timers)
        memset(&self.poller, 0, sizeof(self.poller))
        # INVARIANT: has_closed is true whenever a part is missing, so that release() and __dealloc__ may run at any point.
        self.has_closed = True
        ready_queue_open(&self.ready)
        ready_queue_open(&self.unflushed)
        ready_queue_open(&self.resumed)
        busy_poll_open(&self.busy_poll)
        poll_pacing_end_storm(&self.pacing)
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
        held_queues_forget(<void *>self)
        inbox_close(&self.inbox)
        poller_close(&self.poller)
        scheduler_drop_timers(self)
        timer_heap_close(&self.timers)
        ready_queue_close(&self.ready)
        ready_queue_close(&self.unflushed)
        ready_queue_close(&self.resumed)
        watch_table_free(&self.watches)
        shared_context_forget(&self.contexts)

    # ---- the turn ----

    cdef int run_turns(self) except -1:
        # The caller expects the first turn to look at the descriptors.
        poll_pacing_end_storm(&self.pacing)
        self.has_leftovers = self.ready.count > 0
        while True:
            self.run_once()
            self.has_leftovers = False
            if self.is_stopping and not scheduler_is_interrupted(self):
                return 0

    cdef int run_once(self) except -1:
        inbox_collect(&self.inbox, &self.ready)
        if self.ready.count == 0 and not self.is_stopping:
            self.sleep(-1)
        elif poll_pacing_is_due(&self.pacing):
            self.look_at_kernel()
        if self.timers.count > 0:
            self.collect_due_timers()
        return self.run_ready_debug() if self.is_debug else self.run_ready()

    cdef int look_at_kernel(self) except -1:
        """Callbacks are ready: take what has come, without waiting, and let other threads have the GIL."""
        cdef int count = 0
        cdef bint has_threads = compat_has_other_threads()
        scheduler_check_owner(self)
        if self.has_entered_task:
            self.leave_entered_task()
        if self.next_event < self.event_count:
            return self.dispatch()
        if has_threads:
            with nogil:
                count = poller_wait(&self.poller, 0, self.events, POLL_BATCH)
        elif self.watches.count > 0:
            # A wake-up needs no answer while the loop is awake.
            count = poller_wait(&self.poller, 0, self.events, POLL_BATCH)
        poll_pacing_note(&self.pacing, count > 0, has_threads)
        return self.after_poll(count, errno)

    cdef int sleep(self, int64_t max_ns) except -1:
        """Nothing is ready: wait for events, a wake-up or the next timer."""
        cdef int64_t timeout_ns
        cdef int count, error
        scheduler_check_owner(self)
        self.before_sleep()
        if self.next_event < self.event_count:
            return self.dispatch()
        timeout_ns = self.next_timeout_ns()
        if max_ns >= 0 and (timeout_ns < 0 or max_ns < timeout_ns):
            timeout_ns = max_ns
        # Another thread may have pushed before it could see that the loop sleeps, and a destructor may have written.
        if not inbox_begin_sleep(&self.inbox) or self.ready.count > 0 or self.unflushed.count > 0 or self.resumed.count > 0:
            timeout_ns = 0
        with nogil:
            if busy_poll_is_due(&self.busy_poll, timeout_ns):
                # If nothing has come, the turn ends and the next one sleeps. In between signals are handled: one that arrived while
                # this thread did not sleep would not interrupt the sleep.
                count = wait_shortly(self)
            else:
                count = poller_wait(&self.poller, timeout_ns, self.events, POLL_BATCH)
        error = errno
        inbox_end_sleep(&self.inbox)
        poll_pacing_note(&self.pacing, count > 0, False)
        return self.after_poll(count, error)

    cdef int before_sleep(self) except -1:
        if self.has_entered_task:
            self.leave_entered_task()
        if self.contexts.snapshot is not NULL:
            self.forget_contexts()
        # Left over when an exception ended the loop, or written by a destructor.
        if self.unflushed.count > 0:
            flush_all_written(self)
        ready_queue_trim(&self.ready)
        return 0

    cdef int after_poll(self, int event_count, int error) except -1:
        self.next_event = 0
        self.event_count = max(event_count, 0)
        while self.resumed.count > 0:
            # The reference passes to the ready queue.
            ready_queue_append(&self.ready, ready_queue_pop(&self.resumed))
        if event_count > 0:
            self.dispatch()
        # Behind the events, which the kernel does not report again.
        PyErr_CheckSignals()
        if event_count < 0 and error != EINTR:
            raise OSError(error, os.strerror(error))
        return 0

    cdef int dispatch(self) except -1:
        """Tell the watchers of the batch in hand. What an exception interrupts is told again."""
        cdef PyObject *found
        cdef int fd
        cdef unsigned int flags
        # Of the watchers; anything else, such as the wake-up, is awaited briefly too.
        cdef unsigned int flags_of_all = RUNNABLE_IS_POLLED_BRIEFLY
        while self.next_event < self.event_count:
            # Each watcher may silence the events behind it: look at the batch, not at a copy.
            flags = self.events[self.next_event].flags
            fd = self.events[self.next_event].fd
            found = watch_table_find(&self.watches, fd)
            if flags == 0:
                pass
            elif found is not NULL:
                watcher = <Runnable>found
                flags_of_all &= watcher.flags
                watcher.on_events(flags)
            elif fd == wakeup_fd(&self.inbox.wakeup):
                if WAKEUP_NEEDS_DRAIN:
                    wakeup_drain(&self.inbox.wakeup)
            else:
                # The descriptor was closed behind the loop's back and lives on in a duplicate.
                poller_forget(&self.poller, fd)
            self.next_event += 1
        self.busy_poll.is_brief = flags_of_all == RUNNABLE_IS_POLLED_BRIEFLY
        return 0

    # ---- timers ----

    cdef double now_s(self) except? -1:
        return clock_seconds(clock_now_ns())

    cdef int64_t next_timeout_ns(self) except? -2:
        if self.timers.count == 0:
            return -1
        return clock_wait_ns(self.timers.entries[0].deadline, self.now_s())

    cdef int collect_due_timers(self) except -1:
        cdef int64_t now
        cdef uint64_t ticks = clock_ticks()
        cdef PyObject *timer
        # Ticks that go backwards, on a machine that was moved, tell nothing.
        if self.seen_ticks <= ticks < self.timers_due_ticks and not self.has_own_time:
            return 0
        self.seen_s = self.now_s()
        # Read before the clock: a moment in ticks that is computed from both may be a little early, never late.
        self.seen_ticks = ticks
        now = clock_deadline(self.seen_s)
        while self.timers.count > 0 and self.timers.entries[0].deadline <= now:
            # The heap's reference passes to the ready queue.
            timer = timer_heap_take(&self.timers, self.timers.entries[0].slot)
            (<Runnable>timer).number = 0
            ready_queue_append(&self.ready, timer)
        if self.timers.count > 0:
            self.timers_due_ticks = clock_ticks_before(self.timers.entries[0].deadline, self.seen_s, ticks)
        return 0

    # ---- running what is ready ----

    cdef int run_ready(self) except -1:
        # Stop at the count taken on entry: a callback that schedules itself must not starve the poller.
        cdef size_t remaining = self.ready.count
        cdef Runnable runnable
        cdef PyObject *popped
        # The count is looked at again: a callback may run the loop from within, or drop what waits.
        while remaining > 0 and self.ready.count > 0:
            remaining -= 1
            popped = ready_queue_pop(&self.ready)
            runnable = <Runnable>popped
            Py_DECREF(runnable)
            if self.has_entered_task and not runnable.flags & RUNNABLE_STEPS_TASK:
                self.leave_entered_task()
            self.steps += 1
            runnable.run()
            if self.unflushed.count > 0:
                flush_all_written(self)
        return 0

    cdef int run_ready_debug(self) except -1:
        cdef size_t remaining = self.ready.count
        cdef Runnable runnable
        while remaining > 0 and self.ready.count > 0:
            remaining -= 1
            runnable = <Runnable>ready_queue_pop(&self.ready)
            Py_DECREF(runnable)
            if self.has_entered_task:
                self.leave_entered_task()
            self.steps += 1
            self.run_watched(runnable)
            if self.unflushed.count > 0:
                flush_all_written(self)
        return 0

    cdef int run_watched(self, Runnable runnable) except -1:
        return runnable.run()

    cdef int flush_written(self) except -1:
        return flush_all_written(self)

    cdef int forget_contexts(self) except -1:
        """Values of context variables must not outlive their callbacks while the loop sleeps or does not run."""
        shared_context_forget(&self.contexts)
        return 0

    cdef int leave_entered_task(self) except -1:
        self.has_entered_task = False
        swap_current_task(self, None)
        return 0

    # ---- watched descriptors ----

    cdef Runnable watcher(self, int fd):
        cdef PyObject *found = watch_table_find(&self.watches, fd)
        return <Runnable>found if found is not NULL else None

    cdef int watch(self, int fd, Runnable watcher, unsigned int old_interest, unsigned int new_interest) except -1:
        """Let watcher.on_events() hear of fd; old_interest is what this watcher asked for before, 0 for a new one."""
        poll_pacing_end_storm(&self.pacing)
        if poller_set_interest(&self.poller, fd, old_interest, new_interest) < 0:
            PyErr_SetFromErrno(OSError)
        # After the kernel, which refuses numbers that no table could hold.
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

    cdef int hold_watcher(self, int fd, bint is_held) except -1:
        # The caller's reference outlives the table's.
        watcher = self.watcher(fd)
        if watcher is not None:
            watch_table_hold(&self.watches, fd, is_held)
        return 0

    cdef int release(self) except -1:
        """Close what the kernel gave and drop what waits; destructors that run here find a closed loop."""
        self.has_closed = True
        self.is_direct = False
        self.forget_contexts()
        inbox_close(&self.inbox)
        poller_close(&self.poller)
        self.event_count = 0
        ready_queue_clear(&self.ready)
        ready_queue_clear(&self.unflushed)
        ready_queue_clear(&self.resumed)
        scheduler_drop_timers(self)
        watch_table_clear(&self.watches)
        return 0


cdef bint scheduler_is_interrupted(Scheduler self) noexcept:
    """Whether one more turn is needed to raise what a signal handler raised while a callback ran."""
    cdef bint is_interrupted = self.is_interrupted
    self.is_interrupted = False
    return is_interrupted


cdef inline int scheduler_check_owner(Scheduler self) except -1:
    if self.is_forked:
        raise RuntimeError("A forked child cannot go on running its parent's event loop; make a new one")
    return 0


cdef int wait_shortly(Scheduler self) noexcept nogil:
    """Events, or 0 if nothing came within busy_poll_us(), or -1 with errno."""
    cdef uint64_t limit = busy_poll_us(&self.busy_poll) * CLOCK_TICKS_PER_US
    cdef uint64_t began = clock_ticks()
    cdef int event_count = 0
    while event_count == 0 and clock_ticks() - began < limit:
        event_count = poller_wait(&self.poller, 0, self.events, POLL_BATCH)
    busy_poll_note(&self.busy_poll, event_count != 0)
    return event_count


cdef inline int flush_all_written(Scheduler self) except -1:
    """HOT. What a step has written and held back leaves, before the next one runs."""
    # Not what protocols write when they hear that there is room again.
    cdef size_t remaining = self.unflushed.count
    cdef Runnable runnable
    while remaining > 0 and self.unflushed.count > 0:
        remaining -= 1
        runnable = <Runnable>ready_queue_pop(&self.unflushed)
        Py_DECREF(runnable)
        runnable.flush()
    return 0


cdef int scheduler_drop_timers(Scheduler self) except -1:
    """Destructors that run here may add timers: only those that were there are dropped."""
    cdef PyObject *timer
    cdef uint32_t left = self.timers.count
    while left > 0 and self.timers.count > 0:
        left -= 1
        timer = timer_heap_take(&self.timers, self.timers.entries[self.timers.count - 1].slot)
        (<Runnable>timer).number = 0
        queued_object_drop(timer)
    return 0


# The C structures hold references that Cython does not know of, and they are part of cycles (loop -> ready queue -> handle -> loop).
# The slots of LoopCore, which Cython makes, call these two for their base class.
cdef int scheduler_traverse(PyObject *self, visitproc visit, void *arg) noexcept:
    cdef int status
    queued_object_take_held()
    status = ready_queue_traverse(&(<Scheduler>self).ready, visit, arg)
    if status == 0:
        status = ready_queue_traverse(&(<Scheduler>self).unflushed, visit, arg)
    if status == 0:
        status = ready_queue_traverse(&(<Scheduler>self).resumed, visit, arg)
    if status == 0:
        status = timer_heap_traverse(&(<Scheduler>self).timers, visit, arg)
    if queued_object_take_held():
        held_queues_note(self)
    if status == 0:
        status = inbox_traverse(&(<Scheduler>self).inbox, visit, arg)
    if status == 0:
        status = watch_table_traverse(&(<Scheduler>self).watches, visit, arg)
    if status == 0:
        status = shared_context_traverse(&(<Scheduler>self).contexts, visit, arg)
    return status


cdef int scheduler_clear(PyObject *self) noexcept:
    inbox_clear(&(<Scheduler>self).inbox)
    ready_queue_clear(&(<Scheduler>self).ready)
    ready_queue_clear(&(<Scheduler>self).unflushed)
    ready_queue_clear(&(<Scheduler>self).resumed)
    scheduler_drop_timers(<Scheduler>self)
    watch_table_clear(&(<Scheduler>self).watches)
    shared_context_forget(&(<Scheduler>self).contexts)
    return 0


def track_held_handles(phase, info):
    """After a collection: handles that the program holds while they wait may be part of cycles, which the next one then sees."""
    cdef void *loop = held_queues_take() if phase == "stop" else NULL
    while loop is not NULL:
        ready_queue_traverse(&(<Scheduler>loop).ready, <visitproc>queued_object_disown_held, <void *>Runnable)
        timer_heap_traverse(&(<Scheduler>loop).timers, <visitproc>queued_object_disown_held, <void *>Runnable)
        loop = held_queues_take()


gc.callbacks.append(track_held_handles)

(<type_slots *>Scheduler).tp_traverse = <traverseproc>scheduler_traverse
(<type_slots *>Scheduler).tp_clear = <inquiry>scheduler_clear
