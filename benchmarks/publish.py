"""Writes docs/figures.md, its plot and the README's table from the results kept in benchmarks/results: publish.

Owns: which rows the first screen shows. Measures nothing: each file is a run's --json, and its name becomes a heading. A run on a busy
machine does not change the README's table.
"""

import argparse
import pathlib
import re

from benchmarks.plot import COLOURS, DOTS_PER_INCH
from benchmarks.report import busy_words, headline, markdown_table
from benchmarks.results import Results

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
KEPT = REPOSITORY / "benchmarks" / "results"
FIRST = "loops.json"
PAGE = REPOSITORY / "docs" / "figures.md"
PICTURE = REPOSITORY / "docs" / "pictures" / "ratios.svg"
README = REPOSITORY / "README.md"
TABLE = re.compile(r"(?<=<!-- figures: begin -->\n).*?(?=<!-- figures: end -->)", re.S)
OTHERS = ["asyncio", "uvloop"]
# What the first screen shows: scenario, metric, and how it is called there.
ROWS = [
    ("sleep_zero_one_task", None, "a step of a task (`sleep(0)`)"),
    ("create_task_and_await", None, "create a task and await it"),
    ("call_soon_batch", None, "`call_soon`, 1000 at a time"),
    ("timers_firing", None, "a timer that fires, of 50,000"),
    ("echo_tcp_protocol_1kb_64", "server_cpu", "TCP echo, 1 KB, 64 connections: server CPU"),
    ("echo_tcp_protocol_1kb_1", "server_cpu", "TCP echo, 1 KB, one connection: server CPU"),
    ("echo_unix_protocol_1kb_64", "server_cpu", "Unix echo, 1 KB, 64 connections: server CPU"),
    ("tls_echo_protocol_1kb_64", "server_cpu", "TLS echo, 1 KB, 64 connections: server CPU"),
    ("answer_tcp_protocol_64", "server_cpu", "an answer of two writes over TCP: server CPU"),
    ("memory_per_connection_tcp_protocol", None, "memory of an idle TCP connection"),
]
INTRODUCTION = """\
# Figures

Made by `make figures` from the files in [benchmarks/results](../benchmarks/results).
[How to read them](../benchmarks/README.md#how-to-read-the-table) and [what is not claimed](../benchmarks/README.md#what-is-not-claimed)
is said there. [Earlier figures](../benchmarks/FIGURES.md) have six more loops.

![How many times faster fastloop is than asyncio and uvloop](pictures/ratios.svg)

The median of the turns. The ratio is the best other loop's figure over fastloop's: above 1, fastloop is ahead. After a ratio, `~` means
that rounds disagree, and `?` that the row means little on a machine that is busy.
"""


def main(arguments):
    parser = argparse.ArgumentParser(prog="publish", description="Write docs/figures.md, its plot and the README's table.")
    parser.parse_args(arguments)
    kept = {path.name: Results.load(path) for path in sorted(KEPT.glob("*.json"), key=lambda path: (path.name != FIRST, path.name))}
    if FIRST not in kept:
        parser.error(f"there is no {KEPT / FIRST}; measure with --json to make it")
    PAGE.write_text(INTRODUCTION + "".join(section(name, results) for name, results in kept.items()), encoding="utf-8")
    ratios = list(ratios_of(kept[FIRST]))
    draw(ratios, kept[FIRST])
    if busy_words(kept[FIRST]):
        print(f"The README's table stays as it is, because the machine was busy: {busy_words(kept[FIRST])}")
    else:
        README.write_text(TABLE.sub(lambda _: first_table(ratios), README.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def section(name, results):
    """Return the part of the page for one file."""
    metadata = results.metadata
    machine = f"{metadata['cpu']}, {metadata['cpu_count']} CPUs, {metadata['system']}"
    busy = busy_words(results)
    return (
        f"\n## {name.removesuffix('.json').replace('_', ' ').capitalize()}\n\n"
        f"{headline(results)}. {machine}. {metadata['date'][:10]}."
        f"{f' The machine was busy: {busy}.' if busy else ''}\n\n{markdown_table(results)}\n"
    )


def ratios_of(results):
    """Yield (text, ratios against OTHERS) for each row of the first screen that was measured."""
    for scenario, metric, text in ROWS:
        for row in results.rows:
            if row.scenario == scenario and metric in (None, row.metric):
                ratios = [row.advantage("fastloop", other) for other in OTHERS]
                if None not in ratios:
                    yield text, ratios


def first_table(ratios):
    cells = [(text, *(f"{ratio:.2g}" if ratio >= 2 else f"{ratio:.2f}" for ratio in numbers)) for text, numbers in ratios]
    lines = [f"| {' | '.join(row)} |" for row in [("", *OTHERS), *cells]]
    lines.insert(1, "|---" * (len(OTHERS) + 1) + "|")
    return "\n".join(lines) + "\n"


def draw(ratios, results):
    """Draw the ratios as bars, on a scale where twice as fast is as far from 1 as half as fast."""
    import matplotlib

    matplotlib.use("Agg")
    # The same data gives the same file.
    matplotlib.rcParams["svg.hashsalt"] = "fastloop"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 0.55 * len(ratios) + 0.8))
    for number, other in enumerate(OTHERS):
        places = [position + 0.38 * number - 0.19 for position in range(len(ratios))]
        lengths = [numbers[number] - 1 for _, numbers in ratios]
        bars = axes.barh(places, lengths, 0.36, left=1, color=COLOURS[other], label=f"against {other}")
        axes.bar_label(bars, [f" {numbers[number]:.2g}x" for _, numbers in ratios], fontsize=8)
    axes.set_xscale("log", base=2)
    axes.set_yticks(range(len(ratios)), [text.replace("`", "") for text, _ in ratios], fontsize=9)
    axes.set_xticks([1, 2, 4, 8], ["1x", "2x", "4x", "8x"])
    axes.axvline(1, color="#444444", linewidth=0.8)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    busy = ", on a busy machine" if busy_words(results) else ""
    title = f"How many times faster, or smaller, fastloop is ({results.metadata['date'][:10]}{busy})"
    figure.suptitle(title, fontsize=10, x=0.02, ha="left")
    axes.legend(fontsize=8, loc="lower right", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(PICTURE, dpi=DOTS_PER_INCH, metadata={"Date": None})
    pyplot.close(figure)
