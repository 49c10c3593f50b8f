"""run() and new_event_loop(): how programs get onto the loop.

Owns: nothing.
"""

import asyncio

from fastloop.api.event_loop import EventLoop


def new_event_loop():
    """Return a new EventLoop, neither running nor set as current; usable as loop_factory."""
    return EventLoop()


def run(main, *, debug=None, loop_factory=new_event_loop):
    """Run the coroutine main on a new fastloop loop and return its result, as asyncio.run() does.

    debug: True or False sets debug mode; None leaves it to PYTHONASYNCIODEBUG and -X dev.
    Raises RuntimeError if a loop runs in this thread already.
    """
    with asyncio.Runner(debug=debug, loop_factory=loop_factory) as runner:
        return runner.run(main)
