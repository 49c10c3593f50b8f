"""ReadyView: the ready queue in the form of asyncio's deque of handles, for libraries that run turns of their own.

Owns: nothing. The data is in the scheduler's queue.
Promises: nest_asyncio's _run_once() works on it as on asyncio's deque. Everything runs as the scheduler would run it: in
  order, in its own context, as its own current task, and with its writes sent afterwards. The queue also takes handles
  that are not fastloop's.
Driven by: libraries that use the loop's _ready, and its _selector to wait. In the loop's thread, possibly within a callback.
"""

from asyncio import events

from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF

from fastloop.core.current_task cimport swap_current_task
from fastloop.core.handle cimport Handle
from fastloop.core.inbox cimport inbox_collect
from fastloop.core.interruption cimport exception_preceded_call
from fastloop.core.queued_object cimport queued_object_track
from fastloop.core.ready_queue cimport (
    ready_queue_clear, ready_queue_drop_last, ready_queue_peek, ready_queue_pop, ready_queue_put_back)
from fastloop.core.scheduler cimport scheduler_begin_step, scheduler_push
from fastloop.python.object_pool cimport object_type_forbid_construction


cdef class ForeignHandle(Runnable):
    """A handle that is not fastloop's, in fastloop's ready queue."""

    cdef int run(self) except -1:
        if self.handle._cancelled:
            return 0
        try:
            self.handle._run()
        except BaseException as error:
            # The program may append any object, even one without _callback.
            if exception_preceded_call(error, getattr(self.handle, "_callback", None)):
                ready_queue_put_back(&self.scheduler.ready, <PyObject *>self)
            raise
        return 0

    def __repr__(self):
        return repr(self.handle)


cdef int push_handle(Scheduler scheduler, object handle) except -1:
    cdef ForeignHandle foreign
    if isinstance(handle, ReadyEntry):
        runnable = (<ReadyEntry>handle).runnable
        if not isinstance(runnable, ForeignHandle):
            return scheduler_push(scheduler, runnable)
        handle = (<ForeignHandle>runnable).handle
    if isinstance(handle, Handle):
        return scheduler_push(scheduler, <Handle>handle)
    if handle._cancelled:
        return 0
    foreign = ForeignHandle.__new__(ForeignHandle)
    foreign.handle = handle
    foreign.scheduler = scheduler
    return scheduler_push(scheduler, foreign)


cdef class ReadyView:
    """The methods of a deque that programs use on _ready. It returns entries, which equal their handles.

    Use it from the loop's thread only.
    """

    def __len__(self):
        inbox_collect(&self.scheduler.inbox, &self.scheduler.ready)
        return self.scheduler.ready.count

    def __iter__(self):
        return iter(self.entries())

    def __reversed__(self):
        return reversed(self.entries())

    def __contains__(self, handle):
        return handle in self.entries()

    def __getitem__(self, index):
        return self.entries()[index]

    def index(self, handle, *limits):
        """Return the index of the handle. Raises ValueError if it is not in the queue."""
        return self.entries().index(handle, *limits)

    def count(self, handle):
        """Return how often the handle is in the queue."""
        return self.entries().count(handle)

    def append(self, handle):
        """Add a handle, fastloop's or asyncio's, at the end."""
        self.scheduler._add_callback(handle)

    def extend(self, handles):
        """Add several handles at the end, in their order."""
        for handle in list(handles):
            self.append(handle)

    def appendleft(self, handle):
        """Add a handle at the front."""
        count = len(self)
        self.append(handle)
        if len(self) > count:
            self.move_last_to_front()

    def popleft(self):
        """Remove and return the entry that runs next. Raises IndexError if the queue is empty."""
        if len(self) == 0:
            raise IndexError("pop from an empty queue")
        return take_entry(self.scheduler)

    def pop(self):
        """Remove and return the entry that runs last. Raises IndexError if the queue is empty."""
        if len(self) == 0:
            raise IndexError("pop from an empty queue")
        self.move_last_to_front()
        return take_entry(self.scheduler)

    def clear(self):
        """Remove everything."""
        ready_queue_clear(&self.scheduler.ready)

    def __repr__(self):
        return f"<ReadyView len={len(self)}>"

    cdef int move_last_to_front(self) except -1:
        if len(self) > 1:
            ready_queue_put_back(&self.scheduler.ready, ready_queue_peek(&self.scheduler.ready, self.scheduler.ready.count - 1))
            ready_queue_drop_last(&self.scheduler.ready)
        return 0

    cdef list entries(self):
        cdef size_t i = 0
        entries = []
        # Read the count each time: making an entry may run the collector, and then finalizers that change the queue.
        while i < <size_t>len(self):
            entry = new_entry(self.scheduler)
            if i < self.scheduler.ready.count:
                entry_hold(entry, ready_queue_peek(&self.scheduler.ready, i))
                entries.append(entry)
            i += 1
        return entries


