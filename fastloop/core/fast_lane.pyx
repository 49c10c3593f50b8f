"""Fast lanes: the hot methods of LoopCore for calls that need no argument parsing.

Owns: a function in front of each of these methods, which takes the plain calls itself and hands every other one on.
Promises: no difference but speed; LoopCore's methods in loop_core.pyx say what the calls do. Taken only while is_direct holds.
Driven by: the interpreter, through the method descriptors, whose function pointers are exchanged when this module is imported.
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF

from fastloop.core.clock cimport clock_deadline, clock_now_ns, clock_seconds
from fastloop.core.future cimport Future
from fastloop.core.handle cimport Handle, TimerHandle, new_queued_handle, new_queued_timer_handle
from fastloop.core.loop_core cimport LoopCore
from fastloop.core.scheduler cimport (
    scheduler_push, scheduler_push_foreign, scheduler_push_timer, scheduler_runs_elsewhere)
from fastloop.core.task cimport Task, new_task
from fastloop.core.threadsafe_handle cimport ThreadSafeHandle, new_queued_threadsafe_handle
from fastloop.python.capi cimport PyCoro_CheckExact, PyFloat_AS_DOUBLE, PyFloat_CheckExact
from fastloop.python.cpython_compat cimport COMPAT_HAS_GIL
from fastloop.python.method_copies cimport method_copies_make


from fastloop.core.loop_core import LoopCore as loop_core_type


cdef extern from *:
    """
    typedef PyObject *(*fast_function_t)(PyObject *, PyObject **, Py_ssize_t, PyObject *);

    /* Puts a function in front of a method that has the fast calling convention; returns the one behind it, or NULL with SystemError
     * raised if the method is called otherwise. */
    static fast_function_t fast_lane_open(PyObject *descriptor, fast_function_t lane)
    {
        PyMethodDef *method = ((PyMethodDescrObject *)descriptor)->d_method;
        if (!Py_IS_TYPE(descriptor, &PyMethodDescr_Type) || method->ml_flags != (METH_FASTCALL | METH_KEYWORDS)) {
            PyErr_SetString(PyExc_SystemError, "the method does not have the fast calling convention");
            return NULL;
        }
        fast_function_t behind = (fast_function_t)(void (*)(void))method->ml_meth;
        method->ml_meth = (PyCFunction)(void (*)(void))lane;
        return behind;
    }

    static PyObject *fast_lane_empty_tuple; /* owned for the life of the process */

    static PyObject *fast_lane_tuple(PyObject *const *items, Py_ssize_t count)
    {
        if (count == 0)
            return Py_NewRef(fast_lane_empty_tuple);
        PyObject *tuple = PyTuple_New(count);
        if (tuple != NULL)
            for (Py_ssize_t i = 0; i < count; i++)
                PyTuple_SET_ITEM(tuple, i, Py_NewRef(items[i]));
        return tuple;
    }
    """
    ctypedef PyObject *(*fast_function_t)(PyObject *, PyObject **, Py_ssize_t, PyObject *) except NULL
    fast_function_t fast_lane_open(object descriptor, fast_function_t lane) except NULL
    tuple fast_lane_tuple(PyObject **items, Py_ssize_t count)
    PyObject *fast_lane_empty_tuple


cdef fast_function_t call_soon_behind, call_soon_threadsafe_behind, call_later_behind, create_task_behind


cdef PyObject *call_soon(PyObject *self, PyObject **args, Py_ssize_t count, PyObject *names) except NULL:
    cdef Handle handle
    if names is not NULL or count < 1 or not (<LoopCore>self).is_direct:
        return call_soon_behind(self, args, count, names)
    handle = new_queued_handle(<LoopCore>self, <object>args[0], fast_lane_tuple(args + 1, count - 1), None)
    scheduler_push(<LoopCore>self, handle)
    Py_INCREF(handle)
    return <PyObject *>handle


cdef PyObject *call_soon_threadsafe(PyObject *self, PyObject **args, Py_ssize_t count, PyObject *names) except NULL:
    cdef ThreadSafeHandle handle
    if names is not NULL or count < 1 or not (<LoopCore>self).is_direct:
        return call_soon_threadsafe_behind(self, args, count, names)
    handle = new_queued_threadsafe_handle(<LoopCore>self, <object>args[0], fast_lane_tuple(args + 1, count - 1))
    scheduler_push_foreign(<LoopCore>self, handle)
    Py_INCREF(handle)
    return <PyObject *>handle


cdef PyObject *call_later(PyObject *self, PyObject **args, Py_ssize_t count, PyObject *names) except NULL:
    cdef TimerHandle handle
    cdef double when_s
    if (names is not NULL or count < 2 or not (<LoopCore>self).is_direct or (<LoopCore>self).has_own_time_or_call_at
            or not PyFloat_CheckExact(args[0])
            or (not COMPAT_HAS_GIL and scheduler_runs_elsewhere(<LoopCore>self))):
        return call_later_behind(self, args, count, names)
    when_s = clock_seconds(clock_now_ns()) + PyFloat_AS_DOUBLE(args[0])
    handle = new_queued_timer_handle(
        <LoopCore>self, when_s, <object>args[1], fast_lane_tuple(args + 2, count - 2), None)
    scheduler_push_timer(<LoopCore>self, handle, clock_deadline(when_s))
    Py_INCREF(handle)
    return <PyObject *>handle


cdef PyObject *create_task(PyObject *self, PyObject **args, Py_ssize_t count, PyObject *names) except NULL:
    cdef Task task
    if (names is not NULL or count != 1 or not (<LoopCore>self).is_direct or not PyCoro_CheckExact(args[0])
            or (<LoopCore>self)._task_factory is not None or (<LoopCore>self).makes_native_tasks):
        return create_task_behind(self, args, count, names)
    task = new_task(<LoopCore>self, <object>args[0], None)
    Py_INCREF(task)
    return <PyObject *>task


def give_loop_methods(cls):
    """Let instances of cls itself, a subclass of LoopCore, have their methods called as fast as if it were LoopCore."""
    method_copies_make(cls, loop_core_type)


method_copies_make(Task, Future)

Py_INCREF(())
fast_lane_empty_tuple = <PyObject *>()
call_soon_behind = fast_lane_open(loop_core_type.call_soon, call_soon)
call_soon_threadsafe_behind = fast_lane_open(loop_core_type.call_soon_threadsafe, call_soon_threadsafe)
call_later_behind = fast_lane_open(loop_core_type.call_later, call_later)
create_task_behind = fast_lane_open(loop_core_type.create_task, create_task)
