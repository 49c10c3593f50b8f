# The scheduler: ready queue, timers and poller, and the turn that drives them.

from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t

from fastloop.core.runnable cimport Runnable
from fastloop.poll.poller cimport poll_event_t, poller_t
from fastloop.poll.wakeup cimport wakeup_t


cdef extern from "clock.h" nogil:
    const uint64_t CLOCK_TICKS_PER_US
    int64_t clock_now_ns() noexcept
    double clock_seconds(int64_t time_ns) noexcept
    int64_t clock_deadline(double when_s) noexcept
    int64_t clock_wait_ns(int64_t deadline, double now_s) noexcept
    uint64_t clock_ticks() noexcept


cdef extern from "ready_queue.h":
    ctypedef struct ready_queue_t:
        size_t count
    int ready_queue_open(ready_queue_t *queue) except -1
    void ready_queue_close(ready_queue_t *queue) noexcept
    void ready_queue_clear(ready_queue_t *queue) noexcept
    void ready_queue_trim(ready_queue_t *queue) noexcept
    int ready_queue_collect(ready_queue_t *queue) except -1
    int ready_queue_append(ready_queue_t *queue, PyObject *runnable) except -1
    int ready_queue_push(ready_queue_t *queue, PyObject *runnable) except -1
    int ready_queue_push_foreign(ready_queue_t *queue, PyObject *runnable) except -1
    int ready_queue_put_back(ready_queue_t *queue, PyObject *runnable) except -1
    PyObject *ready_queue_pop(ready_queue_t *queue) noexcept


cdef extern from "context_vars.h":
    PyObject *context_vars_of(object context, Py_ssize_t offset) noexcept
    PyObject *context_vars_current(Py_ssize_t offset) noexcept
    Py_ssize_t context_vars_find(object context, object copy, object changed) noexcept


cdef extern from "timer_heap.h":
    ctypedef struct timer_entry_t:
        int64_t deadline
        uint32_t slot
    ctypedef struct timer_heap_t:
        timer_entry_t *entries
        uint32_t count
    void timer_heap_open(timer_heap_t *heap) noexcept
    void timer_heap_close(timer_heap_t *heap) noexcept
    int64_t timer_heap_push(timer_heap_t *heap, PyObject *timer, int64_t deadline) except -1
    PyObject *timer_heap_take(timer_heap_t *heap, uint32_t slot) noexcept


cdef extern from "scratch.h":
    ctypedef struct scratch_t:
        pass
    const Py_ssize_t SCRATCH_SIZE
    char *scratch_memory(scratch_t *scratch) except NULL
    object scratch_bytes(scratch_t *scratch, Py_ssize_t size)
    void scratch_close(scratch_t *scratch) noexcept


cdef extern from "short_wait.h":
    ctypedef struct short_wait_t:
        bint is_brief


cdef enum:
    # Events taken from the kernel at once; what does not fit follows with the next wait.
    POLL_BATCH = 256


ctypedef struct watch_t:
    PyObject *watcher
    # OWNERSHIP: the table holds the watcher; else the watcher leaves the table before it dies.
    bint is_held


