# SeenTask: the part of a task that tools see.

from fastloop.core.future cimport FUTURE_FIRST_FREE_FLAG, Future
from fastloop.core.seen_fields cimport seen_entry_t, seen_waiters_t
from fastloop.core.task_registry cimport registry_add, registry_list, registry_unlink
from fastloop.python.cpython_compat cimport COMPAT_HAS_GIL


cdef enum:
    # waits_for is one of asyncio's own futures, and has the task among its waiters.
    SEEN_TASK_IS_SHOWN = FUTURE_FIRST_FREE_FLAG
    # Bits from here on belong to Task.
    SEEN_TASK_FIRST_FREE_FLAG = FUTURE_FIRST_FREE_FLAG << 1


cdef class SeenTask(Future):
    # In the order of asyncio's own fields (seen_fields.h).
    cdef:
        seen_waiters_t seen_waiters
        object context
        # What the coroutine waits for: a future of any kind, or None.
        object waits_for
        # None if an eager start has finished it.
        object coro
        seen_entry_t entry

    # Remove the task from the waiters of waits_for. INVARIANT: SEEN_TASK_IS_SHOWN.
    cdef int stop_being_shown(self) except -1


# Number a task that has a new coroutine, and clear its waiters.
cdef int seen_task_open(SeenTask task) except -1

# SeenTask.set_name(), even where a subclass overrides it.
cdef int seen_task_set_name(SeenTask task, object value) except -1

# The same as the two functions below, for tasks that cannot be linked.
cdef int seen_task_unregister_held(SeenTask task) except -1
cdef int seen_task_register_held(SeenTask task) except -1


# HOT. The task is pending, so all_tasks() must see it.
cdef inline int seen_task_register(SeenTask task) except -1:
    if COMPAT_HAS_GIL and registry_list() is not NULL:
        return registry_add(task, &task.entry, None)
    return seen_task_register_held(task)


# HOT. The task has ended, or need not be kept alive. all_tasks() no longer sees it.
cdef inline int seen_task_unregister(SeenTask task) except -1:
    registry_unlink(&task.entry)
    return seen_task_unregister_held(task) if registry_list() is NULL else 0


# HOT. waits_for is a foreign future. If it is one of asyncio's own, make it show the task as a waiter.
cdef int seen_task_wait(SeenTask task) except -1

cdef void seen_task_leave(SeenTask task) noexcept


# HOT. Call it before the task dies.
cdef inline void seen_task_close(SeenTask task) noexcept:
    if task.entry.link.next is not NULL or task.seen_waiters.waiters is not NULL:
        seen_task_leave(task)
