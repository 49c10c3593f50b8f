# ExposedTask: the part of a task that tools see.

from fastloop.core.exposed_fields cimport exposed_entry_t, exposed_waiters_t
from fastloop.core.future cimport FUTURE_FIRST_FREE_FLAG, Future
from fastloop.core.task_registry cimport registry_add, registry_list, registry_unlink
from fastloop.python.cpython_compat cimport COMPAT_HAS_GIL


cdef enum:
    # waits_for is one of asyncio's own futures, and has the task among its waiters.
    EXPOSED_TASK_IS_SHOWN = FUTURE_FIRST_FREE_FLAG
    # Bits from here on belong to Task.
    EXPOSED_TASK_FIRST_FREE_FLAG = FUTURE_FIRST_FREE_FLAG << 1


cdef class ExposedTask(Future):
    # In the order of asyncio's own fields (exposed_fields.h).
    cdef:
        exposed_waiters_t exposed_waiters
        object context
        # What the coroutine waits for: a future of any kind, or None.
        object waits_for
        # None if an eager start has finished it.
        object coro
        exposed_entry_t entry

    # Remove the task from the waiters of waits_for. INVARIANT: EXPOSED_TASK_IS_SHOWN.
    cdef int stop_being_shown(self) except -1


# Number a task that has a new coroutine, and clear its waiters.
cdef int exposed_task_open(ExposedTask task) except -1

# ExposedTask.set_name(), even where a subclass overrides it.
cdef int exposed_task_set_name(ExposedTask task, object value) except -1

# The same as the two functions below, for tasks that cannot be linked.
cdef int exposed_task_unregister_held(ExposedTask task) except -1
cdef int exposed_task_register_held(ExposedTask task) except -1


# HOT. The task is pending, so all_tasks() must see it.
cdef inline int exposed_task_register(ExposedTask task) except -1:
    if COMPAT_HAS_GIL and registry_list() is not NULL:
        return registry_add(task, &task.entry, None)
    return exposed_task_register_held(task)


# HOT. The task has ended, or need not be kept alive. all_tasks() no longer sees it.
cdef inline int exposed_task_unregister(ExposedTask task) except -1:
    registry_unlink(&task.entry)
    return exposed_task_unregister_held(task) if registry_list() is NULL else 0


# HOT. waits_for is a foreign future. If it is one of asyncio's own, make it show the task as a waiter.
cdef int exposed_task_wait(ExposedTask task) except -1

cdef void exposed_task_leave(ExposedTask task) noexcept


# HOT. Call it before the task dies.
cdef inline void exposed_task_close(ExposedTask task) noexcept:
    if task.entry.link.next is not NULL or task.exposed_waiters.waiters is not NULL:
        exposed_task_leave(task)
