"""Shows how far a run is: a bar on a terminal (rich), else a line now and then, on standard error."""

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
    with _bar() as bar:
        yield _bar_mover(bar, total)


def _bar():
    columns = (
        rich.progress.BarColumn(bar_width=30),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeRemainingColumn(),
        rich.progress.TextColumn("{task.description}"),
    )
    # Drawn at each step only: a redrawing thread would take time from what is measured.
    console = rich.console.Console(stderr=True)
    return rich.progress.Progress(*columns, console=console, transient=True, auto_refresh=False)


def _bar_mover(bar, total):
    task = bar.add_task("", total=total)
    completed = 0

    def step(text):
        nonlocal completed
        bar.update(task, completed=completed, description=text, refresh=True)
        completed += 1

    return step


def _line_writer(total):
    started = 0
    next_line_s = 0.0

    def step(text):
        nonlocal started, next_line_s
        if time.monotonic() >= next_line_s:
            print(f"{started}/{total} {text}", file=sys.stderr, flush=True)
            next_line_s = time.monotonic() + LINE_INTERVAL_S
        started += 1

    return step