cdef class Scheduler:
    cdef:
        # What is to run, what is to run later, what the kernel watches. Owned by the thread that runs the loop.
        ready_queue_t ready
        timer_heap_t timers
        poller_t poller
        wakeup_t wakeup
        poll_event_t events[POLL_BATCH]
        # Whether to ask for a few microseconds before sleeping.
        short_wait_t short_wait

        # Who wrote something during the callback that runs: flushed when it returns.
        ready_queue_t unflushed
        # For whoever reads from the kernel.
        scratch_t scratch

        # By descriptor: who watches it; NULL for nobody.
        watch_t *watches
        int watcher_capacity
        int watcher_count

        # The loop's life. Written by LoopCore only.
        bint has_closed
        bint is_stopping
        # Inside run_forever(): what is flushed later will be flushed soon.
        bint is_active
        bint is_debug
        # Set in a child process: the poller is shared with the parent, to whom the loop belongs.
        bint is_forked

        # True while call_soon() is LoopCore's own and neither debug mode nor close() asks for the careful way:
        # futures and tasks may then push themselves without a handle.
        bint is_direct
        # The current task is one whose step has ended; left before anything but another step runs.
        bint has_entered_task
        # That task; OWNERSHIP: asyncio's record of the current task holds it as long as has_entered_task is true.
        PyObject *entered_task
        # True from just before the kernel is asked to wait until it answers; whoever clears it wakes the loop.
        bint is_sleeping

        # When the kernel was asked last, and when to look at the clock again to see whether it should be.
        int turns_since_poll
        int turns_until_look
        int turns_between_looks
        uint64_t last_look_ticks
        uint64_t last_poll_ticks

        # Callbacks that are scheduled while no context variable changes share one copy of the context, which is never entered:
        # the snapshot. They run in a copy of that, which is used again as long as none of them sets a variable.
        object snapshot
        object working_context
        object working_context_of
        # The snapshot's mapping of variables; borrowed from it, and only compared.
        PyObject *snapshot_vars

    # One turn: I/O and timers as far as they are due, then what was ready when the turn began to run.
    cdef int run_once(self) except -1
    # run_once() until stop() is called.
    cdef int run_turns(self) except -1

    # The loop's time in seconds; overridden by LoopCore for loops that bring a clock of their own.
    cdef double now_s(self) except? -1
    cdef int look(self) except -1
    cdef int poll(self, int64_t timeout_ns) except -1
    cdef int64_t next_timeout_ns(self) except? -2
    cdef int collect_due_timers(self) except -1
    cdef int dispatch(self, int event_count) except -1
    cdef int run_ready(self) except -1
    cdef int run_ready_debug(self) except -1
    cdef int flush_written(self) except -1
    # Overridden by LoopCore: runs one runnable under the eyes of debug mode.
    cdef int run_watched(self, Runnable runnable) except -1

    # A copy of the current context for a callback, to be shared and not to be entered.
    cdef object take_snapshot(self)
    # A context like the snapshot, to be entered by one callback at a time.
    cdef object borrow_context(self, object snapshot)
    cdef int give_back_context(self, object context, object snapshot) except -1
    cdef int forget_contexts(self) except -1

    cdef int wake(self) except -1
    cdef int leave_entered_task(self) except -1

    cdef Runnable watcher(self, int fd)
    cdef int watch(self, int fd, Runnable watcher, unsigned int old_interest, unsigned int new_interest) except -1
    cdef int unwatch(self, int fd) except -1
    # Whether the table keeps the watcher of fd alive; at first it does.
    cdef int hold_watcher(self, int fd, bint is_held) except -1

    cdef int release(self) except -1


# HOT. Body here, so that it is inlined in every extension.
cdef inline int scheduler_push(Scheduler scheduler, Runnable runnable) except -1:
    return ready_queue_push(&scheduler.ready, <PyObject *>runnable)


# HOT. Have runnable.flush() called when the running callback returns. INVARIANT: is_active.
cdef inline int scheduler_flush_later(Scheduler scheduler, Runnable runnable) except -1:
    return ready_queue_push(&scheduler.unflushed, <PyObject *>runnable)


# HOT. A timer's number is its slot in the heap plus one, and 0 while it is not queued.
cdef inline int scheduler_push_timer(Scheduler scheduler, Runnable timer, int64_t deadline) except -1:
    timer.number = <uint32_t>timer_heap_push(&scheduler.timers, <PyObject *>timer, deadline) + 1
    return 0


# HOT. The heap's reference passes to the caller. INVARIANT: timer is queued, in this scheduler's heap.
cdef inline PyObject *scheduler_take_timer(Scheduler scheduler, Runnable timer) noexcept:
    cdef PyObject *taken = timer_heap_take(&scheduler.timers, timer.number - 1)
    timer.number = 0
    return taken


# Where a context keeps the mapping of its variables; 0 where that cannot be told, and then no context is shared.
cdef Py_ssize_t VARS_OFFSET


# HOT. take_snapshot(), with the common case in line: nothing was set since the last one.
cdef inline object scheduler_snapshot(Scheduler scheduler):
    if scheduler.snapshot_vars is not NULL and context_vars_current(VARS_OFFSET) is scheduler.snapshot_vars:
        return scheduler.snapshot
    return scheduler.take_snapshot()
