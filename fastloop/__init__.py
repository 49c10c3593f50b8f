"""fastloop: a fast, faithful asyncio event loop."""

__version__ = "0.1.0"

from fastloop.api.event_loop import EventLoop
from fastloop.core.future import Future
from fastloop.core.handle import Handle, TimerHandle
from fastloop.core.task import Task
from fastloop.runner import new_event_loop, run

Loop = EventLoop
