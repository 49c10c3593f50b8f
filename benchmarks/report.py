"""Results as text: the table, the footnotes, in colour where rich is there and plain where it is not."""

import io
import sys

from loops import SUBJECT
from results import best, is_count_of_defects, label, positive_figures, ratio_to_best_other

try:
    import rich.box
    import rich.console
    import rich.table
    import rich.text
except ImportError:
    rich = None

UNMEASURED = "-"


def format_figure(figure):
    """Three significant digits, thousands separated: 0.123, 12.3, 1,234."""
    if figure is None:
        return UNMEASURED
    if figure == 0 or abs(figure) >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.1f}" if abs(figure) >= 10 else f"{figure:.2f}"


def table_rows(results):
    """Return (header, rows): label, unit, one figure a loop and, if fastloop ran, its ratio."""
    has_subject = SUBJECT in results.loops and len(results.loops) > 1
    header = ["", "unit", *results.loops, *(["ratio"] if has_subject else [])]
    notes = _note_numbers(results)
    rows = []
    for _, _, scenario, metric in results.rows():
        cells = [label(scenario, metric), metric["unit"]]
        for name in results.loops:
            note = notes.get((scenario["title"], name))
            cells.append(format_figure(best(metric, name)) + (f" [{note}]" if note else ""))
        if has_subject:
            cells.append(_format_ratio(ratio_to_best_other(metric, SUBJECT)))
        rows.append(cells)
    return header, rows


def _format_ratio(ratio):
    return UNMEASURED if ratio is None else f"{ratio[0]:.2f} ({ratio[1]})"


def _note_numbers(results):
    return {(title, name): number for number, (title, name, _) in enumerate(results.failures(), start=1)}


def footnotes(results):
    failures = enumerate(results.failures(), start=1)
    notes = [f"[{number}] {name}, {title}: {reason}" for number, (title, name, reason) in failures]
    notes.append("Best of several; lower is better. Ratio = best other loop / fastloop: over 1, fastloop is ahead.")
    if results.metadata["is_quick"]:
        notes.append("A quick run: it shows that the scenarios work, its figures mean nothing.")
    return notes


def headline(results):
    metadata = results.metadata
    versions = ", ".join(f"{name} {version}" for name, version in metadata["versions"].items() if name != "asyncio")
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
        merits = positive_figures(metric)
        styles = {}
        if merits and not is_count_of_defects(metric):
            styles[2 + results.loops.index(min(merits, key=merits.get))] = "bold green"
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
