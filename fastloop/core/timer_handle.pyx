"""TimerHandle: a callback that is scheduled for a moment.

Owns: the moment, as the program gave it.
Promises: isinstance(handle, asyncio.TimerHandle). cancel() takes the timer out of the heap and frees the callback at once.
Driven by: the scheduler, which moves due timers to the ready queue.
"""

import asyncio

from cpython.object cimport PyObject, PyTypeObject, destructor
from cpython.ref cimport Py_DECREF

from fastloop.core.clock cimport clock_deadline
from fastloop.core.handle cimport Handle, UNDELETABLE, handle_cancel
from fastloop.core.handle_core cimport HANDLE_CANCELLED, HandleExtras, handle_fill_queued, handle_init
from fastloop.core.queued_object cimport queued_object_drop
from fastloop.core.runnable cimport Runnable
from fastloop.core.scheduler cimport scheduler_push_timer, scheduler_take_timer
from fastloop.python.capi cimport object_type
from fastloop.python.object_pool cimport object_pool_dealloc, object_pool_new_untracked, object_pool_open, object_pool_t


cdef class TimerHandle(Handle):
    """A callback that is scheduled for a moment, as call_later() and call_at() return it.

    cancel() costs O(log n). isinstance(handle, asyncio.TimerHandle) is true.
    """

    def __init__(self, when, callback, args, loop, context=None):
        if when is None:
            raise TypeError("when must be a number of seconds, not None")
        timer_move(self, when)
        handle_init(self, loop, callback, args, context)

    @property
    def __class__(self):
        return asyncio.TimerHandle

    @property
    def _when(self):
        return timer_moment(self)

    @_when.setter
    def _when(self, value):
        timer_move(self, value)

    @_when.deleter
    def _when(self):
        raise AttributeError(UNDELETABLE)

    @property
    def _scheduled(self):
        return self.word.timer_slot_plus_one != 0

    def when(self):
        """Return the moment, in seconds on the clock of loop.time(). For call_at() it is the object that was passed."""
        return timer_moment(self)

    def _repr_info(self):
        info = Handle._repr_info(self)
        info.insert(2 if self.flags & HANDLE_CANCELLED else 1, f"when={timer_moment(self)}")
        return info

    def __hash__(self):
        return hash(timer_moment(self))

    def __eq__(self, other):
        if not isinstance(other, asyncio.TimerHandle):
            return NotImplemented
        return (timer_moment(self) == other._when and self.callback == other._callback
                and self.args == other._args and self._cancelled == other._cancelled)

    def __lt__(self, other):
        return timer_moment(self) < other._when if isinstance(other, asyncio.TimerHandle) else NotImplemented

    def __gt__(self, other):
        return timer_moment(self) > other._when if isinstance(other, asyncio.TimerHandle) else NotImplemented

    def __le__(self, other):
        if not isinstance(other, asyncio.TimerHandle):
            return NotImplemented
        return timer_moment(self) < other._when or self.__eq__(other)

    def __ge__(self, other):
        if not isinstance(other, asyncio.TimerHandle):
            return NotImplemented
        return timer_moment(self) > other._when or self.__eq__(other)

    cdef int do_cancel(self) except -1:
        if self.flags & HANDLE_CANCELLED:
            return 0
        if self.word.timer_slot_plus_one != 0:
            scheduler = timer_scheduler(self)
            if scheduler is not None:
                queued_object_drop(scheduler_take_timer(scheduler, self))
        elif not isinstance(self._loop, Scheduler):
            self._loop._timer_handle_cancelled(self)
        return handle_cancel(self)


cdef inline Scheduler timer_scheduler(TimerHandle timer):
    """The scheduler that has the timer in its heap. None once the garbage collector has cleared it. INVARIANT: it is in a heap."""
    if type(timer.extras) is HandleExtras and (<HandleExtras>timer.extras).heap_loop is not None:
        return <Scheduler>(<HandleExtras>timer.extras).heap_loop
    # INVARIANT: only a Scheduler has a heap. If _loop changes while the timer is in a heap, its extras keep the first loop.
    return <Scheduler>timer._loop


cdef inline object timer_moment(TimerHandle timer):
    moment = timer.extras
    if type(moment) is HandleExtras:
        moment = (<HandleExtras>moment).moment
    return timer.when_s if moment is None else moment


cdef int timer_keep_moment(TimerHandle timer, object moment) except -1:
    if type(timer.extras) is HandleExtras:
        (<HandleExtras>timer.extras).moment = moment
    else:
        timer.extras = moment
    return 0


cdef int timer_move(TimerHandle timer, object moment) except -1:
    timer.when_s = moment
    timer_keep_moment(timer, moment)
    if timer.word.timer_slot_plus_one != 0:
        scheduler = timer_scheduler(timer)
        if scheduler is not None:
            Py_DECREF(<object>scheduler_take_timer(scheduler, timer))
            scheduler_push_timer(scheduler, timer, clock_deadline(timer.when_s))
    return 0


cdef TimerHandle new_queued_timer_handle(Scheduler loop, double when_s, object callback, object args, object context):
    cdef TimerHandle handle = <TimerHandle>object_pool_new_untracked(&timer_handle_pool)
    handle.word.timer_slot_plus_one = 0
    handle.when_s = when_s
    handle_fill_queued(handle, loop, callback, args, context)
    return handle


cdef TimerHandle new_timer_handle(object loop, double when_s, object callback, object args, object context):
    cdef TimerHandle handle = TimerHandle.__new__(TimerHandle)
    handle.when_s = when_s
    handle_init(handle, loop, callback, args, context)
    return handle


# ---- the pool ----

cdef object_pool_t timer_handle_pool


cdef void timer_handle_dealloc(PyObject *self) noexcept:
    if object_type(self) is timer_handle_pool.type:
        object_pool_dealloc(&timer_handle_pool, self)
    else:
        timer_handle_pool.plain_dealloc(self)


object_pool_open(
    &timer_handle_pool, TimerHandle.__new__(TimerHandle), (<PyTypeObject *>Runnable).tp_basicsize, 5,
    <destructor>timer_handle_dealloc)
