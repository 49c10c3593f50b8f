"""Results as text: the table, the footnotes, in colour where rich is there and plain where it is not."""

import io
import sys

from loops import SUBJECT, YARDSTICK
from results import best_loop, figure_of, is_count_of_defects, is_of_turns, label, ratio_to_best_other, ratio_to_yardstick

try:
    import rich.box
    import rich.console
    import rich.table
    import rich.text
except ImportError:
    rich = None

UNMEASURED = "-"


def format_figure(number):
    """Three significant digits, thousands separated: 0.123, 12.3, 1,234."""
    if number is None:
        return UNMEASURED
    if number == 0 or abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.1f}" if abs(number) >= 10 else f"{number:.2f}"


def table_rows(results):
    """Return (header, rows): label, unit, one figure a loop and, if fastloop ran, its ratios."""
    has_subject = SUBJECT in results.loops and len(results.loops) > 1
    has_yardstick = has_subject and YARDSTICK in results.loops
    header = ["", "unit", *results.loops, *(["ratio"] if has_subject else []), *(["of limit"] if has_yardstick else [])]
    notes = _note_numbers(results)
    rows = []
    for _, _, scenario, metric in results.rows():
        cells = [label(scenario, metric), metric["unit"]]
        for name in results.loops:
            note = notes.get((scenario["title"], name))
            is_inapplicable = name == YARDSTICK and not metric["rounds"].get(name) and not note
            text = "" if is_inapplicable else format_figure(figure_of(metric, name))
            cells.append(text + (f" [{note}]" if note else ""))
        if has_subject:
            cells.append(_format_ratio(ratio_to_best_other(metric, SUBJECT)))
        if has_yardstick:
            ratio = ratio_to_yardstick(metric, SUBJECT)
            cells.append("" if ratio is None else f"{ratio:.2f}")
        rows.append(cells)
    return header, rows


def _format_ratio(ratio):
    return UNMEASURED if ratio is None else f"{ratio[0]:.2f} ({ratio[1]})"


def _failures_by_reason(results):
    """Return {(loop, reason): titles}: a loop that lacks Unix sockets has one footnote, not one a row."""
    titles = {}
    for title, name, reason in results.failures():
        titles.setdefault((name, reason), []).append(title)
    return titles


def _note_numbers(results):
    groups = enumerate(_failures_by_reason(results).items(), start=1)
    return {(title, name): number for number, ((name, _), titles) in groups for title in titles}


def footnotes(results):
    notes = []
    for number, ((name, reason), titles) in enumerate(_failures_by_reason(results).items(), start=1):
        others = f" and {len(titles) - 1} more" if len(titles) > 1 else ""
        notes.append(f"[{number}] {name}, {titles[0]}{others}: {reason}")
    notes.append(
        f"{statistic_in_words(results)}; lower is better, of units with /s higher. "
        "Ratio: over 1, fastloop is ahead of the best other loop."
    )
    if YARDSTICK in results.loops:
        notes.append("limit: a C server that only makes its system calls; it is no loop. Of limit = fastloop's server CPU / limit's.")
    if results.metadata["is_quick"]:
        notes.append("A quick run: it shows that the scenarios work, its figures mean nothing.")
    return notes


def statistic_in_words(results):
    is_turns = any(is_of_turns(metric) for _, _, _, metric in results.rows())
    return "Median of turns, and of the ratios in each turn" if is_turns else "Best of several"


def headline(results):
    metadata = results.metadata
    versions = ", ".join(f"{name} {version}" for name, version in metadata["versions"].items() if name not in ("asyncio", YARDSTICK))
    machine = f"{metadata['implementation']} {metadata['python']}, {metadata['cpu_count']} CPUs"
    return f"{machine}: {versions}" if versions else machine


def print_report(results, file=None):
    """Print the table to file (default: standard output)."""
    file = file or sys.stdout
    header, rows = table_rows(results)
    lines = [headline(results), format_table(header, rows, file, mark=_mark_row(results)), *footnotes(results)]
    print("\n".join(lines), file=file)


def _mark_row(results):
    """Return a function that says which cells of a row to mark: {column: rich style}."""
    metrics = [metric for _, _, _, metric in results.rows()]

    def mark(row_number):
        metric = metrics[row_number]
        winner = best_loop(metric)
        styles = {}
        if winner and not is_count_of_defects(metric):
            styles[2 + results.loops.index(winner[0])] = "bold green"
        ratio = ratio_to_best_other(metric, SUBJECT)
        if ratio is not None:
            styles[2 + len(results.loops)] = "green" if ratio[0] >= 1 else "red"
        return styles

    return mark


def format_table(header, rows, file, mark=lambda row_number: {}):
    """Lay out the table: first column to the left, the others to the right."""
    if rich is None:
        return _format_plain(header, rows)
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD, pad_edge=False)
    for number, title in enumerate(header):
        table.add_column(title, justify="left" if number == 0 else "right", no_wrap=number > 0)
    for row_number, cells in enumerate(rows):
        styles = mark(row_number)
        table.add_row(*(rich.text.Text(cell, style=styles.get(column, "")) for column, cell in enumerate(cells)))
    return _render(table, file)


def _render(table, file):
    # A pipe or a file has no width: lay out as wide as the table needs.
    is_terminal = file.isatty()
    target = io.StringIO()
    console = rich.console.Console(
        file=target, force_terminal=is_terminal, width=None if is_terminal else 200, legacy_windows=False
    )
    console.print(table)
    return "\n".join(line.rstrip() for line in target.getvalue().rstrip().splitlines())


def _format_plain(header, rows):
    widths = [max(len(cells[column]) for cells in [header, *rows]) for column in range(len(header))]

    def line(cells):
        first = cells[0].ljust(widths[0])
        return "  ".join([first, *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))])

    return "\n".join([line(header), "-" * len(line(header)), *map(line, rows)])
