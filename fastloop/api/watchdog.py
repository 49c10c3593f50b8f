"""watchdog(): reports callbacks and task steps that block a loop, while they do.

Owns: which loops are watched, and with which settings.
Promises: a loop is watched once. A watchdog of its own takes precedence over that of all loops.
"""

import asyncio
import atexit
import contextlib
import math
import os
import threading
import weakref

from fastloop.api.watchdog_thread import Watch, watchdog_thread
from fastloop.core.loop_life import LoopLife

# How long to wait for the last report when a watch ends.
_LAST_REPORT_S = 1.0

_guard = threading.RLock()
# Loops that have a watchdog of their own, and the watches of those that have not.
_own = weakref.WeakKeyDictionary()
_general = weakref.WeakKeyDictionary()
_live_loops = weakref.WeakSet()
# The settings (threshold_s, on_block) for every loop: the program's, or else those of FASTLOOP_WATCHDOG or the command line.
_everywhere = None
_by_default = None


def watchdog(loop=None, threshold_s=0.1, on_block=None):
    """Return a context manager. Inside it, each callback or task step that blocks the loop is logged while it still runs.

        with fastloop.watchdog(threshold_s=0.1):
            fastloop.run(main())

    loop: None means the running loop or, if none runs in this thread, every loop of fastloop in this process, those to come included.
    threshold_s: seconds of one callback or step. on_block: called with a BlockReport, in the watchdog's thread, when a block is noticed
    and again when it ends. What it raises is logged.
    Raises TypeError for loops that are not fastloop's, ValueError for a wrong threshold, and RuntimeError if the loop is closed
    or watched already.
    """
    check_threshold(threshold_s)
    if on_block is not None and not callable(on_block):
        raise TypeError(f"on_block must be callable, not {on_block!r}")
    loop = asyncio._get_running_loop() if loop is None else loop
    if loop is None:
        return _watching_everywhere(float(threshold_s), on_block)
    if not isinstance(loop, LoopLife):
        raise TypeError(f"fastloop.watchdog() watches fastloop's loops only, and this is not one: {loop!r}")
    return _watching_one(loop, float(threshold_s), on_block)


def check_threshold(threshold_s):
    """Raise unless threshold_s is a number of seconds above 0."""
    if isinstance(threshold_s, bool) or not isinstance(threshold_s, int | float):
        raise TypeError(f"The watchdog's threshold must be a number of seconds, not {threshold_s!r}")
    if not 0 < threshold_s < math.inf:
        raise ValueError(f"The watchdog's threshold must be a number of seconds above 0, not {threshold_s!r}")


@contextlib.contextmanager
def _watching_one(loop, threshold_s, on_block):
    with _guard:
        if loop.is_closed():
            raise RuntimeError("The watchdog cannot watch a closed event loop")
        if loop in _own:
            raise RuntimeError("This event loop has a watchdog already; leave its `with` block first")
        general = _general.pop(loop, None)
        watch = _own[loop] = Watch(loop, threshold_s, on_block)
        if general is not None:
            watchdog_thread.end(general)
        watchdog_thread.begin(watch)
    try:
        yield
    finally:
        with _guard:
            # In a forked child it is gone already.
            _own.pop(loop, None)
            watchdog_thread.end(watch)
            watch_new_loop(loop)
        _wait_for_last_report(watch)


@contextlib.contextmanager
def _watching_everywhere(threshold_s, on_block):
    global _everywhere
    with _guard:
        if _everywhere is not None:
            raise RuntimeError("All event loops have a watchdog already; leave its `with` block first")
        _everywhere = (threshold_s, on_block)
        _begin_anew()
    try:
        yield
    finally:
        with _guard:
            _everywhere = None
            ended = _begin_anew()
        for watch in ended:
            _wait_for_last_report(watch)


def watch_by_default(threshold_s):
    """Watch every loop whenever the program does not say otherwise."""
    global _by_default
    check_threshold(threshold_s)
    with _guard:
        _by_default = (float(threshold_s), None)
        _begin_anew()
    atexit.register(_end_all)


def watch_new_loop(loop):
    """Called for each new loop, and for one that no longer has a watchdog of its own."""
    _live_loops.add(loop)
    settings = _everywhere or _by_default
    if settings is not None:
        with _guard:
            if not loop.is_closed() and loop not in _own:
                _general[loop] = Watch(loop, *settings)
                watchdog_thread.begin(_general[loop])


def _begin_anew():
    """End the general watches and begin those that there should be now. Returns those that have ended."""
    ended = list(_general.values())
    for watch in ended:
        watchdog_thread.end(watch)
    _general.clear()
    for loop in list(_live_loops):
        watch_new_loop(loop)
    return ended


def _wait_for_last_report(watch):
    # In the loop's own thread, inside the step that blocks, there would be nothing to wait for.
    if watch.has_open_report and asyncio._get_running_loop() is None:
        watch.is_over.wait(_LAST_REPORT_S)


def _end_all():
    global _by_default
    with _guard:
        _by_default = None
        ended = _begin_anew()
    for watch in ended:
        _wait_for_last_report(watch)


def _forget_parent():
    global _guard
    _guard = threading.RLock()
    for loops in (_own, _general, _live_loops):
        loops.clear()


os.register_at_fork(after_in_child=_forget_parent)


def watch_as_environment_says():
    """Read FASTLOOP_WATCHDOG, a threshold in seconds. Empty or not set: no watchdog."""
    text = os.environ.get("FASTLOOP_WATCHDOG", "")
    if text:
        try:
            watch_by_default(float(text))
        except ValueError:
            raise ValueError(f"FASTLOOP_WATCHDOG must be a number of seconds above 0, not {text!r}; unset it for no watchdog") from None
