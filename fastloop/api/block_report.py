"""BlockReport: what a watchdog tells of one callback or task step that blocks its loop, and how it finds that out.

Owns: nothing.
Promises: what a report holds no longer changes, and keeps nothing alive but the loop.
Driven by: the watchdog's thread.
"""

import asyncio
import dataclasses
import inspect
import sys
import threading
import traceback

from fastloop.core.loop_progress import running_text

_COROUTINE = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BlockReport:
    """One callback or step of a task has run for longer than the threshold. str() gives the text that is logged."""

    loop: asyncio.AbstractEventLoop
    duration_s: float
    """How long it has run so far, or how long it took."""
    has_ended: bool
    """False while it runs. There is another report when it ends."""
    callback: str | None
    """What the loop runs, or None if that is not known."""
    task_name: str | None
    """None outside of tasks."""
    thread_name: str
    stack: traceback.StackSummary
    """The Python stack of the loop's thread when the block was noticed. The line that blocks is the last one."""
    task_stack: traceback.StackSummary
    """Only the frames of the task's coroutines. Empty outside of tasks."""

    def __str__(self):
        what = self.callback or "a callback"
        if self.task_name is not None and self.task_name not in what:
            what = f"{what} in task {self.task_name!r}"
        if self.has_ended:
            return f"Event loop is free again: it was blocked for {self.duration_s:.3f} seconds by {what}"
        text = f"Event loop blocked for {self.duration_s:.3f} seconds so far by {what}\n{_stack_text(self)}"
        return text.rstrip()


def _stack_text(report):
    text = f"Stack of thread {report.thread_name!r} (most recent call last):\n{''.join(report.stack.format())}"
    if report.task_stack:
        text += f"Of these, the task's coroutines:\n{''.join(report.task_stack.format())}"
    return text


def _coroutine_text(task_name, task_frames):
    """Where the task's outermost coroutine is defined. Without the GIL this is known only by its frame."""
    if not task_frames:
        return None
    code = task_frames[0][0].f_code
    return f"{task_name}: {code.co_qualname}() at {code.co_filename}:{code.co_firstlineno}"


def report_block(loop, thread_ident, duration_s):
    """Return a BlockReport of what runs now in the thread of the loop."""
    # Inner frames first. A running coroutine's frames are on the stack of the thread, so the task itself is not touched.
    frames = list(traceback.walk_stack(sys._current_frames().get(thread_ident)))[::-1]
    task = asyncio.current_task(loop)
    task_frames = [(frame, line) for frame, line in frames if task is not None and frame.f_code.co_flags & _COROUTINE]
    task_name = None if task is None else task.get_name()
    return BlockReport(
        loop=loop,
        duration_s=duration_s,
        has_ended=False,
        callback=running_text(loop) or _coroutine_text(task_name, task_frames),
        task_name=task_name,
        thread_name=next((thread.name for thread in threading.enumerate() if thread.ident == thread_ident), str(thread_ident)),
        stack=traceback.StackSummary.extract(frames),
        task_stack=traceback.StackSummary.extract(task_frames),
    )


def report_end(report, duration_s):
    """Return the BlockReport of the end of what the report has told of."""
    return dataclasses.replace(report, duration_s=duration_s, has_ended=True)
