# The scheduler: ready queue, timers and poller, and the turn that drives them.

from cpython.contextvars cimport PyContext_CopyCurrent
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t

from fastloop.core.clock cimport clock_ticks_before
from fastloop.core.inbox cimport inbox_collect, inbox_push, inbox_t
from fastloop.core.poll_pacing cimport poll_pacing_end_storm, poll_pacing_t
from fastloop.core.ready_queue cimport ready_queue_peek, ready_queue_push, ready_queue_t
from fastloop.core.runnable cimport Runnable
from fastloop.core.shared_context cimport shared_context_current, shared_context_t
from fastloop.core.timer_heap cimport timer_heap_push, timer_heap_t, timer_heap_take
from fastloop.core.watch_table cimport watch_table_t
from fastloop.poll.busy_poll cimport busy_poll_t
from fastloop.poll.poller cimport poll_event_t, poller_t
from fastloop.python.capi cimport PyThread_get_thread_ident
from fastloop.python.cpython_compat cimport COMPAT_HAS_GIL
from fastloop.python.shared_fields cimport shared_bool_t, shared_ident_t


cdef enum:
    # Events taken from the kernel at once; what does not fit follows with the next wait.
    POLL_BATCH = 256


cdef class Scheduler:
    cdef:
        # What is to run, what is to run later, who hears of the kernel's events. Owned by the thread that runs the loop.
        ready_queue_t ready
        timer_heap_t timers
        watch_table_t watches
        # What other threads may touch.
        inbox_t inbox

        poller_t poller
        # When to ask it while callbacks are ready, and whether to ask for a few microseconds before sleeping.
        poll_pacing_t pacing
        busy_poll_t busy_poll
        # The batch in hand. An exception may interrupt it; the next question begins with what is left.
        poll_event_t events[POLL_BATCH]
        int event_count
        int next_event

        # No timer is due before clock_ticks() shows this; what it showed when the clock was looked at last, and the clock.
        uint64_t timers_due_ticks
        uint64_t seen_ticks
        double seen_s

        # How many callbacks and task steps were begun. Code that notes the count can tell later whether its own one still runs.
        uint64_t steps
        # The function (its code, compared only) that was interrupted last before it had begun; the step, and how often in a row.
        void *interrupted_code
        uint64_t interrupted_step
        int interruptions_in_a_row
        # Who holds back what was written during the step that runs: flushed when it ends.
        ready_queue_t unflushed
        # Transports that read on in the next turn, without asking the kernel.
        ready_queue_t resumed
        # Kept alive here where tasks cannot be linked (task_registry.pyx), elsewhere None.
        set pending_tasks
        shared_context_t contexts

        # The loop's life. Written by LoopCore only; other threads ask about the shared ones.
        shared_bool_t has_closed
        shared_bool_t is_stopping
        # An Interruption was put in front of the ready queue: a loop that stops runs it before.
        bint is_interrupted
        # The first turn of a run that began with something ready: an exception may have ended the last run before that.
        bint has_leftovers
        # Inside run_forever().
        shared_bool_t is_active
        # The thread that runs the loop, 0 for none.
        shared_ident_t thread_ident
        shared_bool_t is_debug
        # Set in a child process: the poller is shared with the parent, to whom the loop belongs.
        shared_bool_t is_forked
        # The program has a clock of its own.
        bint has_own_time

        # True while call_soon() is LoopCore's own and neither debug mode nor close() asks for the careful way:
        # futures and tasks may then push themselves without a handle.
        shared_bool_t is_direct
        # The current task is one whose step has ended; left before anything but another step runs.
        bint has_entered_task
        # That task; OWNERSHIP: asyncio's record of the current task holds it while has_entered_task is true.
        PyObject *entered_task

    # One turn: I/O and timers that are due, then what was ready when the turn began to run.
    cdef int run_once(self) except -1
    # run_once() until stop() is called.
    cdef int run_turns(self) except -1

    # The loop's time in seconds; overridden by LoopCore for loops that bring a clock of their own.
    cdef double now_s(self) except? -1
    cdef int look_at_kernel(self) except -1
    # For at most max_ns, if that is not below 0.
    cdef int sleep(self, int64_t max_ns) except -1
    cdef int before_sleep(self) except -1
    cdef int after_poll(self, int event_count, int error) except -1
    cdef int dispatch(self) except -1
    cdef int64_t next_timeout_ns(self) except? -2
    cdef int collect_due_timers(self) except -1
    cdef int run_ready(self) except -1
    cdef int run_ready_debug(self) except -1
    cdef int flush_written(self) except -1
    # Overridden by LoopCore: runs one runnable under the eyes of debug mode.
    cdef int run_watched(self, Runnable runnable) except -1

    cdef int forget_contexts(self) except -1
    cdef int leave_entered_task(self) except -1

    cdef Runnable watcher(self, int fd)
    cdef int watch(self, int fd, Runnable watcher, unsigned int old_interest, unsigned int new_interest) except -1
    cdef int unwatch(self, int fd) except -1
    # Whether the table keeps the watcher of fd alive; at first it does.
    cdef int hold_watcher(self, int fd, bint is_held) except -1

    cdef int release(self) except -1


