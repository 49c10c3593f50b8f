"""The scheduler: what runs next, and when to poll the kernel.

Owns: the order in which things happen. What it drives is in SchedulerParts.
Order: asyncio's. A turn first adds I/O and due timers behind what is ready. Then it runs what is ready at that point.
  What those callbacks schedule waits for the next turn.
Promises: while callbacks are ready, every turn polls the kernel, except in a storm (poll_pacing.h). Every turn collects
  due timers. With nothing ready, the loop sleeps exactly until the next timer. If busy polling has paid off lately, it
  first busy-polls for a few microseconds (busy_poll.h). An exception, for instance from a signal handler, interrupts a
  turn and loses nothing: the next turn continues where it stopped.
Driven by: LoopLife.run_forever().
"""

import contextvars
import os

from cpython.exc cimport PyErr_CheckSignals
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from libc.errno cimport EINTR, errno

from fastloop.core.clock cimport (
    clock_deadline, clock_now_ns, clock_seconds, clock_ticks, clock_ticks_before, clock_wait_ns)
from fastloop.core.current_task cimport swap_current_task
from fastloop.core.inbox cimport inbox_begin_sleep, inbox_collect, inbox_end_sleep
from fastloop.core.kernel_wait cimport kernel_wait, kernel_wait_t
from fastloop.core.loop_counters cimport (
    loop_counter_add, loop_counter_set, loop_counters_begin_block, loop_counters_begin_sleep, loop_counters_begin_turn,
    loop_counters_end_block, loop_counters_end_sleep, loop_counters_end_usual_block, loop_counters_end_usual_part, loop_counters_skip)
from fastloop.core.poll_pacing cimport poll_pacing_end_storm, poll_pacing_is_due, poll_pacing_note
from fastloop.core.ready_queue cimport ready_queue_append, ready_queue_pop, ready_queue_trim
from fastloop.core.runnable cimport RUNNABLE_BUSY_POLLS_BRIEFLY, RUNNABLE_EXPECTS_NO_ANSWER, RUNNABLE_KEEPS_CURRENT_TASK, Runnable
from fastloop.core.running_step cimport running_step_is_watched, running_step_set
from fastloop.core.scheduler_parts cimport POLL_BATCH
from fastloop.core.shared_context cimport shared_context_forget
from fastloop.core.watch_table cimport watch_table_find
from fastloop.poll.poller cimport poller_forget, poller_wait
from fastloop.python.context_vars cimport context_vars_find
from fastloop.python.cpython_compat cimport COMPAT_HAS_GIL, compat_has_other_threads


cdef Py_ssize_t learn_vars_offset() except -1:
    context = contextvars.copy_context()
    changed = context.copy()
    changed.run(contextvars.ContextVar("probe").set, None)
    return context_vars_find(context, context.copy(), changed)


VARS_OFFSET = learn_vars_offset()


