"""Results as text: the table, its marks and its footnotes."""

import textwrap

from benchmarks.layout import BOLD_GREEN, GREEN, RED, columns_that_fit, format_table, terminal_width
from benchmarks.loops import COMPANIONS, DEFAULT_LOOPS, SUBJECT, YARDSTICK
from benchmarks.machine import reason_to_call_it_busy
from benchmarks.scenarios.exchanges import SERVER_CPU

UNMEASURED = "-"
STATISTIC = "Median of the turns, and as the ratio the median of the ratios within the turns"
# Rounds whose ratios lie further apart than that disagree.
DISAGREEMENT = 0.15
DISAGREES, MEANINGLESS = "~", "?"
RATIO, SPREAD, OF_LIMIT = "ratio", "spread", "of limit"


def format_figure(number):
    """Three significant digits, thousands separated: 0.12, 12.3, 1,234."""
    if number is None:
        return UNMEASURED
    if number == 0 or abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.1f}" if abs(number) >= 10 else f"{number:.2f}"


def print_report(results):
    header, rows, styles = _table(results)
    width = terminal_width()
    # What a narrow terminal goes without: the ratio says most, then fastloop, then the loops that it is compared with.
    spare = [SPREAD, OF_LIMIT, *sorted(results.loops, key=lambda name: (name not in COMPANIONS, name in DEFAULT_LOOPS)), "unit"]
    spare = [header.index(name) for name in spare if name in header and name != SUBJECT]
    left_out = [header[column] for column in spare if column not in columns_that_fit(header, rows, spare, width)[0]]
    notes = _footnotes(results, header, rows)
    if left_out:
        notes.append(f"No room in {width} columns for: {', '.join(left_out)}. A wider terminal, COLUMNS=200 or a file shows all.")
    if width:
        notes = [textwrap.fill(note, width, subsequent_indent="  ") for note in notes]
    print("\n".join([headline(results), format_table(header, rows, styles, spare=spare, width=width), *notes]))


def headline(results):
    metadata = results.metadata
    versions = ", ".join(f"{name} {version}" for name, version in metadata["versions"].items() if name not in ("asyncio", YARDSTICK))
    machine = f"{metadata['implementation']} {metadata['python']}, {metadata['cpu_count']} CPUs"
    return f"{machine}: {versions}" if versions else machine


def _table(results):
    """Return (header, rows, styles): label, unit, one figure a loop and, if fastloop ran, its ratios and how far rounds differ."""
    has_ratio = SUBJECT in results.loops and len(results.loops) > 1
    has_yardstick = has_ratio and YARDSTICK in results.loops
    header = ["", "unit", *results.loops, *[RATIO] * has_ratio, *[OF_LIMIT] * has_yardstick, SPREAD]
    rows, styles = [], {}
    for number, row in enumerate(results.rows):
        cells = [row.label, row.unit, *(_figure_cell(results, row, name) for name in results.loops)]
        best = row.best_loop()
        if best in header:
            styles[number, header.index(best)] = BOLD_GREEN
        if has_ratio:
            ratio = row.advantage_over_best_other(SUBJECT)
            cells.append(f"{ratio[0]:.2f}{_marks(results, row)} ({ratio[1]})" if ratio else UNMEASURED)
            if ratio:
                styles[number, header.index(RATIO)] = GREEN if ratio[0] >= 1 else RED
        if has_yardstick:
            of_limit = of_yardstick(row)
            cells.append("" if of_limit is None else f"{of_limit:.2f}")
        spread = spread_of(results, row)
        cells.append(UNMEASURED if spread is None else f"{spread:.0%}" + ("" if has_ratio else _marks(results, row)))
        rows.append(cells)
    return header, rows, styles


def spread_of(results, row):
    """Return by how much of the smallest the rounds' largest ratio is larger (or figure, of a loop alone). None of one round."""
    rounds = results.metadata["rounds"]
    ratio = row.advantage_over_best_other(SUBJECT)
    if ratio:
        of_rounds = row.in_rounds(rounds, lambda part: part.advantage(SUBJECT, ratio[1]))
    else:
        of_rounds = row.in_rounds(rounds, lambda part: part.figure(next(iter(part.turns), "")))
    return max(of_rounds) / min(of_rounds) - 1 if len(of_rounds) > 1 and min(of_rounds) > 0 else None


def busy_words(results):
    return reason_to_call_it_busy(results.metadata.get("occupancy", {}), results.metadata["cpu_count"] or 1)


def _marks(results, row):
    if row.needs_quiet and busy_words(results):
        return MEANINGLESS
    return DISAGREES if (spread_of(results, row) or 0) > DISAGREEMENT else ""


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


def _footnotes(results, header, rows):
    notes, cells = [], [cell for row in rows for cell in row[1:]]
    if busy := busy_words(results):
        notes.append(f"THE MACHINE IS BUSY: {busy}. Figures are worse than they should be, and ratios vary.")
    if any(DISAGREES in cell for cell in cells):
        notes.append(f"{DISAGREES} The rounds disagree by more than {DISAGREEMENT:.0%}: do not rely on this row. More --rounds may help.")
    if any(MEANINGLESS in cell for cell in cells):
        notes.append(f"{MEANINGLESS} This row waits for other threads or processes: on a busy machine it means nothing.")
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
    kept = [cells[:-1] for cells in (header, ["---"] * len(header), *rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in kept)
