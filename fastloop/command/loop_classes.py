"""Has asyncio's and uvloop's classes of loops make fastloop's.

Owns: the __new__ of asyncio.SelectorEventLoop and of uvloop.Loop.
Promises: every way to make a loop leads to fastloop, on every Python: policies, asyncio.run(), Runner, new_event_loop(), loop_factory=
  and the classes themselves, under whatever names the program has imported them. Subclasses of these classes make what they always made.
A replaced policy would not do. A program may set its own, and Python 3.16 removes policies.
"""

import asyncio

from fastloop.api.event_loop import EventLoop
from fastloop.command.late_imports import when_imported

_is_on = False


def make_fastloop_loops():
    """From now on a program that asks asyncio or uvloop for a loop gets fastloop's."""
    global _is_on
    if not _is_on:
        _is_on = True
        asyncio.SelectorEventLoop.__new__ = _new_selector_loop
        when_imported("uvloop", lambda uvloop: setattr(uvloop.Loop, "__new__", _replacing(uvloop.Loop)))


def make_their_own_loops():
    """Undo make_fastloop_loops(). A class that once had a __new__ does not get object's back, so ours stays and does what that does."""
    global _is_on
    _is_on = False


def _new_selector_loop(cls, selector=None):
    # The program may bring a selector with a purpose, such as a clock of its own. fastloop has none, so such a loop remains asyncio's.
    if _is_on and cls is asyncio.SelectorEventLoop and selector is None:
        # An instance of cls, so its __init__ is called next.
        return EventLoop.__new__(EventLoop)
    return object.__new__(cls)


def _replacing(replaced):
    original = replaced.__new__

    def new(cls, *args, **kwargs):
        if _is_on and cls is replaced:
            return EventLoop()
        return original(cls, *args, **kwargs)

    return new
