"""The scheduler: what runs next, and when to ask the kernel.

Owns: the ready queue, the timers, the poller, the wake-up and the table of watched descriptors.
Order: asyncio's. A turn first collects I/O and due timers behind what is ready, then runs what is ready by then;
  what those callbacks schedule waits for the next turn.
Promises: with callbacks ready the kernel is asked at least every 64 turns or 100 microseconds, whichever is first;
  with nothing ready it is asked to wait exactly until the next timer, or first, where that has paid off lately, again and again
  for some microseconds.
Driven by: LoopCore.run_forever().
"""

import contextvars
import gc

from cpython.contextvars cimport PyContext_Copy, PyContext_CopyCurrent
from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno
from cpython.mem cimport PyMem_RawFree, PyMem_RawRealloc
from cpython.object cimport PyObject, traverseproc, visitproc
from cpython.ref cimport Py_DECREF, Py_INCREF, Py_XDECREF, Py_XINCREF
from libc.errno cimport EINTR, errno
from libc.string cimport memset

from fastloop.core.runnable cimport RUNNABLE_IS_AWAITED_BRIEFLY, RUNNABLE_STEPS_TASK, Runnable
from fastloop.core.task_registry cimport swap_current_task
from fastloop.poll.poller cimport (
    poller_close, poller_forget, poller_open, poller_set_interest, poller_wait)
from fastloop.poll.wakeup cimport (
    WAKEUP_INTEREST, WAKEUP_NEEDS_DRAIN, wakeup_close, wakeup_drain, wakeup_fd, wakeup_open, wakeup_signal)


cdef extern from "Python.h":
    ctypedef int (*inquiry)(PyObject *) noexcept
    ctypedef struct type_slots "PyTypeObject":
        traverseproc tp_traverse
        inquiry tp_clear

cdef extern from "ready_queue.h":
    int ready_queue_traverse(ready_queue_t *queue, visitproc visit, void *arg) noexcept

cdef extern from "short_wait.h" nogil:
    int short_wait_us(const short_wait_t *wait) noexcept
    void short_wait_open(short_wait_t *wait) noexcept
    bint short_wait_is_due(short_wait_t *wait, int64_t timeout_ns) noexcept
    void short_wait_note(short_wait_t *wait, bint has_come) noexcept

cdef extern from "queued_object.h":
    bint queued_object_is_held
    int queued_object_disown_held(PyObject *object, void *type) noexcept
    void queued_object_drop(PyObject *object) noexcept

cdef extern from "held_queues.h":
    void held_queues_note(void *loop) noexcept
    void held_queues_forget(void *loop) noexcept
    void *held_queues_take() noexcept

cdef extern from "timer_heap.h":
    int timer_heap_traverse(timer_heap_t *heap, visitproc visit, void *arg) noexcept


cdef Py_ssize_t find_vars_offset() except -1:
    context = contextvars.copy_context()
    changed = context.copy()
    changed.run(contextvars.ContextVar("probe").set, None)
    return context_vars_find(context, context.copy(), changed)


VARS_OFFSET = find_vars_offset()


cdef enum:
    MOST_TURNS_BETWEEN_POLLS = 64
    MOST_US_BETWEEN_POLLS = 100
    MOST_TURNS_BETWEEN_LOOKS = 8
    LONG_TURN_US = 5