cdef class Scheduler(SchedulerParts):
    # ---- the turn ----

    cdef int run_turns(self) except -1:
        # The caller expects the first turn to poll.
        poll_pacing_end_storm(&self.pacing)
        self.began_with_ready = self.ready.count > 0
        while True:
            self.run_once()
            self.began_with_ready = False
            if self.is_stopping and not scheduler_take_interrupted(self):
                return 0

    cdef int run_once(self) except -1:
        inbox_collect(&self.inbox, &self.ready)
        if self.ready.count == 0 and not self.is_stopping:
            self.sleep(-1)
        elif poll_pacing_is_due(&self.pacing):
            self.look_at_kernel()
        if self.timers.count > 0:
            self.collect_due_timers()
        scheduler_show_counts(self)
        return self.run_ready_observed() if self.is_debug or running_step_is_watched(&self.step) else self.run_ready()

    cdef int look_at_kernel(self) except -1:
        """Callbacks are ready: poll without waiting, and let other threads have the GIL."""
        cdef int count = 0
        cdef bint has_threads = scheduler_has_other_threads()
        scheduler_check_owner(self)
        if self.lingering_task is not NULL:
            self.leave_lingering_task()
        if self.next_event < self.event_count:
            return self.dispatch()
        if has_threads:
            # Another thread may keep the GIL for long. That is no callback's fault.
            Scheduler.end_block(self, NULL)
            with nogil:
                count = poller_wait(&self.poller, 0, self.events, POLL_BATCH)
            loop_counters_begin_block(&self.counters, clock_ticks())
        elif self.watches.count > 0:
            # Without watchers only the wake-up is registered, and a loop that is awake need not read it.
            count = poller_wait(&self.poller, 0, self.events, POLL_BATCH)
        loop_counter_add(&self.counters.polls, 1)
        poll_pacing_note(&self.pacing, count > 0, has_threads)
        return self.after_poll(count, errno)

    cdef int sleep(self, int64_t max_ns) except -1:
        """Nothing is ready: wait for events, a wake-up or the next timer."""
        cdef int64_t timeout_ns
        cdef kernel_wait_t wait
        scheduler_check_owner(self)
        self.before_sleep()
        if self.next_event < self.event_count:
            return self.dispatch()
        timeout_ns = self.next_timeout_ns() if self.timers.count > 0 or self.has_own_time else -1
        if max_ns >= 0 and (timeout_ns < 0 or max_ns < timeout_ns):
            timeout_ns = max_ns
        # Another thread may have pushed before it could see that the loop sleeps, or a destructor may have pushed or written.
        if not inbox_begin_sleep(&self.inbox) or self.ready.count > 0 or self.unflushed.count > 0 or self.next_turn.count > 0:
            timeout_ns = 0
        scheduler_show_counts(self)
        loop_counters_begin_sleep(&self.counters)
        with nogil:
            wait = kernel_wait(&self.poller, &self.busy_poll, &self.counters, timeout_ns, self.events, POLL_BATCH)
        loop_counters_end_sleep(&self.counters)
        inbox_end_sleep(&self.inbox)
        poll_pacing_note(&self.pacing, wait.count > 0, False)
        return self.after_poll(wait.count, wait.error)

    cdef int before_sleep(self) except -1:
        if self.lingering_task is not NULL:
            self.leave_lingering_task()
        if self.contexts.snapshot is not NULL:
            self.forget_contexts()
        # Left over from a step that an exception ended, or written by a destructor.
        if self.unflushed.count > 0:
            scheduler_flush(self)
        ready_queue_trim(&self.ready)
        return 0

    cdef int after_poll(self, int event_count, int error) except -1:
        self.next_event = 0
        self.event_count = max(event_count, 0)
        loop_counter_add(&self.counters.events, self.event_count)
        while self.next_turn.count > 0:
            # The popped reference passes to the ready queue.
            ready_queue_append(&self.ready, ready_queue_pop(&self.next_turn))
        if event_count > 0:
            self.dispatch()
        # After dispatching, because the kernel reports an edge only once.
        PyErr_CheckSignals()
        if event_count < 0 and error != EINTR:
            raise OSError(error, os.strerror(error))
        return 0

    cdef int dispatch(self) except -1:
        """Report the batch's events to their watchers. If an exception interrupts a report, that event is reported again."""
        cdef PyObject *found
        cdef int fd
        cdef unsigned int flags
        cdef bint has_watcher = False
        # The AND of all watchers' flags. Events without a watcher (the wake-up, stale descriptors) do not change it.
        cdef unsigned int flags_of_all = RUNNABLE_BUSY_POLLS_BRIEFLY | RUNNABLE_EXPECTS_NO_ANSWER
        while self.next_event < self.event_count:
            # Read from the batch, not from a copy: each watcher may clear the events after its own.
            flags = self.events[self.next_event].flags
            fd = self.events[self.next_event].fd
            found = watch_table_find(&self.watches, fd)
            if flags == 0:
                pass
            elif found is not NULL:
                watcher = <Runnable>found
                has_watcher = True
                flags_of_all &= watcher.flags
                watcher.on_events(flags)
            elif not self.take_wakeup(fd):
                # The descriptor was closed behind the loop's back, but a duplicate of it is still open.
                poller_forget(&self.poller, fd)
            self.next_event += 1
        self.busy_poll.is_brief = flags_of_all & RUNNABLE_BUSY_POLLS_BRIEFLY != 0
        self.busy_poll.is_off = has_watcher and flags_of_all & RUNNABLE_EXPECTS_NO_ANSWER != 0
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
        # Ticks may go backwards when a virtual machine has moved to another host. Then they say nothing.
        if self.last_clock_ticks <= ticks < self.timers_due_ticks and not self.has_own_time:
            return 0
        self.last_clock_s = self.now_s()
        # The ticks were read before the clock, so a moment in ticks that is computed from both may be a little early,
        # never late.
        self.last_clock_ticks = ticks
        now = clock_deadline(self.last_clock_s)
        while self.timers.count > 0 and self.timers.entries[0].deadline <= now:
            # The heap's reference passes to the ready queue.
            timer = scheduler_take_slot(self, self.timers.entries[0].slot)
            ready_queue_append(&self.ready, timer)
        if self.timers.count > 0:
            self.timers_due_ticks = clock_ticks_before(self.timers.entries[0].deadline, self.last_clock_s, ticks)
        # Many timers take long. That is not the fault of the callback that runs next.
        loop_counters_skip(&self.counters, ticks)
        return 0

    # ---- running what is ready ----

    cdef int run_ready(self) except -1:
        # Stop at the count taken on entry: a callback that schedules itself must not starve the poller.
        cdef size_t remaining = self.ready.count
        cdef Runnable runnable
        loop_counters_begin_turn(&self.counters, remaining)
        # Read the count each time: a callback may run the loop from within, or clear the queue.
        while remaining > 0 and self.ready.count > 0:
            remaining -= 1
            runnable = <Runnable>ready_queue_pop(&self.ready)
            Py_DECREF(runnable)
            if self.lingering_task is not NULL and not runnable.flags & RUNNABLE_KEEPS_CURRENT_TASK:
                self.leave_lingering_task()
            scheduler_begin_step(self)
            runnable.run()
            scheduler_end_step(self, <PyObject *>runnable)
        return 0

    cdef int run_ready_observed(self) except -1:
        """The same, in debug mode or while a watchdog looks."""
        cdef size_t remaining = self.ready.count
        cdef Runnable runnable
        cdef PyObject *popped
        loop_counters_begin_turn(&self.counters, remaining)
        try:
            while remaining > 0 and self.ready.count > 0:
                remaining -= 1
                popped = ready_queue_pop(&self.ready)
                # INVARIANT: before the last runnable goes.
                running_step_set(&self.step, popped)
                runnable = <Runnable>popped
                Py_DECREF(runnable)
                if self.lingering_task is not NULL and (self.is_debug or not runnable.flags & RUNNABLE_KEEPS_CURRENT_TASK):
                    self.leave_lingering_task()
                scheduler_begin_step(self)
                if self.is_debug:
                    self.run_checked(runnable)
                else:
                    runnable.run()
                scheduler_end_step(self, <PyObject *>runnable)
        finally:
            running_step_set(&self.step, NULL)
        return 0

    cdef int run_checked(self, Runnable runnable) except -1:
        return runnable.run()

    cdef int end_block(self, PyObject *runnable) except -1:
        """A block of callbacks is done (loop_counters.h). runnable: the last one, or NULL if it is not known."""
        cdef uint32_t steps = self.counters.block_size - self.counters.block_left
        cdef uint64_t took = loop_counters_end_block(&self.counters) if steps > 0 else 0
        return self.note_longest(runnable, took, steps) if took > 0 else 0

    cdef int note_longest(self, PyObject *runnable, uint64_t took, uint64_t steps) except -1:
        return 0

    cdef int flush_held_writes(self) except -1:
        return scheduler_flush(self)

    cdef int forget_contexts(self) except -1:
        """While the loop sleeps or does not run, values of context variables must not outlive their callbacks."""
        shared_context_forget(&self.contexts)
        return 0

    cdef int leave_lingering_task(self) except -1:
        self.lingering_task = NULL
        swap_current_task(self, None)
        return 0

    cdef int release(self) except -1:
        self.bypasses_call_soon = False
        return SchedulerParts.release(self)


