"""EventLoopPolicy, install() and uninstall(): fastloop as the loop of everything in the process.

Owns: nothing. Kept apart because Python 3.16 removes policies. fastloop imports this file when one of its names is used.
"""

import asyncio
from asyncio import unix_events

from fastloop.api.event_loop import EventLoop

# Since Python 3.14 the public name warns, and the private one is the class.
_DefaultPolicy = getattr(unix_events, "_DefaultEventLoopPolicy", None) or unix_events.DefaultEventLoopPolicy


class EventLoopPolicy(_DefaultPolicy):
    """asyncio's default policy with fastloop's loop: asyncio.set_event_loop_policy(fastloop.EventLoopPolicy())."""

    _loop_factory = EventLoop


def install():
    """Make asyncio.run() and asyncio.new_event_loop() use fastloop in this process.

    From Python 3.14 on asyncio deprecates policies and warns. fastloop.run() and loop_factory= need none.
    """
    asyncio.set_event_loop_policy(EventLoopPolicy())


def uninstall():
    """Make asyncio use its own loop again. Existing loops do not change."""
    asyncio.set_event_loop_policy(None)