cdef class Scheduler:
    def __cinit__(self, *args, **kwargs):
        timer_heap_open(&self.timers)
        memset(&self.poller, 0, sizeof(self.poller))
        memset(&self.wakeup, 0, sizeof(self.wakeup))
        # INVARIANT: has_closed is true whenever a part is missing, so that release() and __dealloc__ may run at any point.
        self.has_closed = True
        ready_queue_open(&self.ready)
        ready_queue_open(&self.unflushed)
        short_wait_open(&self.short_wait)
        if poller_open(&self.poller) < 0:
            PyErr_SetFromErrno(OSError)
        if wakeup_open(&self.wakeup) < 0:
            poller_close(&self.poller)
            PyErr_SetFromErrno(OSError)
        if poller_set_interest(&self.poller, wakeup_fd(&self.wakeup), 0, WAKEUP_INTEREST) < 0:
            PyErr_SetFromErrno(OSError)
        self.has_closed = False

    def __dealloc__(self):
        held_queues_forget(<void *>self)
        wakeup_close(&self.wakeup)
        poller_close(&self.poller)
        scheduler_drop_timers(self)
        timer_heap_close(&self.timers)
        ready_queue_close(&self.ready)
        ready_queue_close(&self.unflushed)
        scheduler_drop_watchers(self)
        PyMem_RawFree(self.watches)
        scratch_close(&self.scratch)

    cdef int run_turns(self) except -1:
        # Whoever starts the loop expects the first turn to look at the descriptors.
        self.turns_since_poll = MOST_TURNS_BETWEEN_POLLS
        self.turns_between_looks = self.turns_until_look = 1
        while True:
            self.run_once()
            if self.is_stopping:
                return 0

    cdef int run_once(self) except -1:
        ready_queue_collect(&self.ready)
        if self.ready.count == 0 and not self.is_stopping:
            ready_queue_trim(&self.ready)
            self.poll(self.next_timeout_ns())
            self.collect_due_timers()
        else:
            self.turns_until_look -= 1
            if self.turns_until_look <= 0:
                self.look()
        if self.is_debug:
            self.run_ready_debug()
        else:
            self.run_ready()
        return 0

    cdef int look(self) except -1:
        """With callbacks ready: is it time to ask the kernel?"""
        cdef uint64_t ticks = clock_ticks()
        self.turns_since_poll += self.turns_between_looks
        # Short turns need no look at the clock every time; one that took long is followed by a look at once.
        if ticks - self.last_look_ticks > self.turns_between_looks * LONG_TURN_US * CLOCK_TICKS_PER_US:
            self.turns_between_looks = 1
        else:
            self.turns_between_looks = MOST_TURNS_BETWEEN_LOOKS
        self.turns_until_look = self.turns_between_looks
        self.last_look_ticks = ticks
        if (self.turns_since_poll >= MOST_TURNS_BETWEEN_POLLS
                or ticks - self.last_poll_ticks >= MOST_US_BETWEEN_POLLS * CLOCK_TICKS_PER_US):
            self.poll(0)
            self.collect_due_timers()
        return 0

    cdef double now_s(self) except? -1:
        return clock_seconds(clock_now_ns())

    cdef int64_t next_timeout_ns(self) except? -2:
        if self.timers.count == 0:
            return -1
        return clock_wait_ns(self.timers.entries[0].deadline, self.now_s())

    cdef int poll(self, int64_t timeout_ns) except -1:
        cdef int event_count, error
        if self.is_forked:
            raise RuntimeError("A forked child cannot go on running its parent's event loop; make a new one")
        if self.has_entered_task:
            self.leave_entered_task()
        if timeout_ns == 0:
            # A pending wake-up needs no answer while the loop is awake, so without watchers there is nothing to ask for.
            event_count = 0
            if self.watcher_count > 0:
                event_count = poller_wait(&self.poller, 0, self.events, POLL_BATCH)
        else:
            if self.snapshot is not None:
                self.forget_contexts()
            # Left over when an exception ended the loop, or written by a destructor.
            if self.unflushed.count > 0:
                flush_all_written(self)
            self.is_sleeping = True
            # A callback pushed by another thread before it could see is_sleeping.
            ready_queue_collect(&self.ready)
            if self.ready.count > 0 or self.unflushed.count > 0:
                timeout_ns = 0
            with nogil:
                if short_wait_is_due(&self.short_wait, timeout_ns):
                    # In vain: the next turn sleeps, after a look at the signals, which would not interrupt it any more.
                    event_count = wait_shortly(self)
                else:
                    event_count = poller_wait(&self.poller, timeout_ns, self.events, POLL_BATCH)
            self.is_sleeping = False
        error = errno
        self.turns_since_poll = 0
        self.last_poll_ticks = self.last_look_ticks = clock_ticks()
        PyErr_CheckSignals()
        if event_count < 0:
            if error == EINTR:
                return 0
            raise_os_error(error)
        if event_count > 0:
            self.dispatch(event_count)
        return 0

    cdef int dispatch(self, int event_count) except -1:
        cdef int i, fd
        cdef unsigned int flags
        # Of the watchers; who has none, the wake-up and strangers, is awaited briefly too.
        cdef unsigned int flags_of_all = RUNNABLE_IS_AWAITED_BRIEFLY
        for i in range(event_count):
            # Each watcher may silence the events behind it: look at the batch, not at a copy.
            flags = self.events[i].flags
            fd = self.events[i].fd
            if flags == 0:
                continue
            if fd == wakeup_fd(&self.wakeup):
                if WAKEUP_NEEDS_DRAIN:
                    wakeup_drain(&self.wakeup)
            elif fd < self.watcher_capacity and self.watches[fd].watcher is not NULL:
                watcher = <Runnable>self.watches[fd].watcher
                flags_of_all &= watcher.flags
                watcher.on_events(flags)
            else:
                # The descriptor was closed behind the loop's back and lives on in a duplicate.
                poller_forget(&self.poller, fd)
        self.short_wait.is_brief = flags_of_all == RUNNABLE_IS_AWAITED_BRIEFLY
        return 0

    cdef int collect_due_timers(self) except -1:
        cdef int64_t now
        cdef PyObject *timer
        if self.timers.count == 0:
            return 0
        now = clock_deadline(self.now_s())
        while self.timers.count > 0 and self.timers.entries[0].deadline <= now:
            # The heap's reference passes to the ready queue.
            timer = timer_heap_take(&self.timers, self.timers.entries[0].slot)
            (<Runnable>timer).number = 0
            ready_queue_append(&self.ready, timer)
        return 0

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
            runnable.run()
            if self.unflushed.count > 0:
                flush_all_written(self)
        return 0

    cdef int flush_written(self) except -1:
        return flush_all_written(self)

    cdef int run_ready_debug(self) except -1:
        cdef size_t remaining = self.ready.count
        cdef Runnable runnable
        while remaining > 0 and self.ready.count > 0:
            remaining -= 1
            runnable = <Runnable>ready_queue_pop(&self.ready)
            Py_DECREF(runnable)
            if self.has_entered_task:
                self.leave_entered_task()
            self.run_watched(runnable)
            if self.unflushed.count > 0:
                flush_all_written(self)
        return 0

    cdef int run_watched(self, Runnable runnable) except -1:
        return runnable.run()

    cdef object take_snapshot(self):
        if VARS_OFFSET == 0:
            return PyContext_CopyCurrent()
        self.snapshot = PyContext_CopyCurrent()
        self.snapshot_vars = context_vars_of(self.snapshot, VARS_OFFSET)
        return self.snapshot

    cdef object borrow_context(self, object snapshot):
        cdef object context
        if self.working_context_of is snapshot and self.working_context is not None:
            context = self.working_context
            # While it is lent, nobody else gets it: the callback may run the loop from within.
            self.working_context = None
            return context
        return PyContext_Copy(snapshot)

    cdef int give_back_context(self, object context, object snapshot) except -1:
        """INVARIANT: nobody but the caller holds the context."""
        if VARS_OFFSET != 0 and context_vars_of(context, VARS_OFFSET) is context_vars_of(snapshot, VARS_OFFSET):
            self.working_context = context
            if self.working_context_of is not snapshot:
                self.working_context_of = snapshot
        return 0

    cdef int forget_contexts(self) except -1:
        """Values of context variables must not outlive their callbacks while the loop sleeps or does not run."""
        # First, as destructors of the values may schedule something.
        self.snapshot_vars = NULL
        self.snapshot = self.working_context = self.working_context_of = None
        return 0

    cdef int wake(self) except -1:
        # Many calls while the loop sleeps cost one system call.
        if self.is_sleeping:
            self.is_sleeping = False
            wakeup_signal(&self.wakeup)
        return 0

    cdef int leave_entered_task(self) except -1:
        self.has_entered_task = False
        swap_current_task(self, None)
        return 0

    cdef Runnable watcher(self, int fd):
        if 0 <= fd < self.watcher_capacity and self.watches[fd].watcher is not NULL:
            return <Runnable>self.watches[fd].watcher
        return None

    cdef int watch(self, int fd, Runnable watcher, unsigned int old_interest, unsigned int new_interest) except -1:
        """Let watcher.on_events() hear of fd; old_interest is what this watcher asked for before, 0 for a new one."""
        if poller_set_interest(&self.poller, fd, old_interest, new_interest) < 0:
            PyErr_SetFromErrno(OSError)
        # After the kernel, which refuses numbers that no table could hold.
        if fd >= self.watcher_capacity and scheduler_grow_watches(self, fd) < 0:
            poller_forget(&self.poller, fd)
            raise MemoryError()
        if self.watches[fd].watcher is not <PyObject *>watcher:
            scheduler_set_watcher(self, fd, <PyObject *>watcher)
        return 0

    cdef int unwatch(self, int fd) except -1:
        """Forget fd and its watcher. The descriptor may be closed already."""
        if 0 <= fd < self.watcher_capacity and self.watches[fd].watcher is not NULL:
            poller_forget(&self.poller, fd)
            scheduler_set_watcher(self, fd, NULL)
        return 0

    cdef int hold_watcher(self, int fd, bint is_held) except -1:
        watcher = self.watcher(fd)
        if watcher is not None and self.watches[fd].is_held != is_held:
            self.watches[fd].is_held = is_held
            if is_held:
                Py_INCREF(watcher)
            else:
                Py_DECREF(watcher)
        return 0

    cdef int release(self) except -1:
        """Close what the kernel gave and drop what waits; destructors that run here find a closed loop."""
        self.has_closed = True
        self.is_direct = False
        self.forget_contexts()
        wakeup_close(&self.wakeup)
        poller_close(&self.poller)
        ready_queue_clear(&self.ready)
        ready_queue_clear(&self.unflushed)
        scheduler_drop_timers(self)
        scheduler_drop_watchers(self)
        return 0


