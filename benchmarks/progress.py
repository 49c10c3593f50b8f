"""Shows how far a run is: a bar on a terminal (rich), else a line now and then, on standard error."""

import itertools
import sys
import time
from contextlib import contextmanager

try:
    import rich.console
    import rich.progress
except ImportError:
    rich = None

LINE_INTERVAL_S = 10.0


@contextmanager
def progress(total):
    """Yield step(text), to be called before each of total steps."""
    if rich is None or not sys.stderr.isatty():
        yield _line_writer(total)
        return
    columns = (
        rich.progress.BarColumn(bar_width=30),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeRemainingColumn(),
        rich.progress.TextColumn("{task.description}"),
    )
    # Drawn at each step only: a redrawing thread would take time from what is measured.
    console = rich.console.Console(stderr=True)
    with rich.progress.Progress(*columns, console=console, transient=True, auto_refresh=False) as bar:
        task, completed = bar.add_task("", total=total), itertools.count()
        yield lambda text: bar.update(task, completed=next(completed), description=text, refresh=True)


def _line_writer(total):
    started, next_line_s = 0, 0.0

    def step(text):
        nonlocal started, next_line_s
        started += 1
        if time.monotonic() >= next_line_s:
            print(f"{started}/{total} {text}", file=sys.stderr, flush=True)
            next_line_s = time.monotonic() + LINE_INTERVAL_S

    return step
