"""The table of --statistics: what each loop of the process has done.

Owns: the last figures of loops that are closed, and no loop.
Promises: printed to stderr when the process ends, and on SIGUSR1 unless the program has a handler of its own.
"""

import atexit
import contextlib
import dataclasses
import os
import signal
import sys
import weakref

from fastloop.api import event_loop

# What fits a terminal. The first loops are shown; a program that makes more has made them one after the other.
MAX_LOOPS = 4
_LABEL_WIDTH = 22


def print_statistics_later():
    """Print the table at the end of the process and on SIGUSR1."""
    observer = event_loop.loop_observer = _Observer()
    atexit.register(observer.print_table)
    if signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL:
        signal.signal(signal.SIGUSR1, observer.print_table)


class _Observer:
    """What api/event_loop.py tells of loops, and the table of it."""

    def __init__(self):
        self._made = 0
        # For each of the first loops a call that returns its LoopStatistics, or None if it has ended without close().
        self._figures = []
        self._number_of = weakref.WeakKeyDictionary()

    def made(self, loop):
        self._made += 1
        if len(self._figures) < MAX_LOOPS:
            self._number_of[loop] = len(self._figures)
            self._figures.append(_figures_of(weakref.ref(loop)))

    def closed(self, loop):
        number = self._number_of.pop(loop, None)
        if number is not None:
            last = loop.statistics()
            self._figures[number] = lambda: last

    def print_table(self, signal_number=None, frame=None):
        """Print a table of what the loops have done until now."""
        if sys.__stderr__ is not None:
            # A signal may interrupt the program while it prints, and Python's file refuses a second print() inside the first.
            with contextlib.suppress(OSError, ValueError):
                os.write(sys.__stderr__.fileno(), ("\n".join(self._lines()) + "\n").encode())

    def _lines(self):
        shown = [statistics for figures in self._figures if (statistics := figures()) is not None]
        yield "fastloop statistics" if shown else "fastloop statistics: no event loop was made in this process"
        columns = [_fields(statistics) for statistics in shown]
        for label in columns[0] if columns else ():
            yield f"{label:<{_LABEL_WIDTH}}" + "".join(f" {column[label]:>14}" for column in columns)
        yield from (f"longest callback: {statistics.longest_callback}" for statistics in shown if statistics.longest_callback)
        if self._made > MAX_LOOPS:
            yield f"and {self._made - MAX_LOOPS} more loops"


def _figures_of(reference):
    def figures():
        loop = reference()
        return None if loop is None else loop.statistics()

    return figures


def _fields(statistics):
    """Label and text of each number."""
    fields = {}
    for name, value in dataclasses.asdict(statistics).items():
        if name in ("longest_callback", "longest_callback_at"):
            continue
        label = name.removesuffix("_s").replace("_", " ") + (" (s)" if name.endswith("_s") else "")
        fields[label] = f"{value:.6f}" if isinstance(value, float) else f"{value:,}"
    return fields
