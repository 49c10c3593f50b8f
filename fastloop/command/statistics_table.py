"""The table of --statistics: what each loop of the process has done.

Owns: the loops, which are kept until the process ends, so that closed ones are in the table too.
Promises: printed to stderr when the process ends, and on SIGUSR1 unless the program has a handler of its own.
"""

import atexit
import dataclasses
import signal
import sys

from fastloop.api import event_loop

# What fits a terminal. The first loops are kept; a program that makes more has made them one after the other.
MAX_LOOPS = 4
_LABEL_WIDTH = 22


def print_statistics_later():
    """Print the table at the end of the process and on SIGUSR1."""
    event_loop.kept_loops = []
    atexit.register(print_statistics)
    if signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL:
        signal.signal(signal.SIGUSR1, print_statistics)


def print_statistics(signal_number=None, frame=None):
    """Print a table of what the loops have done until now."""
    loops = event_loop.kept_loops
    columns = [_fields(loop.statistics()) for loop in loops[:MAX_LOOPS]]
    lines = ["fastloop statistics" if loops else "fastloop statistics: no event loop was made"]
    for label in columns[0] if columns else ():
        lines.append(f"{label:<{_LABEL_WIDTH}}" + "".join(f" {column[label]:>14}" for column in columns))
    lines += [f"longest callback: {text}" for loop in loops[:MAX_LOOPS] if (text := loop.statistics().longest_callback)]
    if len(loops) > MAX_LOOPS:
        lines.append(f"and {len(loops) - MAX_LOOPS} more loops")
    print("\n".join(lines), file=sys.stderr, flush=True)


def _fields(statistics):
    """Label and text of each number."""
    fields = {}
    for name, value in dataclasses.asdict(statistics).items():
        if name in ("longest_callback", "longest_callback_at"):
            continue
        label = name.removesuffix("_s").replace("_", " ") + (" (s)" if name.endswith("_s") else "")
        fields[label] = f"{value:.6f}" if isinstance(value, float) else f"{value:,}"
    return fields
