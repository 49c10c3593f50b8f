"""A loop with a clock that the test moves, made of the loop under test.

CPython's tests of Task have a loop that never waits: a generator gets each deadline and answers by how much the clock moves.
That loop is asyncio's own. This one keeps the ready queue, the futures and the tasks of the loop under test and replaces
only its timers and its clock.
"""

import asyncio
import heapq
import itertools


def virtual_clock_loop_class(base):
    """Return a subclass of the loop class base that runs on virtual time."""

    class VirtualClockLoop(base):
        def __init__(self, clock):
            """clock: generator function that receives every deadline and yields how far to move the clock."""
            super().__init__()
            self._clock = clock()
            next(self._clock)
            self._virtual_time_s = 0.0
            self._timers_by_deadline = []
            self._timer_numbers = itertools.count()
            # Deadlines that the generator has not got yet.
            self._new_deadlines = []
            self._is_stop_requested = False

        def time(self):
            return self._virtual_time_s

        def advance_time(self, seconds):
            self._virtual_time_s += seconds

        def call_later(self, delay, callback, *args, context=None):
            return self.call_at(self.time() + delay, callback, *args, context=context)

        def call_at(self, when, callback, *args, context=None):
            timer = asyncio.TimerHandle(when, callback, args, self, context)
            heapq.heappush(self._timers_by_deadline, (when, next(self._timer_numbers), timer))
            self._new_deadlines.append(when)
            return timer

        def stop(self):
            self._is_stop_requested = True

        # asyncio's own version is written in terms of run_forever() and stop(), which are replaced here.
        run_until_complete = asyncio.BaseEventLoop.run_until_complete

        def run_forever(self):
            while True:
                self._queue_due_timers()
                # stop() before run_forever() makes one turn.
                super().stop()
                super().run_forever()
                for deadline in self._new_deadlines:
                    self.advance_time(self._clock.send(deadline) or 0)
                self._new_deadlines.clear()
                if self._is_stop_requested:
                    self._is_stop_requested = False
                    return

        def _queue_due_timers(self):
            timers = self._timers_by_deadline
            while timers and timers[0][0] <= self._virtual_time_s + 1e-9:
                timer = heapq.heappop(timers)[2]
                self.call_soon(_run_unless_cancelled, timer)

        def close(self):
            if not self.is_closed():
                super().close()
                self._check_that_clock_is_exhausted()

        def _check_that_clock_is_exhausted(self):
            try:
                self._clock.send(0)
            except StopIteration:
                return
            raise AssertionError("the test expected more timers than it got")

    return VirtualClockLoop


def _run_unless_cancelled(timer):
    if not timer.cancelled():
        timer._run()
