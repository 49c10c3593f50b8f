"""EventLoop on virtual time: when nothing else can happen, the clock jumps to the next timer.

Owns: the loop's time, which begins at 0 and moves only in jumps.
Promises: timers run in the order of the real loop, at exactly their moments. The kernel is asked before each jump.
  While an executor's function, a lookup or a child process is under way, the next timer takes as long as in reality.
Driven by: the scheduler, which asks _choose_wait() before it sleeps.
"""

import asyncio
import functools
import math
import time

from fastloop.api.event_loop import EventLoop as RealEventLoop
from fastloop.runner import Runner
from fastloop.testing.deadlock import deadlock_of
from fastloop.testing.outside_work import OutsideWork

# Where nothing says when to go on, the loop looks this often whether it still makes sense to wait.
RECHECK_S = 0.1


class EventLoop(RealEventLoop):
    """fastloop's event loop on virtual time, for tests.

    io_grace_s: for how many real seconds all must be quiet before the clock jumps, if descriptors are watched or other threads
    live. math.inf means that sockets count as work under way, like executors: the next timer takes as long as in reality.
    Raises Deadlock out of a run that waits for something that can never come.
    """

    def __init__(self, *, io_grace_s=0.001):
        if isinstance(io_grace_s, bool) or not isinstance(io_grace_s, int | float):
            self._release()
            raise TypeError(f"io_grace_s must be a number of seconds, not {type(io_grace_s).__name__}")
        if not io_grace_s >= 0:
            self._release()
            raise ValueError(f"io_grace_s must be 0 or more seconds, not {io_grace_s}")
        self._io_grace_s = io_grace_s
        self._time_s = 0.0
        self._outside = OutsideWork()
        # How many steps had run when the loop last had nothing to do, and since when.
        self._quiet_steps = self._quiet_since_s = None
        super().__init__()

    def time(self):
        """Return the loop's virtual time in seconds. It is 0 for a new loop."""
        return self._time_s

    def _choose_wait(self, when, steps):
        now_s = time.monotonic()
        if steps != self._quiet_steps:
            # Something has run, so the kernel is asked first.
            self._quiet_steps, self._quiet_since_s = steps, now_s
            return 0
        patience_s = self._patience_s(when)
        if patience_s == math.inf:
            # The last thread that may call the loop may end without doing so.
            return RECHECK_S
        left_s = self._quiet_since_s + patience_s - now_s
        if left_s > 0:
            return left_s
        self._time_s = max(self._time_s, when)
        return 0

    def _patience_s(self, when):
        """For how many real seconds to wait before the jump. Infinity if there is nothing to jump to."""
        if self._outside.is_under_way():
            return math.inf if when is None else when - self._time_s
        may_be_called = bool(self._watched()) or self._outside.has_other_threads(self._default_executor)
        if when is None:
            if not may_be_called:
                deadlock = deadlock_of(self)
                # The handler of a signal may have run since, such as that of Ctrl-C.
                if not self._ready:
                    raise deadlock
            return math.inf
        return min(self._io_grace_s, when - self._time_s) if may_be_called else 0

    # ---- what is done outside ----

    def run_in_executor(self, executor, func, *args):
        """Run func(*args) in an executor, see fastloop.EventLoop. The clock does not jump while it is under way."""
        future = super().run_in_executor(executor, func, *args)
        self._outside.add_future(executor, future)
        return future

    async def getaddrinfo(self, *args, **kwargs):
        """Look a name up, see fastloop.EventLoop. The clock does not jump while the lookup is under way."""
        with self._outside.call():
            return await super().getaddrinfo(*args, **kwargs)

    async def getnameinfo(self, *args, **kwargs):
        """Look an address up, see fastloop.EventLoop. The clock does not jump while the lookup is under way."""
        with self._outside.call():
            return await super().getnameinfo(*args, **kwargs)

    async def shutdown_default_executor(self, *args, **kwargs):
        """Wait for the executor's threads, see fastloop.EventLoop. The clock does not jump while they end."""
        with self._outside.call():
            await super().shutdown_default_executor(*args, **kwargs)

    async def _make_subprocess_transport(self, *args, **kwargs):
        with self._outside.call():
            transport = await super()._make_subprocess_transport(*args, **kwargs)
        self._outside.add_child(transport)
        return transport


def run(main, *, debug=None, io_grace_s=0.001):
    """Run the coroutine main on virtual time and return its result, as fastloop.run() does on real time.

    io_grace_s: see EventLoop. Raises Deadlock if main waits for something that can never come, RuntimeError if a loop runs already.
    """
    if asyncio._get_running_loop() is not None:
        raise RuntimeError("fastloop.testing.run() cannot be called from a running event loop")
    with Runner(debug=debug, loop_factory=functools.partial(EventLoop, io_grace_s=io_grace_s)) as runner:
        return runner.run(main)
