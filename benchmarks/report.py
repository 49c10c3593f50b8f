"""Results as text: the table and its footnotes, in colour on a terminal."""

import sys

from benchmarks.loops import COMPANIONS, SUBJECT, YARDSTICK
from benchmarks.scenarios.exchanges import SERVER_CPU

UNMEASURED = "-"
STATISTIC = "Median of the turns, and as the ratio the median of the ratios within the turns"
GREEN, RED, BOLD_GREEN, BOLD_RED = "32", "31", "1;32", "1;31"


def format_figure(number):
    """Three significant digits, thousands separated: 0.12, 12.3, 1,234."""
    if number is None:
        return UNMEASURED
    if number == 0 or abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.1f}" if abs(number) >= 10 else f"{number:.2f}"


def print_report(results):
    header, rows, styles = _table(results)
    print("\n".join([headline(results), format_table(header, rows, styles), *_footnotes(results)]))


def headline(results):
    metadata = results.metadata
    versions = ", ".join(f"{name} {version}" for name, version in metadata["versions"].items() if name not in ("asyncio", YARDSTICK))
    machine = f"{metadata['implementation']} {metadata['python']}, {metadata['cpu_count']} CPUs"
    return f"{machine}: {versions}" if versions else machine


def _table(results):
    """Return (header, rows, styles): label, unit, one figure a loop and, if fastloop ran, its ratios."""
    has_ratio = SUBJECT in results.loops and len(results.loops) > 1
    has_yardstick = has_ratio and YARDSTICK in results.loops
    header = ["", "unit", *results.loops, *["ratio"] * has_ratio, *["of limit"] * has_yardstick]
    rows, styles = [], {}
    for number, row in enumerate(results.rows):
        cells = [row.label, row.unit, *(_figure_cell(results, row, name) for name in results.loops)]
        best = row.best_loop()
        if best in header:
            styles[number, header.index(best)] = BOLD_GREEN
        if has_ratio:
            ratio = row.advantage_over_best_other(SUBJECT)
            cells.append(f"{ratio[0]:.2f} ({ratio[1]})" if ratio else UNMEASURED)
            if ratio:
                styles[number, header.index("ratio")] = GREEN if ratio[0] >= 1 else RED
        if has_yardstick:
            of_limit = of_yardstick(row)
            cells.append("" if of_limit is None else f"{of_limit:.2f}")
        rows.append(cells)
    return header, rows, styles


def of_yardstick(row):
    """Return fastloop's server CPU / the yardstick's, or None. Throughput and latency are the client's, too."""
    advantage = row.advantage(YARDSTICK, SUBJECT)
    return advantage if row.label.endswith(SERVER_CPU) else None


def _notes_of_failures(results):
    """Return {(loop, reason): failures}: a loop that lacks Unix sockets has one footnote, not one a row."""
    notes = {}
    for failure in results.failures:
        notes.setdefault((failure["loop"], failure["reason"]), []).append(failure)
    return notes


def _figure_cell(results, row, loop_name):
    numbers = [
        number
        for number, failures in enumerate(_notes_of_failures(results).values(), start=1)
        if any((failure["scenario"], failure["loop"]) == (row.scenario, loop_name) for failure in failures)
    ]
    figure = row.figure(loop_name)
    if loop_name in COMPANIONS and figure is None and not numbers:
        return ""
    return " ".join([format_figure(figure), *(f"[{number}]" for number in numbers)])


def _footnotes(results):
    notes = []
    for number, ((loop_name, reason), failures) in enumerate(_notes_of_failures(results).items(), start=1):
        others = f" and {len(failures) - 1} more" if len(failures) > 1 else ""
        notes.append(f"[{number}] {loop_name}, {failures[0]['title']}{others}: {reason}")
    notes.append(f"{STATISTIC}. Lower is better, of units with /s higher. Over 1, fastloop is ahead of the best other loop.")
    if YARDSTICK in results.loops:
        notes.append(
            "limit: a C server that calls the system (with TLS, OpenSSL) and nothing else. Of limit = fastloop's server CPU / limit's."
        )
    if results.metadata["is_quick"]:
        notes.append("A quick run: it shows that the scenarios work, its figures mean nothing.")
    return notes


def markdown_table(results):
    header, rows, _ = _table(results)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows))


def format_table(header, rows, styles):
    """Lay out the table: first column to the left, the others to the right. styles: (row, column) -> SGR code, for a terminal."""
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    has_colour = sys.stdout.isatty()

    def line(cells, row=None):
        padded = [cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in enumerate(zip(cells, widths))]
        for column in range(len(cells)):
            if has_colour and (row, column) in styles:
                padded[column] = f"\x1b[{styles[row, column]}m{padded[column]}\x1b[0m"
        return "  ".join(padded).rstrip()

    return "\n".join([line(header), "-" * (sum(widths) + 2 * len(widths) - 2), *(line(cells, row) for row, cells in enumerate(rows))])
