# The scheduler: ready queue, timers and poller, and the turn that drives them.

from cpython.contextvars cimport PyContext_CopyCurrent
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t, uint64_t

from fastloop.core.clock cimport clock_ticks_before
from fastloop.core.inbox cimport inbox_collect, inbox_push
from fastloop.core.loop_counters cimport loop_counter_add
from fastloop.core.poll_pacing cimport poll_pacing_end_storm
from fastloop.core.ready_queue cimport ready_queue_peek, ready_queue_push
from fastloop.core.runnable cimport Runnable
from fastloop.core.running_step cimport running_step_t
from fastloop.core.scheduler_parts cimport SchedulerParts, scheduler_take_slot
from fastloop.core.shared_context cimport shared_context_current
from fastloop.core.timer_heap cimport timer_heap_push
from fastloop.python.capi cimport PyThread_get_thread_ident
from fastloop.python.cpython_compat cimport COMPAT_HAS_GIL
from fastloop.python.shared_fields cimport shared_bool_t, shared_ident_t


cdef class Scheduler(SchedulerParts):
    cdef:
        # What runs, for a watchdog.
        running_step_t step
        # No timer is due before clock_ticks() reaches this.
        uint64_t timers_due_ticks
        # What clock_ticks() and the clock showed when the clock was last read.
        uint64_t last_clock_ticks
        double last_clock_s

        # The last function that was interrupted before it had started (its code, only compared), in which step (a value of
        # counters.steps), and how often in a row.
        void *interrupted_code
        uint64_t interrupted_step
        int interruptions_in_a_row

        # The loop's life, written mostly by LoopLife. Other threads may read the shared fields.
        shared_bool_t is_stopping
        # An Interruption is at the front of the ready queue. A loop that stops runs it first.
        bint is_interrupted
        # True during the first turn of a run that started with something ready. An exception may have ended the last run
        # before that.
        bint began_with_ready
        # Inside run_forever().
        shared_bool_t is_running_turns
        # The thread that runs the loop, or 0.
        shared_ident_t thread_ident
        shared_bool_t is_debug
        # Set in a forked child. The poller is shared with the parent, and the loop is the parent's.
        shared_bool_t is_forked
        # The program overrides time().
        bint has_own_time

        # The longest callback since the last reset: (its text or None, when it ended as in time.time()). None for none.
        # And what the counters were at that reset. Both in a critical section.
        object longest
        object counts_at_reset

        # True while the loop is open, not forked and not in debug mode, and nobody has overridden call_soon().
        # Futures and tasks may then push themselves, without a handle.
        shared_bool_t bypasses_call_soon
        # The current task, if its step has ended. Otherwise NULL. It is left before anything other than a step runs.
        # OWNERSHIP: borrowed from asyncio's record of the current task.
        PyObject *lingering_task

    # One turn: collect events and due timers, then run what is ready at that point.
    cdef int run_once(self) except -1
    # run_once() until stop() is called.
    cdef int run_turns(self) except -1

    # The loop's time in seconds. LoopCore overrides it for loops with their own time().
    cdef double now_s(self) except? -1
    cdef int end_block(self, PyObject *runnable) except -1
    cdef int look_at_kernel(self) except -1
    # For at most max_ns, unless that is negative.
    cdef int sleep(self, int64_t max_ns) except -1
    cdef int before_sleep(self) except -1
    cdef int after_poll(self, int event_count, int error) except -1
    cdef int dispatch(self) except -1
    cdef int64_t next_timeout_ns(self) except? -2
    cdef int collect_due_timers(self) except -1
    cdef int run_ready(self) except -1
    cdef int run_ready_observed(self) except -1
    cdef int flush_held_writes(self) except -1
    # Run one runnable with the checks of debug mode. LoopLife overrides it.
    cdef int run_checked(self, Runnable runnable) except -1
    # The block of callbacks that ends here has taken longer than any before. LoopCore overrides it, to name the callback.
    cdef int note_longest(self, PyObject *runnable, uint64_t took, uint64_t steps) except -1

    cdef int forget_contexts(self) except -1
    cdef int leave_lingering_task(self) except -1


# Whether another thread runs the loop. Its queues, timers and watchers then belong to that thread.
cdef inline bint scheduler_runs_elsewhere(Scheduler scheduler) noexcept:
    cdef unsigned long ident = scheduler.thread_ident
    return ident != 0 and ident != PyThread_get_thread_ident()


