"""Which loop: get_event_loop(), set_event_loop() and get_running_loop().

Owns: nothing; asyncio keeps which loop is running and which is set, so that both imports agree.
Promises: get_event_loop() never makes a loop that is not fastloop's.
Thread rule: each thread has its own answers.
"""

import asyncio
import threading
from asyncio import get_running_loop, set_event_loop

from fastloop.api.event_loop import EventLoop

__all__ = ["get_event_loop", "get_running_loop", "set_event_loop"]


def get_event_loop():
    """Return the running loop, or the one that was set. With neither, the main thread gets a new loop, which is set.

    This is what asyncio did before Python 3.14, for scripts that make no loop of their own. Raises RuntimeError in other
    threads if none was set.
    """
    running = asyncio._get_running_loop()
    if running is not None:
        return running
    loop = _loop_that_was_set()
    if loop is None and threading.current_thread() is threading.main_thread():
        loop = EventLoop()
        set_event_loop(loop)
    if loop is None:
        raise RuntimeError(
            f"There is no current event loop in thread {threading.current_thread().name!r}; "
            "make one with new_event_loop() and pass it to set_event_loop()"
        )
    return loop


def _loop_that_was_set():
    events = asyncio.events
    policy = getattr(events, "_get_event_loop_policy", None) or getattr(events, "get_event_loop_policy", None)
    if policy is None:
        # Python 3.16.
        try:
            return asyncio.get_event_loop()
        except RuntimeError:
            return None
    local = getattr(policy(), "_local", None)
    if local is None:
        # Somebody else's policy, which knows its loop.
        return policy().get_event_loop()
    return local._loop
