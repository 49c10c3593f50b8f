"""Which callback has kept the loop longest, as text.

Owns: the rule of what is known: one callback by its name, several only by their number.
Promises: no method of the program is called, not even a __repr__(). Short ones are not named, because that takes longer than they do.
Driven by: the scheduler, when a block of callbacks has set a record (loop_counters.h).
"""

import time
import types

cimport cython

from fastloop.core.clock cimport CLOCK_TICKS_PER_US
from fastloop.core.future cimport Future
from fastloop.core.handle_core cimport HandleCore, handle_callback_and_args
from fastloop.core.loop_counters cimport loop_counter_get, loop_counters_set_record
from fastloop.core.runnable cimport Runnable
from fastloop.core.task cimport Task


from fastloop.core.callback_text import name_callback, name_task


cdef enum:
    MIN_NAMED_US = 100


cdef tuple METHODS = (types.MethodType, types.BuiltinMethodType)


cdef int longest_callback_note(Scheduler loop, PyObject *runnable, uint64_t took, uint64_t steps) except -1:
    cdef bint is_exact = runnable is not NULL and steps == 1
    if not is_exact and took <= loop_counter_get(&loop.counters.record_ticks):
        return 0
    text = None
    if took >= MIN_NAMED_US * CLOCK_TICKS_PER_US:
        text = runnable_name(<Runnable>runnable) if is_exact else f"one of {steps} callbacks" if steps > 1 else "one callback"
    now_s = time.time()
    with cython.critical_section(loop):
        loop.longest = (text, now_s)
        loop_counters_set_record(&loop.counters, took, is_exact)
    return 0


cdef str runnable_name(Runnable runnable):
    if isinstance(runnable, HandleCore):
        callback = handle_callback_and_args(<HandleCore>runnable)[0]
        # In debug mode a task's step is a callback like any other.
        owner = callback.__self__ if type(callback) in METHODS else None
        return task_name(<Task>owner) if isinstance(owner, Task) else name_callback(callback)
    if isinstance(runnable, Task):
        return task_name(<Task>runnable)
    if isinstance(runnable, Future):
        return f"callbacks of {type(runnable).__name__}"
    protocol = getattr(runnable, "_protocol", None)
    return type(runnable).__name__ if protocol is None else f"{type(runnable).__name__} with {type(protocol).__qualname__}"


cdef str task_name(Task task):
    return name_task(Task.get_name(task), task.coro)
