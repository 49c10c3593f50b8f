"""Which tasks wait behind a callback of a task, for tools that look from outside and read it in the task itself.

Owns: nothing.
Promises: for gather() and TaskGroup, which add a callback to each child, the answer costs less than the callback. Code
  inside the process gets a more exact answer from call_graph.py.
Driven by: ExposedTask, where such tools can see tasks.
LIMIT: a gather() that has failed is still shown as waiting for the children that are running.
"""

import asyncio

import _asyncio


from fastloop.python.capi cimport (
    PyCFunction_Check, PyCodeObject, PyFunction_Check, PyFunction_GET_CODE, PyFunction_GET_DEFAULTS, PyMethod_Check,
    PyMethod_GET_FUNCTION, PyMethod_GET_SELF)


from fastloop.core.call_graph import WAITING_TASKS, awaiters_behind


cdef:
    object native_task = _asyncio.Task
    object on_task_done = asyncio.TaskGroup._on_task_done
    object on_gathered = next(
        (code for code in asyncio.gather.__code__.co_consts if getattr(code, "co_name", None) == "_done_callback"), None)
    # The bare names of the functions in WAITING_TASKS.
    frozenset function_names = frozenset(name.rpartition(".")[2] for name in WAITING_TASKS)


cdef object waiters_behind(object callback, object future):
    function = callback
    if PyMethod_Check(callback):
        function = <object>PyMethod_GET_FUNCTION(callback)
        if function is on_task_done:
            return getattr(<object>PyMethod_GET_SELF(callback), "_parent_task", None)
    elif PyCFunction_Check(callback):
        # The wake-up of a task: one of asyncio's own, or fastloop's in debug mode.
        owner = callback.__self__
        return owner if isinstance(owner, native_task) and callback.__name__ in ("task_wakeup", "_wakeup") else None
    if not PyFunction_Check(function):
        return None
    code = <object>PyFunction_GET_CODE(function)
    if code is on_gathered:
        return (<object>PyFunction_GET_DEFAULTS(function))[0]
    if <object>(<PyCodeObject *>code).co_name in function_names:
        return awaiters_behind(callback, future)
    return None
