"""The hot methods of LoopCore for plain calls, which need no argument parsing.

Owns: a function in front of each of these methods. It handles plain calls itself while bypasses_call_soon is true, and
  passes all others on.
Promises: no difference except speed. LoopCore's methods in loop_core.pyx say what the calls do.
Driven by: the interpreter, through the method descriptors. Importing this module replaces their function pointers.
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF

from fastloop.core.clock cimport clock_deadline, clock_now_ns, clock_seconds
from fastloop.core.future cimport Future
from fastloop.core.handle cimport Handle, new_queued_handle
from fastloop.core.loop_core cimport LoopCore
from fastloop.core.scheduler cimport (
    scheduler_push, scheduler_push_foreign, scheduler_push_timer, scheduler_runs_elsewhere)
from fastloop.core.task cimport Task, new_task
from fastloop.core.threadsafe_handle cimport ThreadSafeHandle, new_queued_threadsafe_handle
from fastloop.core.timer_handle cimport TimerHandle, new_queued_timer_handle
from fastloop.python.capi cimport PyCoro_CheckExact, PyFloat_AS_DOUBLE, PyFloat_CheckExact
from fastloop.python.cpython_compat cimport COMPAT_HAS_GIL
from fastloop.python.method_copies cimport method_copies_make


from fastloop.core.loop_core import LoopCore as loop_core_type
from fastloop.core.loop_life import LoopLife as loop_life_type


cdef extern from *:
    """
    typedef PyObject *(*fastcall_function_t)(PyObject *, PyObject **, Py_ssize_t, PyObject *);

    /* Replaces the function of a METH_FASTCALL method. Returns the function that was there before, or NULL with SystemError
     * if the method has another calling convention. */
    static fastcall_function_t positional_call_install(PyObject *descriptor, fastcall_function_t positional_call)
    {
        PyMethodDef *method = ((PyMethodDescrObject *)descriptor)->d_method;
        if (!Py_IS_TYPE(descriptor, &PyMethodDescr_Type) || method->ml_flags != (METH_FASTCALL | METH_KEYWORDS)) {
            PyErr_SetString(PyExc_SystemError, "the method's calling convention is not METH_FASTCALL | METH_KEYWORDS");
            return NULL;
        }
        fastcall_function_t parsed = (fastcall_function_t)(void (*)(void))method->ml_meth;
        method->ml_meth = (PyCFunction)(void (*)(void))positional_call;
        return parsed;
    }

    static PyObject *empty_tuple; /* OWNERSHIP: never released */

    static PyObject *tuple_of(PyObject *const *items, Py_ssize_t count)
    {
        if (count == 0)
            return Py_NewRef(empty_tuple);
        PyObject *tuple = PyTuple_New(count);
        if (tuple != NULL)
            for (Py_ssize_t i = 0; i < count; i++)
                PyTuple_SET_ITEM(tuple, i, Py_NewRef(items[i]));
        return tuple;
    }
    """
    ctypedef PyObject *(*fastcall_function_t)(PyObject *, PyObject **, Py_ssize_t, PyObject *) except NULL
    fastcall_function_t positional_call_install(object descriptor, fastcall_function_t positional_call) except NULL
    tuple tuple_of(PyObject **items, Py_ssize_t count)
    PyObject *empty_tuple


# LoopCore's own functions, which parse the arguments.
cdef fastcall_function_t call_soon_parsed, call_soon_threadsafe_parsed, call_later_parsed, create_task_parsed


cdef PyObject *call_soon(PyObject *self, PyObject **args, Py_ssize_t count, PyObject *names) except NULL:
    cdef Handle handle
    if names is not NULL or count < 1 or not (<LoopCore>self).bypasses_call_soon:
        return call_soon_parsed(self, args, count, names)
    handle = new_queued_handle(<LoopCore>self, <object>args[0], tuple_of(args + 1, count - 1), None)
    scheduler_push(<LoopCore>self, handle)
    Py_INCREF(handle)
    return <PyObject *>handle


cdef PyObject *call_soon_threadsafe(PyObject *self, PyObject **args, Py_ssize_t count, PyObject *names) except NULL:
    cdef ThreadSafeHandle handle
    if names is not NULL or count < 1 or not (<LoopCore>self).bypasses_call_soon:
        return call_soon_threadsafe_parsed(self, args, count, names)
    handle = new_queued_threadsafe_handle(<LoopCore>self, <object>args[0], tuple_of(args + 1, count - 1))
    scheduler_push_foreign(<LoopCore>self, handle)
    Py_INCREF(handle)
    return <PyObject *>handle


cdef PyObject *call_later(PyObject *self, PyObject **args, Py_ssize_t count, PyObject *names) except NULL:
    cdef TimerHandle handle
    cdef double when_s
    if (names is not NULL or count < 2 or not (<LoopCore>self).bypasses_call_soon or (<LoopCore>self).has_own_time_or_call_at
            or not PyFloat_CheckExact(args[0])
            or (not COMPAT_HAS_GIL and scheduler_runs_elsewhere(<LoopCore>self))):
        return call_later_parsed(self, args, count, names)
    when_s = clock_seconds(clock_now_ns()) + PyFloat_AS_DOUBLE(args[0])
    handle = new_queued_timer_handle(
        <LoopCore>self, when_s, <object>args[1], tuple_of(args + 2, count - 2), None)
    scheduler_push_timer(<LoopCore>self, handle, clock_deadline(when_s))
    Py_INCREF(handle)
    return <PyObject *>handle


cdef PyObject *create_task(PyObject *self, PyObject **args, Py_ssize_t count, PyObject *names) except NULL:
    cdef Task task
    if (names is not NULL or count != 1 or not (<LoopCore>self).bypasses_call_soon or not PyCoro_CheckExact(args[0])
            or (<LoopCore>self)._task_factory is not None or (<LoopCore>self).makes_native_tasks):
        return create_task_parsed(self, args, count, names)
    task = new_task(<LoopCore>self, <object>args[0], None)
    Py_INCREF(task)
    return <PyObject *>task


def give_loop_methods(cls):
    """Copy LoopCore's methods into its subclass cls, so that calls on instances of cls are as fast."""
    method_copies_make(cls, loop_core_type)
    method_copies_make(cls, loop_life_type)


method_copies_make(Task, Future)

Py_INCREF(())
empty_tuple = <PyObject *>()
call_soon_parsed = positional_call_install(loop_core_type.call_soon, call_soon)
call_soon_threadsafe_parsed = positional_call_install(loop_core_type.call_soon_threadsafe, call_soon_threadsafe)
call_later_parsed = positional_call_install(loop_core_type.call_later, call_later)
create_task_parsed = positional_call_install(loop_core_type.create_task, create_task)