# HOT. Its body is here so that it is inlined in every extension. Without the GIL, a destructor in another thread may call
# it too.
cdef inline int scheduler_push(Scheduler scheduler, Runnable runnable) except -1:
    if not COMPAT_HAS_GIL and scheduler_runs_elsewhere(scheduler):
        return inbox_push(&scheduler.inbox, &scheduler.ready, <PyObject *>runnable)
    inbox_collect(&scheduler.inbox, &scheduler.ready)
    return ready_queue_push(&scheduler.ready, <PyObject *>runnable)


# Push from any thread, and wake the loop if it sleeps. Raises RuntimeError if the loop has been closed.
cdef inline int scheduler_push_foreign(Scheduler scheduler, Runnable runnable) except -1:
    return inbox_push(&scheduler.inbox, &scheduler.ready, <PyObject *>runnable)


# HOT. Code that notes counters.steps can tell later whether its own step still runs.
cdef inline void scheduler_begin_step(Scheduler scheduler) noexcept:
    loop_counter_add(&scheduler.counters.steps, 1)


# HOT. Have runnable.flush() called when the running step ends. INVARIANT: is_running_turns.
cdef inline int scheduler_flush_later(Scheduler scheduler, Runnable runnable) except -1:
    return ready_queue_push(&scheduler.unflushed, <PyObject *>runnable)


# Run it in the next turn, before everything that the kernel then reports.
cdef inline int scheduler_run_next_turn(Scheduler scheduler, Runnable runnable) except -1:
    poll_pacing_end_storm(&scheduler.pacing)
    return ready_queue_push(&scheduler.next_turn, <PyObject *>runnable)


# Whether scheduler_run_next_turn() was called for the runnable, and the next turn has not begun.
cdef inline bint scheduler_runs_next_turn(Scheduler scheduler, Runnable runnable) noexcept:
    cdef size_t i
    for i in range(scheduler.next_turn.count):
        if ready_queue_peek(&scheduler.next_turn, i) is <PyObject *>runnable:
            return True
    return False


# Whether the caller is inside a step, so that scheduler_flush_later() takes effect when the step ends.
cdef inline bint scheduler_is_in_step(Scheduler scheduler) noexcept:
    # A sleeping loop needs no check, because its thread runs no code of the program.
    return scheduler.is_running_turns and scheduler.thread_ident == PyThread_get_thread_ident()


# The program has given the kernel something to do, so poll in every turn.
cdef inline void scheduler_expect_events(Scheduler scheduler) noexcept:
    poll_pacing_end_storm(&scheduler.pacing)


# HOT.
cdef inline int scheduler_push_timer(Scheduler scheduler, Runnable timer, int64_t deadline) except -1:
    cdef int64_t slot = timer_heap_push(&scheduler.timers, <PyObject *>timer, deadline)
    timer.word.timer_slot_plus_one = <uint32_t>slot + 1
    if scheduler.timers.entries[0].slot == <uint32_t>slot:
        scheduler.timers_due_ticks = clock_ticks_before(deadline, scheduler.last_clock_s, scheduler.last_clock_ticks)
    return 0


# HOT. Take a timer out of the heap. The heap's reference passes to the caller. INVARIANT: it is in this scheduler's heap.
cdef inline PyObject *scheduler_take_timer(Scheduler scheduler, Runnable timer) noexcept:
    return scheduler_take_slot(scheduler, timer.word.timer_slot_plus_one - 1)


# Whether one more turn is needed to raise what a signal handler raised while a callback ran. Clears is_interrupted.
# A thread that can wait for the GIL until a callback in Python offers it, so that the loop need not do so in every turn. NULL: none.
cdef void scheduler_set_patient_thread(const void *thread) noexcept

# Whether any other thread may want the GIL.
cdef bint scheduler_has_other_threads() noexcept

cdef bint scheduler_take_interrupted(Scheduler self) noexcept


# The offset of a context's mapping of variables. 0 if it is not known, and then no context is shared.
cdef Py_ssize_t VARS_OFFSET


# HOT. A copy of the current context for a callback. With the GIL it may be shared, and must not be entered.
cdef inline object scheduler_copy_context(Scheduler scheduler):
    if not COMPAT_HAS_GIL:
        return PyContext_CopyCurrent()
    # While the loop does not run, nothing would release the snapshot and its values.
    return shared_context_current(&scheduler.contexts, VARS_OFFSET if scheduler.is_running_turns else 0)
