# Which tasks exist, for asyncio.all_tasks() and for tools that look from outside.

from fastloop.core.exposed_fields cimport exposed_entry_t, exposed_link_t, exposed_list_append, exposed_list_remove
from fastloop.python.capi cimport PyThreadState_Get
from fastloop.python.cpython_compat cimport COMPAT_ASYNCIO_LINKS_TASKS, COMPAT_HAS_GIL


cdef struct registry_t:
    # Before Python 3.14: the head of the only list.
    exposed_link_t own_list
    # Since then: the offset of a list's head from its thread's state. 0 if asyncio's tasks do not have the expected layout.
    Py_ssize_t head_offset
    # The number of forks that led to this process, and the head of the list that asyncio emptied after the last one.
    unsigned int fork_count
    exposed_link_t *forked_head


cdef registry_t registry


# Called once, by exposed_task.pyx, with the offsets of exposed_waiters_t and exposed_entry_t in a task.
cdef int registry_open(Py_ssize_t waiters_offset, Py_ssize_t entry_offset) except -1


# Whether tools find tasks as exposed_fields.h says, and read their waiters.
cdef inline bint registry_is_seen() noexcept:
    return registry.head_offset != 0


# The list to which this thread appends. NULL where tasks cannot be linked.
cdef inline exposed_link_t *registry_list() noexcept:
    if COMPAT_ASYNCIO_LINKS_TASKS:
        return <exposed_link_t *>(<char *>PyThreadState_Get() + registry.head_offset) if registry.head_offset != 0 else NULL
    return &registry.own_list if COMPAT_HAS_GIL else NULL


# The set in which a loop keeps its pending tasks alive, or None if it need not.
cdef set registry_new_set()

# Keep a pending task alive that cannot be linked, and release it. tasks_of_loop: its loop's set, or None.
cdef int registry_hold(object task, set tasks_of_loop) except -1
cdef int registry_release(object task, set tasks_of_loop) except -1

# Whether pending tasks are kept alive. Then a loop that closes must release them.
cdef bint registry_holds() noexcept


# HOT. Make all_tasks() see a pending task. tasks_of_loop: its loop's set, or None.
cdef inline int registry_add(object task, exposed_entry_t *entry, set tasks_of_loop) except -1:
    cdef exposed_link_t *head = registry_list()
    if head is NULL:
        return registry_hold(task, tasks_of_loop)
    if entry.link.next is NULL:
        exposed_list_append(head, &entry.link)
        entry.fork_count = registry.fork_count
    return 0


cdef void registry_unlink_after_fork(exposed_entry_t *entry) noexcept


# HOT. For a task that has ended, or dies.
cdef inline void registry_unlink(exposed_entry_t *entry) noexcept:
    if entry.link.next is NULL:
        return
    if entry.fork_count == registry.fork_count:
        exposed_list_remove(&entry.link)
    else:
        registry_unlink_after_fork(entry)