# The watchdog's thread, or NULL. Only compared.
cdef const void *patient_thread = NULL


cdef void scheduler_set_patient_thread(const void *thread) noexcept:
    global patient_thread
    if COMPAT_HAS_GIL:
        patient_thread = thread


cdef bint scheduler_has_other_threads() noexcept:
    return compat_has_other_threads(patient_thread)


cdef bint scheduler_take_interrupted(Scheduler self) noexcept:
    cdef bint is_interrupted = self.is_interrupted
    self.is_interrupted = False
    return is_interrupted


cdef inline void scheduler_show_counts(Scheduler self) noexcept:
    """Where other threads may not look themselves, keep for them what they would see now."""
    if not COMPAT_HAS_GIL:
        loop_counter_set(&self.counters.timers_shown, self.timers.count)
        loop_counter_set(&self.counters.watches_shown, self.watches.count)


cdef inline int scheduler_check_owner(Scheduler self) except -1:
    if self.is_forked:
        raise RuntimeError("A forked child cannot keep running its parent's event loop; make a new one")
    return 0


cdef inline int scheduler_end_step(Scheduler self, PyObject *runnable) except -1:
    """HOT. What follows each step that has not raised."""
    if self.unflushed.count > 0:
        scheduler_flush(self)
    self.counters.block_left -= 1
    if self.counters.block_left == 0:
        return 0 if loop_counters_end_usual_block(&self.counters) else Scheduler.end_block(self, runnable)
    # The loop goes to sleep, and the callback is still known.
    if self.ready.count == 0 and not loop_counters_end_usual_part(&self.counters):
        return Scheduler.end_block(self, runnable)
    return 0


cdef inline int scheduler_flush(Scheduler self) except -1:
    """HOT. Send what the last step has written and held back, before the next one runs."""
    # Stop at the count taken on entry: what protocols write in resume_writing(), which this may call, waits for the next flush.
    cdef size_t remaining = self.unflushed.count
    cdef Runnable runnable
    while remaining > 0 and self.unflushed.count > 0:
        remaining -= 1
        runnable = <Runnable>ready_queue_pop(&self.unflushed)
        Py_DECREF(runnable)
        runnable.flush()
    return 0
