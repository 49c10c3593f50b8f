"""Compare two results of run.py: python benchmarks/compare.py BASE.json NEW.json [--budget PERCENT].

Absolute times of two runs are not comparable on shared machines. So each figure is divided by that of a reference
loop (asyncio) measured in the same file, and these ratios are compared.
Exit status: 0; 1 if a row lost more than the budget or was lost altogether; 2 if nothing can be compared.
"""

import argparse
import sys
from dataclasses import dataclass

from loops import SUBJECT
from report import format_figure, format_table
from results import STATISTICS, Results, is_count_of_defects, is_rate, label


@dataclass(frozen=True)
class Comparison:
    """One row. base and new: figure / reference's figure (of a rate its inverse, of a count of defects the count)."""

    label: str
    base: float | None
    new: float | None
    is_over_budget: bool

    @property
    def change(self):
        if not self.base or self.new is None:
            return None
        return self.new / self.base - 1


def main():
    arguments = parse_arguments()
    try:
        base, new = Results.load(arguments.base), Results.load(arguments.new)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    rows = compare(base, new, arguments)
    if not rows:
        print(f"no row has both {arguments.loop} and {arguments.reference} in {arguments.base}", file=sys.stderr)
        return 2
    print_comparison(rows, arguments)
    return int(any(row.is_over_budget for row in rows))


def parse_arguments():
    parser = argparse.ArgumentParser(description="Compare two JSON files of run.py; fail on a loss over the budget.")
    parser.add_argument("base", metavar="BASE.json")
    parser.add_argument("new", metavar="NEW.json")
    parser.add_argument("--budget", type=float, default=5.0, metavar="PERCENT", help="default: %(default)s")
    parser.add_argument("--loop", default=SUBJECT, help="the loop that is judged; default: %(default)s")
    parser.add_argument("--reference", default="asyncio", help="the loop it is divided by; default: %(default)s")
    parser.add_argument("--statistic", choices=STATISTICS, default="best", help="default: %(default)s")
    return parser.parse_args()


def compare(base, new, arguments):
    """Return a Comparison for every row of base that has figures of both loops."""
    new_metrics = {(scenario_name, metric_name): metric for scenario_name, metric_name, _, metric in new.rows()}
    comparisons = []
    for scenario_name, metric_name, scenario, metric in base.rows():
        base_figure = relative_figure(metric, arguments)
        if base_figure is None:
            continue
        new_metric = new_metrics.get((scenario_name, metric_name))
        new_figure = relative_figure(new_metric, arguments) if new_metric else None
        is_over = new_figure is None or (
            new_figure > base_figure * (1 + arguments.budget / 100) and not is_noise(metric, new_metric, arguments)
        )
        comparisons.append(Comparison(label(scenario, metric), base_figure, new_figure, is_over))
    return comparisons


def relative_figure(metric, arguments):
    statistic = STATISTICS[arguments.statistic]
    own, reference = statistic(metric, arguments.loop), statistic(metric, arguments.reference)
    if own is None or is_count_of_defects(metric):
        return own
    # A figure of zero or below belongs to timers that fire early: there is nothing to compare.
    if own <= 0 or not reference or reference <= 0:
        return None
    return reference / own if is_rate(metric) else own / reference


def is_noise(base_metric, new_metric, arguments):
    statistic = STATISTICS[arguments.statistic]
    noise = base_metric["noise"]
    return noise > 0 and statistic(new_metric, arguments.loop) - statistic(base_metric, arguments.loop) <= noise


def print_comparison(rows, arguments):
    header = ["", "base", "new", "change", ""]
    cells = [
        [
            row.label,
            format_figure(row.base),
            format_figure(row.new),
            "-" if row.change is None else f"{row.change:+.1%}",
            "LOSS" if row.is_over_budget else "",
        ]
        for row in rows
    ]
    print(format_table(header, cells, sys.stdout, mark=lambda number: {4: "bold red"}))
    print(f"{arguments.loop} / {arguments.reference}, {arguments.statistic} of each file; lower is better.")
    losses = sum(row.is_over_budget for row in rows)
    print(f"{losses} of {len(rows)} rows lost more than {arguments.budget:g} %.")


if __name__ == "__main__":
    sys.exit(main())
