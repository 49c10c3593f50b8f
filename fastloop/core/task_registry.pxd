# Which tasks exist, told to asyncio and to the tools that look from outside.

from fastloop.core.seen_fields cimport seen_entry_t


# Once, by task.pyx: where a task keeps its seen_waiters_t and its seen_entry_t.
cdef int registry_open(Py_ssize_t waiters, Py_ssize_t entry) except -1

# Whether tools find tasks by seen_fields.h and read in them who waits.
cdef bint registry_is_seen() noexcept

# Where tasks cannot be linked, each loop holds its pending ones in a set; None where it need not.
cdef set registry_new_set()

# HOT. The task is pending, in the loop whose set, if any, is given: all_tasks() sees it.
cdef int registry_add(object task, seen_entry_t *entry, set tasks_of_loop) except -1

# HOT. The task has ended: all_tasks() forgets it, after registry_forget() if entry.is_in_weak_set.
cdef int registry_discard(object task, seen_entry_t *entry, set tasks_of_loop) except -1

# May be interrupted, and called again.
cdef int registry_forget(object task, seen_entry_t *entry) except -1

# Pending tasks are kept alive: a loop that closes has to forget them.
cdef bint registry_holds() noexcept

# HOT. The task dies, pending or not.
cdef void registry_unlink(seen_entry_t *entry) noexcept
