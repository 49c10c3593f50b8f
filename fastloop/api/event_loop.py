"""class EventLoop: the event loop as its users see it.

Owns: the choice of which part of asyncio does what TransportCore and LoopCore do not.
Promises: an asyncio.SelectorEventLoop in every respect that code outside asyncio can see; one owner thread.
Driven by: asyncio.Runner, run_until_complete() or run_forever().
"""

import asyncio
import os
import weakref

from fastloop.api.connecting import ConnectMethods
from fastloop.api.name_resolution import NameMethods
from fastloop.api.selector_view import SelectorView
from fastloop.api.sending_files import SendfileMethods
from fastloop.api.signals import SignalMethods
from fastloop.api.sockets import SocketMethods
from fastloop.api.subprocesses import SubprocessMethods
from fastloop.api.tls_connections import TlsMethods
from fastloop.api.watchdog import watch_new_loop
from fastloop.core.positional_calls import give_loop_methods
from fastloop.transports.transport_core import TransportCore

# Longer attempts would only burn CPU time.
MAX_BUSY_POLL_US = 10_000

_live_loops = weakref.WeakSet()
# Hears of loops that are made and closed, by its methods of these names (python -m fastloop --statistics).
loop_observer = None


def _busy_poll_limit(value):
    """Return the argument busy_poll_us or FASTLOOP_BUSY_POLL_US as an int, or None if neither is given."""
    name = "busy_poll_us"
    if value is None:
        name, value = "FASTLOOP_BUSY_POLL_US", os.environ.get("FASTLOOP_BUSY_POLL_US") or None
        value = int(value) if value is not None and value.isascii() and value.isdigit() else value
    elif not isinstance(value, int):
        raise TypeError(f"{name} must be an int or None, not {type(value).__name__}")
    if value is None or (isinstance(value, int) and 0 <= value <= MAX_BUSY_POLL_US):
        return value
    raise ValueError(f"{name} must be a whole number of microseconds from 0 to {MAX_BUSY_POLL_US}, not {value!r}")


class EventLoop(
    SignalMethods,
    NameMethods,
    ConnectMethods,
    SocketMethods,
    SubprocessMethods,
    SendfileMethods,
    TlsMethods,
    TransportCore,
    asyncio.SelectorEventLoop,
):
    """fastloop's event loop. EventLoop() returns one that is open and not running.

    Every method of asyncio's loop works as its documentation says. Use it from one thread only, except for
    call_soon_threadsafe().

    busy_poll_us: for how many microseconds, at most, the loop may poll the kernel before it goes to sleep. 0 for never. Without it,
    FASTLOOP_BUSY_POLL_US counts, and without that the loop polls only while this costs no more CPU time than sleeping.
    """

    def __init__(self, selector=None, *, busy_poll_us=None):
        try:
            if selector is not None:
                raise TypeError("fastloop's loop polls the kernel itself and takes no selector")
            self._limit_busy_polls(_busy_poll_limit(busy_poll_us))
        except BaseException:
            self._release()
            raise
        # asyncio makes a selector here, and a pipe to wake it. The scheduler has its own poller and wake-up.
        super().__init__(selector=SelectorView(self))
        _live_loops.add(self)
        watch_new_loop(self)
        if loop_observer is not None:
            loop_observer.made(self)

    def close(self):
        """Close the loop. What waits is dropped, and the executor is shut down. A second close() does nothing.

        Raises RuntimeError while the loop runs.
        """
        was_closed = self.is_closed()
        super().close()
        self._end_lookups()
        if not was_closed:
            if loop_observer is not None:
                loop_observer.closed(self)
            self._release()


give_loop_methods(EventLoop)


def _send_before_fork():
    # Otherwise both processes would have the writes that are held back.
    for loop in list(_live_loops):
        loop._send_held()


def _disown_in_child():
    for loop in list(_live_loops):
        loop._mark_forked()


os.register_at_fork(before=_send_before_fork, after_in_child=_disown_in_child)