# Whether another thread runs the loop: then its queues, timers and watchers are that thread's.
cdef inline bint scheduler_runs_elsewhere(Scheduler scheduler) noexcept:
    cdef unsigned long ident = scheduler.thread_ident
    return ident != 0 and ident != PyThread_get_thread_ident()


# HOT. Body here, so that it is inlined in every extension. Without the GIL a destructor in another thread may come here, too.
cdef inline int scheduler_push(Scheduler scheduler, Runnable runnable) except -1:
    if not COMPAT_HAS_GIL and scheduler_runs_elsewhere(scheduler):
        return inbox_push(&scheduler.inbox, &scheduler.ready, <PyObject *>runnable)
    inbox_collect(&scheduler.inbox, &scheduler.ready)
    return ready_queue_push(&scheduler.ready, <PyObject *>runnable)


# From any thread; wakes the loop if it sleeps. RuntimeError if it was closed meanwhile.
cdef inline int scheduler_push_foreign(Scheduler scheduler, Runnable runnable) except -1:
    return inbox_push(&scheduler.inbox, &scheduler.ready, <PyObject *>runnable)


# HOT. Have runnable.flush() called when the step that runs has ended. INVARIANT: is_active.
cdef inline int scheduler_flush_later(Scheduler scheduler, Runnable runnable) except -1:
    return ready_queue_push(&scheduler.unflushed, <PyObject *>runnable)


# Run it in the next turn, before what the kernel reports then.
cdef inline int scheduler_resume_later(Scheduler scheduler, Runnable runnable) except -1:
    poll_pacing_end_storm(&scheduler.pacing)
    return ready_queue_push(&scheduler.resumed, <PyObject *>runnable)


# Whether the runnable still waits for the next turn.
cdef inline bint scheduler_will_resume(Scheduler scheduler, Runnable runnable) noexcept:
    cdef size_t i
    for i in range(scheduler.resumed.count):
        if ready_queue_peek(&scheduler.resumed, i) is <PyObject *>runnable:
            return True
    return False


# Whether a step runs, and the caller is in it: what is flushed later will be flushed soon.
cdef inline bint scheduler_ends_step(Scheduler scheduler) noexcept:
    # Whether the loop sleeps makes no difference: its own thread then runs no code of the program.
    return scheduler.is_active and scheduler.thread_ident == PyThread_get_thread_ident()


# The program has given the kernel something to do: look for the answer in every turn.
cdef inline void scheduler_expect_events(Scheduler scheduler) noexcept:
    poll_pacing_end_storm(&scheduler.pacing)


# HOT. A timer's number is its slot in the heap plus one, and 0 while it is not queued.
cdef inline int scheduler_push_timer(Scheduler scheduler, Runnable timer, int64_t deadline) except -1:
    cdef int64_t slot = timer_heap_push(&scheduler.timers, <PyObject *>timer, deadline)
    timer.number = <uint32_t>slot + 1
    if scheduler.timers.entries[0].slot == <uint32_t>slot:
        scheduler.timers_due_ticks = clock_ticks_before(deadline, scheduler.seen_s, scheduler.seen_ticks)
    return 0


# HOT. The heap's reference passes to the caller. INVARIANT: timer is queued, in this scheduler's heap.
cdef inline PyObject *scheduler_take_timer(Scheduler scheduler, Runnable timer) noexcept:
    cdef PyObject *taken = timer_heap_take(&scheduler.timers, timer.number - 1)
    timer.number = 0
    return taken


# A loop that stops asks this once before it does.
cdef bint scheduler_is_interrupted(Scheduler self) noexcept


# Where a context keeps the mapping of its variables; 0 where that cannot be told, and then no context is shared.
cdef Py_ssize_t VARS_OFFSET


# HOT. A copy of the current context for a callback; with the GIL to be shared and not to be entered.
cdef inline object scheduler_snapshot(Scheduler scheduler):
    if not COMPAT_HAS_GIL:
        return PyContext_CopyCurrent()
    # While the loop does not run, nothing would forget the snapshot and the values in it.
    return shared_context_current(&scheduler.contexts, VARS_OFFSET if scheduler.is_active else 0)
