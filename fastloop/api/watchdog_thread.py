"""The thread that looks whether watched loops get on.

Owns: the watches of all loops, and one daemon thread while there are any.
Promises: the loops need not do anything for it, and never wait for it. It looks twice within a threshold, but at most every millisecond,
  and when a step that it has seen reaches the threshold. A forked child has no such thread, and no loop of the parent; a loop of its
  own starts another one.
Thread rule: any thread may begin and end a watch. Reports are made in the watchdog's thread only.
"""

import logging
import os
import threading
import time
import weakref

from fastloop.core.loop_progress import awake_thread, become_patient, progress_of, running_for_s, watch_steps

# asyncio's.
logger = logging.getLogger("asyncio")

# How often to look whether a reported block has ended. The loop does nothing else meanwhile.
_LOOK_FOR_END_S = 0.01

# However small or large a threshold is, the thread neither spins nor waits for longer than a lock can.
_MIN_WAIT_S = 0.001
_MAX_WAIT_S = 3600.0


class Watch:
    """One loop under watch. OWNERSHIP: a watch does not keep its loop alive."""

    def __init__(self, loop, threshold_s, on_block):
        # Most programs watch nothing, and need not wait for this import.
        from fastloop.api.block_report import report_block, report_end

        self._report_block, self._report_end = report_block, report_end
        self.loop = weakref.ref(loop)
        self.threshold_s = threshold_s
        # Set when a watch that has been ended has nothing more to report.
        self.is_over = threading.Event()
        self.is_ending = False
        self._on_block = on_block
        self._progress = None
        self._report = None
        self._last_look = self._first_seen = self._began = time.monotonic()

    @property
    def has_open_report(self):
        """Whether a block has been reported, and its end has not."""
        return self._report is not None

    def look(self):
        """Report what there is to report. Return the seconds until the next look, or None if there will be nothing more."""
        loop, now = self.loop(), time.monotonic()
        thread = None if loop is None else awake_thread(loop)
        progress = None if thread is None else progress_of(loop)
        if progress is None or progress != self._progress:
            self._end_report(now)
            self._progress, self._first_seen = progress, now
            # It cannot have begun before the last look, which saw another step.
            self._began = now if thread is None else max(self._last_look, now - running_for_s(loop))
        self._last_look = now
        if loop is None or loop.is_closed() or self.is_ending and self._report is None:
            self.is_over.set()
            return None
        if self._report is not None:
            return min(_LOOK_FOR_END_S, self.threshold_s / 2)
        return self._look_at_step(loop, thread, now)

    def _look_at_step(self, loop, thread, now):
        half_s = self.threshold_s / 2
        if thread is None:
            return half_s
        # With very short callbacks the beginning is not exact. Half a threshold in this step has been seen in any case.
        due = max(self._began + self.threshold_s, self._first_seen + half_s)
        if now < due:
            return min(half_s, due - now)
        report = self._report_block(loop, thread, now - self._began)
        # It may have ended meanwhile, and the stack is then another one's.
        if progress_of(loop) == self._progress and awake_thread(loop) == thread:
            self._report = report
            self._deliver(report)
        return min(_LOOK_FOR_END_S, half_s)

    def _end_report(self, now):
        if self._report is not None:
            self._deliver(self._report_end(self._report, now - self._began))
            self._report = None

    def _deliver(self, report):
        logger.warning("%s", report)
        if self._on_block is None:
            return
        try:
            self._on_block(report)
        except BaseException:
            # Not even SystemExit may end the watch.
            logger.exception("Exception in on_block of fastloop.watchdog(): %r", self._on_block)


class WatchdogThread:
    """All watches, and the thread that looks at them while there are any."""

    def __init__(self):
        self._changed = threading.Condition()
        self._watches = []
        self._thread = None
        self._has_news = False

    def begin(self, watch):
        """Look at this watch's loop from now on."""
        watch_steps(watch.loop(), True)
        with self._changed:
            self._watches.append(watch)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="fastloop-watchdog", daemon=True)
                self._thread.start()
            self._has_news = True
            self._changed.notify()

    def end(self, watch):
        """End the watch. If a block has been reported that still lasts, its end is reported, too."""
        with self._changed:
            watch.is_ending = True
            self._has_news = True
            self._changed.notify()

    def _run(self):
        become_patient(True)
        while True:
            with self._changed:
                if not self._watches:
                    # Under the lock, because the next thread may begin at once.
                    become_patient(False)
                    self._thread = None
                    return
                watches, self._has_news = list(self._watches), False
            delays = [(watch, self._look(watch)) for watch in watches]
            over = [watch for watch, delay in delays if delay is None]
            for loop in filter(None, [watch.loop() for watch in over]):
                watch_steps(loop, False)
            loop = None
            with self._changed:
                self._watches = [watch for watch in self._watches if watch not in over]
                if self._watches and not over and not self._has_news:
                    self._changed.wait(min(max(min(delay for _, delay in delays), _MIN_WAIT_S), _MAX_WAIT_S))

    def _look(self, watch):
        try:
            return watch.look()
        except Exception:
            logger.exception("fastloop's watchdog no longer watches %r", watch.loop())
            watch.is_over.set()
            return None

    def forget_parent(self):
        """In a forked child: the thread is gone, and so are the parent's loops. A lock may have been held."""
        become_patient(False)
        self.__init__()


watchdog_thread = WatchdogThread()
os.register_at_fork(after_in_child=watchdog_thread.forget_parent)
