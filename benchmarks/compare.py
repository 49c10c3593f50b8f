"""Compare two results, for example before and after a change: compare BASE.json NEW.json [--budget PERCENT].

Absolute times of two runs are not comparable on shared machines. So fastloop is divided by a reference loop (asyncio) of the same
file, and these ratios are compared.
Exit status: 0; 1 if a row lost more than the budget or was lost altogether; 2 if nothing can be compared.
"""

import argparse
import sys
from dataclasses import dataclass

from benchmarks.layout import BOLD_RED, format_table, terminal_width
from benchmarks.loops import SUBJECT
from benchmarks.report import UNMEASURED, format_figure
from benchmarks.results import Results, Row
from benchmarks.scenario import Direction


@dataclass(frozen=True)
class Comparison:
    """One row of both files. base and new: how many times the reference's cost (of defects: how many)."""

    row: Row
    base: float
    new: float | None
    is_loss: bool

    def cells(self):
        change = UNMEASURED if not self.base or self.new is None else f"{self.new / self.base - 1:+.1%}"
        return [self.row.label, format_figure(self.base), format_figure(self.new), change, "LOSS" if self.is_loss else ""]


def main(arguments):
    options = parse(arguments)
    try:
        base, new = Results.load(options.base), Results.load(options.new)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    new_rows = {(row.scenario, row.metric): row for row in new.rows}
    compared = [compare(row, new_rows.get((row.scenario, row.metric)), options) for row in base.rows]
    compared = [comparison for comparison in compared if comparison is not None]
    if not compared:
        print(f"no row has both {options.loop} and {options.reference} in {options.base}", file=sys.stderr)
        return 2
    print_comparisons(compared, options)
    return int(any(comparison.is_loss for comparison in compared))


def parse(arguments):
    parser = argparse.ArgumentParser(prog="compare", description="Compare two results; fail on a loss over the budget.")
    parser.add_argument("base", metavar="BASE.json")
    parser.add_argument("new", metavar="NEW.json")
    parser.add_argument("--budget", type=float, default=5.0, metavar="PERCENT", help="default: %(default)s")
    parser.add_argument("--loop", default=SUBJECT, help="the loop that is judged; default: %(default)s")
    parser.add_argument("--reference", default="asyncio", help="the loop it is divided by; default: %(default)s")
    return parser.parse_args(arguments)


def compare(base_row, new_row, options):
    """Return a Comparison, or None if the base has no figures of both loops."""
    base = relative_figure(base_row, options)
    if base is None:
        return None
    new = new_row and relative_figure(new_row, options)
    if new is None:
        return Comparison(base_row, base, None, is_loss=True)
    growth = new_row.figure(options.loop) - base_row.figure(options.loop)
    is_noise = 0 < base_row.noise >= growth
    return Comparison(base_row, base, new, is_loss=new > base * (1 + options.budget / 100) and not is_noise)


def relative_figure(row, options):
    if row.direction is Direction.DEFECTS:
        return row.figure(options.loop)
    advantage = row.advantage(options.loop, options.reference)
    return None if advantage is None else 1 / advantage


def print_comparisons(compared, options):
    rows = [comparison.cells() for comparison in compared]
    styles = {(number, 4): BOLD_RED for number in range(len(rows))}
    print(format_table(["", "base", "new", "change", ""], rows, styles, width=terminal_width()))
    print(f"{options.loop} / {options.reference}, median of the ratios within the turns of each file; lower is better.")
    losses = sum(comparison.is_loss for comparison in compared)
    print(f"{losses} of {len(compared)} rows lost more than {options.budget:g} %.")
