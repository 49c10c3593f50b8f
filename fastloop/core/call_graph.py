"""Who waits for a future: the edges of asyncio.capture_call_graph(), which Python 3.14 added.

Owns: nothing. asyncio records each edge when a task starts to wait. Here the edges are derived from the callbacks, and
  only when somebody asks, so awaiting costs nothing.
Promises: for fastloop's futures, the edges that asyncio records between its own futures, whatever kind of future waits.
Driven by: Future._asyncio_awaited_by. Cold.
LIMIT: asyncio's future_add_to_awaited_by() ignores fastloop's futures, because it is C code that checks the type. An edge
  that is added only there is not seen. Revisit when asyncio accepts other types.
"""

import asyncio
import functools
import types

# Callbacks that asyncio and anyio add to each future when one task waits for several, with the variable or attribute that holds
# the task.
WAITING_TASKS = {
    "asyncio.tasks.gather.<locals>._done_callback": "cur_task",
    "asyncio.tasks.shield.<locals>._clear_awaited_by_callback": "cur_task",
    "asyncio.tasks._wait.<locals>._on_completion": "cur_task",
    "asyncio.tasks._AsCompletedIterator._handle_completion": "_cur_task",
    "asyncio.taskgroups.TaskGroup._on_task_done": "_parent_task",
    "asyncio.staggered.staggered_race.<locals>.task_done": "parent_task",
    "anyio._backends._asyncio.TaskGroup._spawn.<locals>.task_done": "self.cancel_scope._host_task",
}


def awaiters_of(future):
    """Return the set of futures, of any kind, that wait for future, or None if there are none.

    Nothing waits for a future that is done: its waiters are ready to run.
    """
    awaiters = set()
    for callback, _ in future._callbacks or ():
        awaiters |= awaiters_behind(callback, future)
    return {awaiter for awaiter in awaiters if isinstance(awaiter, asyncio.Future)} or None


def awaiters_behind(callback, future):
    """Return the set of futures for which callback was added to future. None may be among them."""
    if isinstance(callback, functools.partial):
        # wait_for() after its timeout: the task awaits another future, and the callback completes that one.
        is_release = callback.func is asyncio.tasks._release_waiter
        return is_release and awaiters_of(callback.args[0]) or set()
    is_method = isinstance(callback, types.MethodType | types.BuiltinMethodType)
    owner = callback.__self__ if is_method else None
    # Do not compare the method's name: it differs between fastloop's tasks and asyncio's two implementations.
    if isinstance(owner, asyncio.Future) and getattr(owner, "_fut_waiter", None) is future:
        return {owner}
    function = getattr(callback, "__func__", None) if is_method else callback
    if not isinstance(function, types.FunctionType):
        return set()
    name = WAITING_TASKS.get(f"{function.__module__}.{function.__qualname__}")
    if name is None:
        return set()
    if is_method:
        return {getattr(owner, name, None)}
    outer = variable(function, "outer")
    # A gather() that has failed no longer waits for the children that are still running.
    if outer is not None and outer.done():
        return set()
    first, *attributes = name.split(".")
    awaiter = variable(function, first)
    for attribute in attributes:
        awaiter = getattr(awaiter, attribute, None)
    return {awaiter}


def variable(function, name):
    """Return the value of name inside function: from its closure, or from an argument's default. None if it has neither."""
    code = function.__code__
    if name in code.co_freevars:
        return function.__closure__[code.co_freevars.index(name)].cell_contents
    arguments = code.co_varnames[: code.co_argcount]
    return dict(zip(reversed(arguments), reversed(function.__defaults__ or ()))).get(name)