cdef class ReadyEntry:
    """A member of the ready queue, present or past, in the form of a handle. It never counts as cancelled.

    Running a cancelled one has no effect.
    """

    @property
    def _cancelled(self):
        return False

    def _run(self):
        """Run it once. Raises KeyboardInterrupt and SystemExit only."""
        scheduler = self.scheduler
        if scheduler.lingering_task is not NULL:
            scheduler.leave_lingering_task()
        # A task may run the loop from within its step. A loop that does not run has no current task.
        interrupted = swap_current_task(scheduler, None) if events._get_running_loop() is scheduler else None
        scheduler_begin_step(scheduler)
        try:
            if scheduler.is_debug:
                scheduler.run_checked(self.runnable)
            else:
                self.runnable.run()
            scheduler.flush_held_writes()
        finally:
            if scheduler.lingering_task is not NULL:
                scheduler.leave_lingering_task()
            if interrupted is not None:
                swap_current_task(scheduler, interrupted)

    def __eq__(self, other):
        if isinstance(other, ReadyEntry):
            other = entry_handle(<ReadyEntry>other)
        return entry_handle(self) is other

    def __hash__(self):
        return id(entry_handle(self))

    def __getattr__(self, name):
        # The handle's attributes: _callback, _args, _context and so on.
        return getattr(entry_handle(self), name)

    def __repr__(self):
        return repr(self.runnable)


cdef ReadyEntry new_entry(Scheduler scheduler):
    entry = <ReadyEntry>ReadyEntry.__new__(ReadyEntry)
    entry.scheduler = scheduler
    return entry


cdef int entry_hold(ReadyEntry entry, PyObject *runnable) except -1:
    entry.runnable = <Runnable>runnable
    # Now the program may hold it.
    queued_object_track(runnable)
    return 0


cdef ReadyEntry take_entry(Scheduler scheduler):
    # INVARIANT: the queue is not empty.
    cdef PyObject *popped
    entry = new_entry(scheduler)
    # Making the entry may have run the collector, and then finalizers that emptied the queue.
    if scheduler.ready.count == 0:
        raise IndexError("pop from an empty queue")
    popped = ready_queue_pop(&scheduler.ready)
    entry_hold(entry, popped)
    Py_DECREF(<object>popped)
    return entry


cdef object entry_handle(ReadyEntry entry):
    """The handle that the program knows. A task or a future is its own."""
    runnable = entry.runnable
    return (<ForeignHandle>runnable).handle if isinstance(runnable, ForeignHandle) else runnable


cdef ReadyView new_ready_view(Scheduler scheduler):
    view = <ReadyView>ReadyView.__new__(ReadyView)
    view.scheduler = scheduler
    return view


cdef int ask_kernel(Scheduler scheduler, int64_t max_ns) except -1:
    inbox_collect(&scheduler.inbox, &scheduler.ready)
    # This also flushes the writes of the callback that runs the loop from within.
    scheduler.sleep(max_ns)
    return scheduler.collect_due_timers() if scheduler.timers.count > 0 else 0


object_type_forbid_construction(ForeignHandle)
object_type_forbid_construction(ReadyView)
object_type_forbid_construction(ReadyEntry)