cdef int wait_shortly(Scheduler self) noexcept nogil:
    """Events, or 0 if nothing came within short_wait_us(), or -1 with errno."""
    cdef uint64_t limit = short_wait_us(&self.short_wait) * CLOCK_TICKS_PER_US
    cdef uint64_t began = clock_ticks()
    cdef int event_count = 0
    while event_count == 0 and clock_ticks() - began < limit:
        event_count = poller_wait(&self.poller, 0, self.events, POLL_BATCH)
    short_wait_note(&self.short_wait, event_count != 0)
    return event_count


cdef inline int flush_all_written(Scheduler self) except -1:
    """HOT. What was written during one callback leaves together, before the next one runs."""
    # What protocols write when they hear that there is room again waits for the next callback's end: a peer that reads
    # as fast as they write must not keep the loop here.
    cdef size_t remaining = self.unflushed.count
    cdef Runnable runnable
    while remaining > 0 and self.unflushed.count > 0:
        remaining -= 1
        runnable = <Runnable>ready_queue_pop(&self.unflushed)
        Py_DECREF(runnable)
        runnable.flush()
    return 0


cdef int raise_os_error(int error) except -1:
    raise OSError(error, os_strerror(error))


cdef object os_strerror(int error):
    import os
    return os.strerror(error)


