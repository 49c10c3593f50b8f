"""ReadyView: the ready queue in the form in which asyncio's loop keeps it, for libraries that run turns of their own.

Owns: nothing; the scheduler's queue is the truth.
Promises: what nest_asyncio's _run_once() does with asyncio's deque of handles, done to this one, runs things as the scheduler would:
  in their order, each in its context and as its own current task, and with what it wrote sent afterwards.
Driven by: libraries that ask the loop for _ready, and its _selector to wait; in the loop's thread, also within a callback.
"""

from asyncio import events

from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF

from fastloop.core.scheduler cimport inbox_collect, ready_queue_clear, ready_queue_pop
from fastloop.core.task_registry cimport swap_current_task


cdef class ReadyView:
    def __len__(self):
        inbox_collect(&self.scheduler.inbox, &self.scheduler.ready)
        return self.scheduler.ready.count

    def append(self, handle):
        """Put a handle, fastloop's or asyncio's, behind the others."""
        self.scheduler._add_callback(handle)

    def popleft(self):
        """Take out what runs next. Raises IndexError if there is nothing."""
        cdef ReadyEntry entry
        cdef PyObject *popped
        if len(self) == 0:
            raise IndexError("pop from an empty queue")
        entry = ReadyEntry.__new__(ReadyEntry)
        entry.scheduler = self.scheduler
        popped = ready_queue_pop(&self.scheduler.ready)
        entry.runnable = <Runnable>popped
        Py_DECREF(entry.runnable)
        return entry

    def clear(self):
        """Drop everything."""
        ready_queue_clear(&self.scheduler.ready)

    def __repr__(self):
        return f"<ReadyView len={len(self)}>"


cdef class ReadyEntry:
    """What was taken out of the ready queue, in the guise of a handle that is not cancelled: what is runs without effect."""

    @property
    def _cancelled(self):
        return False

    def _run(self):
        """Run it, once. Only KeyboardInterrupt and SystemExit come out."""
        scheduler = self.scheduler
        if scheduler.has_entered_task:
            scheduler.leave_entered_task()
        # A task may be in the middle of its step, and run the loop from within. A loop that does not run has no current task.
        interrupted = swap_current_task(scheduler, None) if events._get_running_loop() is scheduler else None
        scheduler.steps += 1
        try:
            if scheduler.is_debug:
                scheduler.run_watched(self.runnable)
            else:
                self.runnable.run()
            scheduler.flush_written()
        finally:
            if scheduler.has_entered_task:
                scheduler.leave_entered_task()
            if interrupted is not None:
                swap_current_task(scheduler, interrupted)

    def __repr__(self):
        return repr(self.runnable)


cdef ReadyView new_ready_view(Scheduler scheduler):
    view = <ReadyView>ReadyView.__new__(ReadyView)
    view.scheduler = scheduler
    return view


cdef int ask_kernel(Scheduler scheduler, int64_t max_ns) except -1:
    inbox_collect(&scheduler.inbox, &scheduler.ready)
    # What the callback that runs the loop from within has written leaves now, too.
    scheduler.sleep(max_ns)
    return scheduler.collect_due_timers() if scheduler.timers.count > 0 else 0
