"""Deadlock: nothing can ever happen again, and a program waits.

Owns: the text that says what each task waits for.
Driven by: the virtual loop, before it would sleep forever.
"""

import asyncio


class Deadlock(RuntimeError):
    """The program waits for something that can never come. The message says for each task where it waits, and for what."""


def deadlock_of(loop):
    """Return a Deadlock that names the pending tasks of a loop."""
    tasks = sorted(asyncio.all_tasks(loop), key=_age)
    if not tasks:
        return Deadlock("The loop waits forever: nothing is ready, and there is no timer and no task")
    lines = [f"\n  {task.get_name()}: {_where(task.get_coro())}{_what(task)}" for task in tasks]
    waits = "1 task waits" if len(tasks) == 1 else f"{len(tasks)} tasks wait"
    reason = "nothing is ready, and there is no timer and no work outside the loop"
    return Deadlock(f"{waits} for what can never come: {reason}{''.join(lines)}")


def _age(task):
    # Names that asyncio gives end with a number.
    head, _, number = task.get_name().rpartition("-")
    return (head, int(number)) if number.isdecimal() else (task.get_name(), 0)


def _where(awaitable):
    """The coroutines from the task's own to the innermost one, each with its line."""
    places = []
    while awaitable is not None:
        frame = next((frame for name in ("cr_frame", "gi_frame", "ag_frame") if (frame := getattr(awaitable, name, None))), None)
        if frame is None:
            break
        places.append(f"{awaitable.__qualname__}() at {frame.f_code.co_filename}:{frame.f_lineno}")
        awaitable = next(
            (inner for name in ("cr_await", "gi_yieldfrom", "ag_await") if (inner := getattr(awaitable, name, None)) is not None), None
        )
    return " -> ".join(places) or "not a coroutine"


def _what(task):
    future = getattr(task, "_fut_waiter", None)
    if future is None:
        return ""
    return f", waits for {future.get_name() if isinstance(future, asyncio.Task) else repr(future)}"