cdef int scheduler_grow_watches(Scheduler self, int fd) noexcept:
    cdef size_t capacity = max(64, self.watcher_capacity)
    while capacity <= <size_t>fd:
        capacity *= 2
    watches = <watch_t *>PyMem_RawRealloc(self.watches, capacity * sizeof(watch_t))
    if watches is NULL:
        return -1
    memset(watches + self.watcher_capacity, 0, (capacity - self.watcher_capacity) * sizeof(watch_t))
    self.watches = watches
    self.watcher_capacity = capacity
    return 0


cdef int scheduler_set_watcher(Scheduler self, int fd, PyObject *watcher) except -1:
    """Put watcher, NULL for nobody, in the place of who watched fd. The destructor of that one may run here."""
    cdef watch_t previous = self.watches[fd]
    Py_XINCREF(watcher)
    self.watches[fd] = watch_t(watcher, True)
    self.watcher_count += (watcher is not NULL) - (previous.watcher is not NULL)
    if previous.is_held:
        Py_XDECREF(previous.watcher)
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


cdef int scheduler_drop_watchers(Scheduler self) except -1:
    cdef int fd
    for fd in range(self.watcher_capacity):
        if self.watches[fd].watcher is not NULL:
            scheduler_set_watcher(self, fd, NULL)
    return 0


# Cython visits object fields only; the C structures hold references too, and they are part of cycles
# (loop -> ready queue -> handle -> loop). These two stand in front of the slots that Cython made.
cdef:
    traverseproc traverse_fields
    inquiry clear_fields


cdef int scheduler_traverse(PyObject *self, visitproc visit, void *arg) noexcept:
    cdef int status, fd
    global queued_object_is_held
    queued_object_is_held = False
    status = ready_queue_traverse(&(<Scheduler>self).ready, visit, arg)
    if status == 0:
        status = ready_queue_traverse(&(<Scheduler>self).unflushed, visit, arg)
    if status == 0:
        status = timer_heap_traverse(&(<Scheduler>self).timers, visit, arg)
    if queued_object_is_held:
        held_queues_note(self)
    for fd in range((<Scheduler>self).watcher_capacity):
        if status == 0 and (<Scheduler>self).watches[fd].watcher is not NULL and (<Scheduler>self).watches[fd].is_held:
            status = visit((<Scheduler>self).watches[fd].watcher, arg)
    if status == 0:
        status = traverse_fields(self, visit, arg)
    return status


cdef int scheduler_clear(PyObject *self) noexcept:
    (<Scheduler>self).snapshot_vars = NULL
    ready_queue_clear(&(<Scheduler>self).ready)
    ready_queue_clear(&(<Scheduler>self).unflushed)
    scheduler_drop_timers(<Scheduler>self)
    try:
        scheduler_drop_watchers(<Scheduler>self)
    except BaseException:
        pass
    return clear_fields(self)


def track_held_handles(phase, info):
    """After a collection: handles that the program holds while they wait may be part of cycles, which the next one then sees."""
    cdef void *loop = held_queues_take() if phase == "stop" else NULL
    while loop is not NULL:
        ready_queue_traverse(&(<Scheduler>loop).ready, <visitproc>queued_object_disown_held, <void *>Runnable)
        timer_heap_traverse(&(<Scheduler>loop).timers, <visitproc>queued_object_disown_held, <void *>Runnable)
        loop = held_queues_take()


gc.callbacks.append(track_held_handles)

traverse_fields = (<type_slots *>Scheduler).tp_traverse
clear_fields = (<type_slots *>Scheduler).tp_clear
(<type_slots *>Scheduler).tp_traverse = <traverseproc>scheduler_traverse
(<type_slots *>Scheduler).tp_clear = <inquiry>scheduler_clear
