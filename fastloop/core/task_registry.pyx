"""Which tasks exist, for asyncio.all_tasks() and for tools that look from outside.

Owns: the head of a list of pending tasks, before Python 3.14. Tasks link themselves, and the list keeps none of them alive.
Promises: asyncio.all_tasks() sees every pending task.
  Since Python 3.14 a task is in asyncio's own list, that of the thread that made the task (exposed_fields.h).
  Before 3.14 asyncio keeps a WeakSet of tasks. An entry there costs more than the rest of a task, so fastloop's tasks have
  none. TaskReferences replaces the set inside the WeakSet, and adds fastloop's tasks when somebody reads it.
Driven by: ExposedTask.
LIMIT: where tasks cannot be linked, a pending task stays alive until it ends or its loop is closed. This concerns free-threaded
  builds, where unlinking would need a lock for each task, and Pythons that lay out tasks differently.
"""

import asyncio.tasks
import os
import threading
import warnings
import weakref

import _asyncio

from cpython.object cimport PyObject
from cpython.set cimport PySet_Add, PySet_Discard
from libc.stdint cimport uint64_t

from fastloop.core.exposed_fields cimport (
    EXPOSED_COROUTINE, EXPOSED_IS_SET, EXPOSED_IS_TASK, EXPOSED_LINK, EXPOSED_NAME, EXPOSED_SIZE_OF_ASYNCIO,
    EXPOSED_WAITERS, exposed_entry_name_by_number, exposed_entry_t, exposed_link_t, exposed_list_open,
    exposed_list_remove, exposed_list_remove_after_fork, exposed_number_is_readable)
from fastloop.python.capi cimport PyObject_GC_IsFinalized, PyThreadState_Get, Py_REFCNT
from fastloop.python.cpython_compat cimport COMPAT_ASYNCIO_LINKS_TASKS, COMPAT_HAS_GIL


cdef enum:
    # A larger offset cannot be a field of a thread's state.
    MAX_HEAD_OFFSET = 1 << 16


cdef:
    registry_t registry
    # Of a task's link.
    Py_ssize_t link_offset = 0
    # Weak references to the sets of live loops.
    list sets_of_loops = []
    # asyncio's WeakSet of tasks, before Python 3.14.
    object weak_set = None
    object weak_set_lock = threading.Lock()
    object hold_function = None, release_function = None

exposed_list_open(&registry.own_list)
if COMPAT_ASYNCIO_LINKS_TASKS:
    hold_function, release_function = asyncio.tasks._register_eager_task, asyncio.tasks._unregister_eager_task
else:
    hold_function, release_function = asyncio.tasks._register_task, asyncio.tasks._unregister_task
    weak_set = asyncio.tasks._scheduled_tasks if hasattr(asyncio.tasks, "_scheduled_tasks") else asyncio.tasks._all_tasks


cdef int registry_hold(object task, set tasks_of_loop) except -1:
    if tasks_of_loop is not None:
        return PySet_Add(tasks_of_loop, task)
    hold_function(task)
    return 0


cdef int registry_release(object task, set tasks_of_loop) except -1:
    if tasks_of_loop is not None:
        PySet_Discard(tasks_of_loop, task)
    else:
        release_function(task)
    return 0


cdef void registry_unlink_after_fork(exposed_entry_t *entry) noexcept:
    if COMPAT_ASYNCIO_LINKS_TASKS:
        exposed_list_remove_after_fork(registry.forked_head, &entry.link)
    else:
        exposed_list_remove(&entry.link)


cdef bint registry_holds() noexcept:
    return registry_list() is NULL


cdef set registry_new_set():
    if COMPAT_ASYNCIO_LINKS_TASKS:
        return None
    with weak_set_lock:
        if type(weak_set.data) is not TaskReferences:
            weak_set.data = TaskReferences(weak_set.data)
    if COMPAT_HAS_GIL:
        return None
    tasks = set()
    # Each list operation is atomic: several threads may make loops at the same time.
    sets_of_loops.append(weakref.ref(tasks, sets_of_loops.remove))
    return tasks


# ---- before Python 3.14: the set inside asyncio's WeakSet ----

class TaskReferences(set):
    """asyncio's weak references to tasks. Reading it also finds fastloop's pending tasks.

    A reader gets a copy, because other threads may start and finish tasks in between.
    """

    def __iter__(self):
        return iter([*frozenset(self), *map(TaskReference, list_pending())])

    def __len__(self):
        return set.__len__(self) + len(list_pending())

    def __contains__(self, reference):
        return set.__contains__(self, reference) or reference() in list_pending()


