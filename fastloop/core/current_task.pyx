"""The current task: asyncio's own record, reached in the cheapest way.

Owns: references to asyncio's functions, never to a task.
Promises: asyncio.current_task() sees fastloop's tasks.
"""

import asyncio.events
import asyncio.tasks

from cpython.dict cimport PyDict_DelItem, PyDict_GetItemWithError, PyDict_SetItem
from cpython.object cimport PyObject

from fastloop.python.cpython_compat cimport COMPAT_CURRENT_TASK_IN_DICT, compat_call, compat_call_prepare, compat_call_t


cdef:
    object _enter_function = asyncio.tasks._enter_task
    object _leave_function = asyncio.tasks._leave_task
    object _swap_function = None
    dict _current_tasks = None
    compat_call_t _swap_call

if COMPAT_CURRENT_TASK_IN_DICT:
    _current_tasks = asyncio.tasks._current_tasks
else:
    _swap_function = asyncio.tasks._swap_current_task
    compat_call_prepare(&_swap_call, _swap_function)


cdef object swap_current_task(object loop, object task):
    cdef PyObject *args[2]
    cdef PyObject *found
    if not COMPAT_CURRENT_TASK_IN_DICT:
        args[0] = <PyObject *>loop
        args[1] = <PyObject *>task
        return compat_call(&_swap_call, args, 2)
    found = PyDict_GetItemWithError(_current_tasks, loop)
    previous = <object>found if found is not NULL else None
    if task is not None:
        PyDict_SetItem(_current_tasks, loop, task)
    elif previous is not None:
        PyDict_DelItem(_current_tasks, loop)
    return previous


cdef object swap_own_current_task(object loop, object task):
    # Since Python 3.14 asyncio's own function checks this.
    if COMPAT_CURRENT_TASK_IN_DICT and asyncio.events._get_running_loop() is not loop:
        raise RuntimeError(f"loop {loop!r} is not the running loop")
    return swap_current_task(loop, task)


cdef int enter_task(object loop, object task) except -1:
    _enter_function(loop, task)
    return 0


cdef int leave_task(object loop, object task) except -1:
    _leave_function(loop, task)
    return 0
