"""run(), Runner and new_event_loop(): how programs get onto the loop.

Owns: nothing; asyncio.Runner does the work.
"""

import asyncio

from fastloop.api.event_loop import EventLoop


def new_event_loop():
    """Return a new EventLoop, neither running nor set as current; usable as loop_factory."""
    return EventLoop()


class Runner(asyncio.Runner):
    """asyncio.Runner on a fastloop loop: one loop and one context for several run() calls.

    debug: True or False sets debug mode; None leaves it to PYTHONASYNCIODEBUG and -X dev.
    loop_factory: None means new_event_loop.
    """

    def __init__(self, *, debug=None, loop_factory=None):
        super().__init__(debug=debug, loop_factory=loop_factory or new_event_loop)


def run(main, *, debug=None, loop_factory=None):
    """Run the coroutine main on a new fastloop loop and return its result, as asyncio.run() does.

    Cancels the tasks that are left, closes asynchronous generators and the executor, then the loop.
    Raises RuntimeError if a loop already runs in this thread.
    """
    if asyncio._get_running_loop() is not None:
        raise RuntimeError("fastloop.run() cannot be called from a running event loop")
    with Runner(debug=debug, loop_factory=loop_factory) as runner:
        return runner.run(main)
