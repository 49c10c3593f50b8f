"""ExposedTask: the part of a task that tools see. Its name, its waiters, and its link in the list of tasks.

Owns: the tasks that wait for this one, as tools read them. It does not own the list that it is in.
Promises: where tools can see a task (task_registry.pyx finds out), they see what they would see of asyncio's own.
  A task is in the list from its registration until it has ended or dies.
Driven by: Task.
"""

import _asyncio

from cpython.object cimport PyObject, PyTypeObject, traverseproc, visitproc
from libc.stdint cimport uint64_t

from fastloop.core.exposed_fields cimport (
    exposed_entry_name_by_number, exposed_entry_number, exposed_waiters_add, exposed_waiters_clear,
    exposed_waiters_discard, exposed_waiters_of)
from fastloop.core.future cimport FUTURE_DONE, FUTURE_ON_SCHEDULER
from fastloop.core.runnable cimport Runnable
from fastloop.core.scheduler cimport Scheduler
from fastloop.core.task_registry cimport (
    registry_hold, registry_is_seen, registry_open, registry_release, registry_unlink)
from fastloop.core.waiting_tasks cimport waiters_behind
from fastloop.python.capi cimport PyObject_TypeCheck, object_type
from fastloop.python.cpython_compat cimport COMPAT_HAS_GIL
from fastloop.python.instance_dict cimport instance_dict_postpone
from fastloop.python.type_slots cimport inquiry, type_slots


from fastloop.core.call_graph import awaiters_of


cdef extern from *:
    """
    static uint64_t next_task_number(void)
    {
        static uint64_t last;
        return COMPAT_HAS_GIL ? ++last : __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
    }
    """
    uint64_t next_task_number() noexcept


cdef:
    # Borrowed: their module keeps them alive.
    PyTypeObject *NATIVE_FUTURE = <PyTypeObject *>_asyncio.Future
    PyTypeObject *NATIVE_TASK = <PyTypeObject *>_asyncio.Task


cdef class ExposedTask(Future):
    """The base class of Task."""

    def __dealloc__(self):
        exposed_task_close(self)

    def get_name(self):
        """Return the task's name. The default is "Task-N"."""
        name = self.make_extras().name
        if name is None:
            name = self.extras.name = f"Task-{exposed_entry_number(&self.entry)}"
        return name

    def set_name(self, value):
        """Set the task's name to str(value)."""
        exposed_task_set_name(self, value)

    # ---- what waits for the task ----

    def remove_done_callback(self, fn):
        """Remove every callback that equals fn. Returns how many there were."""
        removed = Future.remove_done_callback(self, fn)
        if removed and self.exposed_waiters.waiters is not NULL:
            exposed_waiters_clear(&self.exposed_waiters)
            exposed_task_show_waiters(self, awaiters_of(self))
        return removed

    cdef int add_waiter(self, Runnable waiter) except -1:
        Future.add_waiter(self, waiter)
        if registry_is_seen() and not self.flags & FUTURE_DONE and has_task_layout(self, waiter):
            return exposed_waiters_add(&self.exposed_waiters, waiter)
        return 0

    cdef int add_callback(self, object callback, object context) except -1:
        Future.add_callback(self, callback, context)
        if registry_is_seen() and not self.flags & FUTURE_DONE:
            waiters = waiters_behind(callback, self)
            if waiters is not None:
                return exposed_task_show_waiters(self, waiters)
        return 0

    cdef int schedule_callbacks(self) except -1:
        exposed_waiters_clear(&self.exposed_waiters)
        return Future.schedule_callbacks(self)

    # ---- what the task waits for ----

    cdef int stop_being_shown(self) except -1:
        self.flags &= ~<unsigned int>EXPOSED_TASK_IS_SHOWN
        return exposed_waiters_discard(exposed_waiters_of(self.waits_for), self)


cdef int exposed_task_open(ExposedTask task) except -1:
    exposed_waiters_clear(&task.exposed_waiters)
    task.exposed_waiters.is_task = 1
    exposed_entry_name_by_number(&task.entry, next_task_number())
    return 0


cdef int exposed_task_set_name(ExposedTask task, object value) except -1:
    name = value if type(value) is str else str(value)
    extras = task.make_extras()
    # Dropped on return, when entry.name no longer points to it.
    _old_name = extras.name
    extras.name = name
    task.entry.name = <PyObject *>name
    return 0


cdef int exposed_task_wait(ExposedTask task) except -1:
    if registry_is_seen() and PyObject_TypeCheck(task.waits_for, NATIVE_FUTURE):
        exposed_waiters_add(exposed_waiters_of(task.waits_for), task)
        task.flags |= EXPOSED_TASK_IS_SHOWN
    return 0


cdef int exposed_task_show_waiters(ExposedTask task, object waiters) except -1:
    """Add one waiter, or a set of them."""
    if has_task_layout(task, waiters):
        return exposed_waiters_add(&task.exposed_waiters, waiters)
    if isinstance(waiters, set):
        for waiter in waiters:
            exposed_task_show_waiters(task, waiter)
    return 0


cdef inline bint has_task_layout(ExposedTask task, object waiter) noexcept:
    """Whether tools that follow task's waiters find a task's fields in waiter."""
    return (object_type(<PyObject *>waiter) is object_type(<PyObject *>task) or PyObject_TypeCheck(waiter, <PyTypeObject *>ExposedTask)
            or PyObject_TypeCheck(waiter, NATIVE_TASK))


# ---- registration ----

cdef inline set tasks_of_loop(ExposedTask task):
    if COMPAT_HAS_GIL or not task.flags & FUTURE_ON_SCHEDULER:
        return None
    return (<Scheduler>task.loop).pending_tasks


cdef int exposed_task_register_held(ExposedTask task) except -1:
    return registry_hold(task, tasks_of_loop(task))


cdef int exposed_task_unregister_held(ExposedTask task) except -1:
    return registry_release(task, tasks_of_loop(task))


cdef void exposed_task_leave(ExposedTask task) noexcept:
    registry_unlink(&task.entry)
    exposed_waiters_clear(&task.exposed_waiters)


# ---- the garbage collector ----

# Cython's own slots. Those that Cython makes for Task call the two below for the base class.
cdef traverseproc plain_traverse = (<type_slots *>ExposedTask).tp_traverse
cdef inquiry plain_clear = (<type_slots *>ExposedTask).tp_clear


cdef int exposed_task_traverse(PyObject *self, visitproc visit, void *arg) noexcept:
    cdef int status = 0
    if (<ExposedTask>self).exposed_waiters.waiters is not NULL:
        status = visit((<ExposedTask>self).exposed_waiters.waiters, arg)
    return plain_traverse(self, visit, arg) if status == 0 else status


cdef int exposed_task_clear(PyObject *self) noexcept:
    exposed_task_close(<ExposedTask>self)
    # plain_clear() clears waits_for.
    (<ExposedTask>self).flags &= ~<unsigned int>EXPOSED_TASK_IS_SHOWN
    cdef int status = plain_clear(self)
    # Cython sets __dict__ to None. Then every method call on the task would fail, and all_tasks() may still return it.
    instance_dict_postpone(<PyObject *>self)
    return status


cdef int open_registry() except -1:
    cdef ExposedTask task = ExposedTask.__new__(ExposedTask)
    cdef char *begin = <char *><PyObject *>task
    return registry_open(<char *>&task.exposed_waiters - begin, <char *>&task.entry - begin)


(<type_slots *>ExposedTask).tp_traverse = <traverseproc>exposed_task_traverse
(<type_slots *>ExposedTask).tp_clear = <inquiry>exposed_task_clear
open_registry()