cdef class TaskReference:
    cdef object task

    def __cinit__(self, task):
        self.task = task

    def __call__(self):
        return self.task


cdef list list_pending():
    # Made first, because making a list may run the collector.
    cdef list tasks = []
    cdef exposed_link_t *link = registry.own_list.next
    cdef PyObject *task
    while link is not &registry.own_list:
        task = <PyObject *>(<char *>link - link_offset)
        # Skip a task that is being destroyed. Its own destructor may ask for all tasks, or that of an object that the collector
        # destroys with it. In asyncio the weak reference is gone by then.
        if Py_REFCNT(task) > 0 and not PyObject_GC_IsFinalized(task):
            tasks.append(<object>task)
        link = link.next
    for reference in sets_of_loops.copy():
        tasks.extend(list(reference() or ()))
    return tasks


# ---- since Python 3.14: whether asyncio's tasks have the expected layout ----

class _StandInLoop:
    """What the constructor of asyncio.Task uses of a loop."""

    def get_debug(self):
        return False

    def call_soon(self, callback, *args, context):
        return None


async def _nothing():
    pass


cdef Py_ssize_t find_head_offset() except -1:
    """The offset of a list's head from its thread's state. 0 if asyncio's tasks are not laid out as exposed_fields.h says."""
    cdef exposed_link_t *link
    cdef Py_ssize_t offset = 0
    task, waiting, last = [_asyncio.Task(_nothing(), loop=_StandInLoop(), name=name) for name in ("probe", None, None)]
    for probe in (task, waiting, last):
        probe._log_destroy_pending = False
        probe.get_coro().close()
    asyncio.future_add_to_awaited_by(task, waiting)
    coroutine, name = task.get_coro(), task.get_name()
    link = <exposed_link_t *>field_at(last, EXPOSED_LINK)
    if (type(task).__basicsize__ == EXPOSED_SIZE_OF_ASYNCIO
            and object_at(task, EXPOSED_COROUTINE) is <PyObject *>coroutine
            and object_at(task, EXPOSED_NAME) is <PyObject *>name
            and object_at(task, EXPOSED_WAITERS) is <PyObject *>waiting
            and field_at(task, EXPOSED_IS_TASK)[0] == 1 and field_at(task, EXPOSED_IS_SET)[0] == 0
            and number_is_readable(1 << 20) and number_is_readable(1 << 40)
            and link.next is not NULL and link.next.prev is link and link.prev is <exposed_link_t *>field_at(waiting, EXPOSED_LINK)):
        # The newest task is the last one, just before the head.
        offset = <char *>link.next - <char *>PyThreadState_Get()
    return offset if 0 < offset < MAX_HEAD_OFFSET else 0


cdef inline char *field_at(object task, Py_ssize_t offset) noexcept:
    return <char *><PyObject *>task + offset


cdef inline PyObject *object_at(object task, Py_ssize_t offset) noexcept:
    return (<PyObject **>field_at(task, offset))[0]


cdef bint number_is_readable(uint64_t number) except -1:
    cdef exposed_entry_t entry
    exposed_entry_name_by_number(&entry, number)
    return exposed_number_is_readable(&entry, int(number))


cdef int registry_open(Py_ssize_t waiters_offset, Py_ssize_t entry_offset) except -1:
    global link_offset
    link_offset = entry_offset + <Py_ssize_t>&(<exposed_entry_t *>NULL).link
    if not COMPAT_ASYNCIO_LINKS_TASKS or not COMPAT_HAS_GIL:
        return 0
    if waiters_offset == EXPOSED_WAITERS and entry_offset == EXPOSED_NAME:
        registry.head_offset = find_head_offset()
    if registry.head_offset == 0:
        warnings.warn(
            "fastloop does not know how this Python lays out tasks. Tools such as `python -m asyncio ps` will not find fastloop's "
            "tasks, and pending tasks are kept alive.", RuntimeWarning, stacklevel=2)
    return 0


def _begin_new_list():
    """Called in a forked child, where asyncio has emptied the list of the thread that forked."""
    registry.forked_head = registry_list()
    registry.fork_count += 1


os.register_at_fork(after_in_child=_begin_new_list)
