"""EventLoopPolicy, install() and uninstall(): fastloop as the loop of everything in the process.

Owns: nothing. Kept apart because Python 3.16 removes policies. fastloop imports this file when one of its names is used.
"""

import asyncio
import warnings
from asyncio import unix_events

from fastloop.api.event_loop import EventLoop

# Since Python 3.14 the public name warns, and the private one is the class.
_DefaultPolicy = getattr(unix_events, "_DefaultEventLoopPolicy", None) or unix_events.DefaultEventLoopPolicy


# Its public name warns since Python 3.14, of a line in this file.
_set_policy = getattr(asyncio.events, "_set_event_loop_policy", asyncio.set_event_loop_policy)


class EventLoopPolicy(_DefaultPolicy):
    """asyncio's default policy with fastloop's loop: asyncio.set_event_loop_policy(fastloop.EventLoopPolicy())."""

    _loop_factory = EventLoop


def install():
    """Make asyncio.run() and asyncio.new_event_loop() use fastloop in this process.

    From Python 3.14 on asyncio deprecates policies and warns. fastloop.run() and loop_factory= need none.
    """
    _warn_of("install")
    _set_policy(EventLoopPolicy())


def uninstall():
    """Make asyncio use its own loop again. Existing loops do not change."""
    _warn_of("uninstall")
    _set_policy(None)


def _warn_of(name):
    """Warn where asyncio does, of the line that calls fastloop's function: Python shows it if that is in the program itself."""
    if _set_policy is not asyncio.set_event_loop_policy:
        instead = "use fastloop.run(), or asyncio.run() with loop_factory=fastloop.new_event_loop"
        message = f"fastloop.{name}() sets the event loop policy, which is deprecated and gone in Python 3.16: {instead}"
        warnings.warn(message, DeprecationWarning, stacklevel=3)
