"""Whether a loop gets on, and what it runs, seen from another thread.

Owns: nothing.
Promises: no method of the program is called, and the loop never waits.
Driven by: the thread of the watchdog.
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from libc.stdint cimport uint64_t

from fastloop.core.clock cimport clock_ticks
from fastloop.core.handle_core cimport HandleCore, handle_callback_and_args
from fastloop.core.longest_callback cimport runnable_name
from fastloop.core.loop_counters cimport loop_counter_get
from fastloop.core.reading_counters cimport loop_seconds_per_tick
from fastloop.core.runnable cimport Runnable
from fastloop.core.running_step cimport running_step_take, running_step_watch
from fastloop.core.scheduler cimport Scheduler, scheduler_set_patient_thread
from fastloop.python.cpython_compat cimport COMPAT_HAS_GIL, compat_own_thread


from fastloop.core.callback_text import name_callback


def watch_steps(Scheduler loop, bint is_watched):
    """Have running_text() know what runs, from the next turn on. Undone by the same call with False."""
    running_step_watch(&loop.step, 1 if is_watched else -1)


def become_patient(bint is_patient):
    """Say whether the calling thread can wait for the GIL. Loops with no other thread beside them then run as if they were alone."""
    scheduler_set_patient_thread(compat_own_thread() if is_patient else NULL)


def awake_thread(Scheduler loop):
    """Return the identifier of the thread that runs the loop, or None if none does or the loop is asleep."""
    cdef unsigned long ident = loop.thread_ident
    # is_forked: the thread is the parent's.
    if ident == 0 or loop.is_forked or not loop.is_running_turns or loop_counter_get(&loop.counters.is_asleep):
        return None
    return ident


def progress_of(Scheduler loop):
    """Return an object that differs from the one before if the loop has begun a turn or a step since then."""
    return loop_counter_get(&loop.counters.turns), loop_counter_get(&loop.counters.steps)


def running_for_s(Scheduler loop):
    """Return how long the running callback has run, or longer: very short callbacks before it may be counted in."""
    cdef uint64_t began = loop_counter_get(&loop.counters.block_began_ticks)
    cdef uint64_t now = clock_ticks()
    return (now - began) * loop_seconds_per_tick(&loop.counters) if now > began else 0.0


def running_text(Scheduler loop):
    """Return a text for the running callback or task, or None if that is not known."""
    cdef PyObject *taken = running_step_take(&loop.step)
    if taken is NULL:
        return None
    runnable = <Runnable>taken
    Py_DECREF(runnable)
    if COMPAT_HAS_GIL:
        return runnable_name(runnable)
    # The loop changes the fields of the others meanwhile.
    return name_callback(handle_callback_and_args(<HandleCore>runnable)[0]) if isinstance(runnable, HandleCore) else None
