"""A table as text, in colour on a terminal and no wider than it.

Promise: every row keeps its name. What does not fit is left out, in the order that the caller gives.
"""

import os
import shutil
import sys
import textwrap

GREEN, RED, BOLD_GREEN, BOLD_RED = "32", "31", "1;32", "1;31"
GAP = 2
# A name that has less room than this is hard to read.
MIN_NAME = 24


def terminal_width():
    """Return how many columns there are, None for a file or a pipe. $COLUMNS overrides it."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdecimal():
        return shutil.get_terminal_size().columns
    return None


def columns_that_fit(header, rows, spare, width):
    """Return (indices of the columns to show, room for the names). spare: columns to leave out, the first one first."""
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    shown = list(range(len(header)))
    if width is None:
        return shown, widths[0]

    def room():
        return width - sum(GAP + widths[column] for column in shown[1:])

    for column in spare:
        if room() >= min(widths[0], MIN_NAME):
            break
        shown.remove(column)
    return shown, max(min(room(), widths[0]), MIN_NAME)


def format_table(header, rows, styles, *, spare=(), width=None):
    """Lay out the table: first column to the left, the others to the right. styles: (row, column) -> SGR code, for a terminal."""
    shown, room = columns_that_fit(header, rows, spare, width)
    widths = [room, *(max(len(cells[column]) for cells in (header, *rows)) for column in shown[1:])]
    lines = [_line(header, shown, widths), "-" * (sum(widths) + GAP * (len(widths) - 1))]
    heading = None
    for number, cells in enumerate(rows):
        above, names, heading = _name_lines(cells[0], room, heading)
        row = _line([names[-1], *cells[1:]], shown, widths, {column: styles.get((number, column)) for column in shown})
        lines += [*above, *names[:-1], row]
    return "\n".join(lines)


def _name_lines(name, room, heading):
    """Return (lines above, the name's lines, heading): a name "a: b" without enough room is b below the heading a."""
    before, colon, after = name.rpartition(": ")
    if len(name) <= room and before != heading:
        return [], [name], None
    if not colon:
        return [], textwrap.wrap(name, room, subsequent_indent="  "), None
    names = textwrap.wrap(after, room, initial_indent="  ", subsequent_indent="    ")
    return ([] if before == heading else [before]), names, before


def _line(cells, shown, widths, styles=None):
    padded = [cells[column].rjust(width) if column else cells[column].ljust(width) for column, width in zip(shown, widths)]
    if styles and sys.stdout.isatty():
        padded = [f"\x1b[{styles[column]}m{cell}\x1b[0m" if styles[column] else cell for column, cell in zip(shown, padded)]
    return (" " * GAP).join(padded).rstrip()
