"""Who waits for a future: the edges of asyncio.capture_call_graph(), which Python 3.14 brought.

Owns: nothing. asyncio writes each edge down when a task begins to wait; here it is read off the callbacks when somebody asks,
  so that awaiting costs nothing.
Promises: for fastloop's futures the edges that asyncio's own code records between its own futures, whichever kind waits.
Driven by Future._asyncio_awaited_by; cold.
LIMIT: future_add_to_awaited_by() takes no future of fastloop's, in C: what is added by that alone stays unseen.
  Revisit when asyncio lets others in.
"""

import asyncio
import functools
import types

# What asyncio and anyio add to each of several futures that one task waits for, and the variable or attribute that names the task.
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
    """Return the set of futures that wait for future, of any kind, or None if there are none.

    Those that wait for a future that is done are ready to run, and do not count.
    """
    awaiters = set()
    for callback, _ in future._callbacks or ():
        awaiters |= awaiters_behind(callback, future)
    return {awaiter for awaiter in awaiters if isinstance(awaiter, asyncio.Future)} or None


def awaiters_behind(callback, future):
    """Those on whose behalf callback was added to future; None may be among them."""
    if isinstance(callback, functools.partial):
        # wait_for() that is out of time: the task awaits another future, which the callback completes.
        is_release = callback.func is asyncio.tasks._release_waiter
        return is_release and awaiters_of(callback.args[0]) or set()
    is_method = isinstance(callback, types.MethodType | types.BuiltinMethodType)
    owner = callback.__self__ if is_method else None
    # Not by the method's name: fastloop's tasks and both kinds of asyncio's call theirs differently.
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
    # gather() that has failed waits no longer for the children that still run.
    if outer is not None and outer.done():
        return set()
    first, *attributes = name.split(".")
    awaiter = variable(function, first)
    for attribute in attributes:
        awaiter = getattr(awaiter, attribute, None)
    return {awaiter}


def variable(function, name):
    """What function calls name, got from the function around it: by closure, or as an argument's default. None if nothing."""
    code = function.__code__
    if name in code.co_freevars:
        return function.__closure__[code.co_freevars.index(name)].cell_contents
    arguments = code.co_varnames[: code.co_argcount]
    return dict(zip(reversed(arguments), reversed(function.__defaults__ or ()))).get(name)
