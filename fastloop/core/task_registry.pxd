# Which tasks exist, told to asyncio and to the tools that look from outside.

from fastloop.core.seen_fields cimport seen_entry_t, seen_link_t, seen_list_append, seen_list_remove
from fastloop.python.capi cimport PyThreadState_Get
from fastloop.python.cpython_compat cimport COMPAT_ASYNCIO_LINKS_TASKS, COMPAT_HAS_GIL


cdef struct registry_t:
    # Before Python 3.14: the head of the only list.
    seen_link_t own_list
    # Since then: from a thread's state to the head of its list. 0 if a task of asyncio's is not what it is taken for.
    Py_ssize_t head_place
    # The forks that lie behind this process, and the head of the list that the last one has emptied.
    unsigned int fork_count
    seen_link_t *forked_head


cdef registry_t registry


# Once, by seen_task.pyx: where a task keeps its seen_waiters_t and its seen_entry_t.
cdef int registry_open(Py_ssize_t waiters, Py_ssize_t entry) except -1


# Whether tools find tasks by seen_fields.h and read in them who waits.
cdef inline bint registry_is_seen() noexcept:
    return registry.head_place != 0


# The list to which this thread appends; NULL where tasks cannot be linked.
cdef inline seen_link_t *registry_list() noexcept:
    if COMPAT_ASYNCIO_LINKS_TASKS:
        return <seen_link_t *>(<char *>PyThreadState_Get() + registry.head_place) if registry.head_place != 0 else NULL
    return &registry.own_list if COMPAT_HAS_GIL else NULL


# Where tasks cannot be linked, each loop holds its pending ones in a set; None where it need not.
cdef set registry_new_set()

# The same for a task that cannot be linked.
cdef int registry_hold(object task, set tasks_of_loop) except -1
cdef int registry_let_go(object task, set tasks_of_loop) except -1

# Pending tasks are kept alive: a loop that closes has to let go of them.
cdef bint registry_holds() noexcept


# HOT. The task is pending: all_tasks() sees it. tasks_of_loop: its loop's set, if there is one.
cdef inline int registry_add(object task, seen_entry_t *entry, set tasks_of_loop) except -1:
    cdef seen_link_t *head = registry_list()
    if head is NULL:
        return registry_hold(task, tasks_of_loop)
    if entry.link.next is NULL:
        seen_list_append(head, &entry.link)
        entry.fork_count = registry.fork_count
    return 0


cdef void registry_unlink_after_fork(seen_entry_t *entry) noexcept


# HOT. The task has ended, or dies.
cdef inline void registry_unlink(seen_entry_t *entry) noexcept:
    if entry.link.next is NULL:
        return
    if entry.fork_count == registry.fork_count:
        seen_list_remove(&entry.link)
    else:
        registry_unlink_after_fork(entry)
