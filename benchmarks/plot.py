"""Results as a picture: one panel a row of the table, one bar a loop, PNG or SVG by the file's ending."""

import importlib.util
import math
import pathlib
import sys
import textwrap

from benchmarks.loops import COMPANIONS, YARDSTICK
from benchmarks.report import STATISTIC, format_figure, headline
from benchmarks.scenario import Direction

SUFFIXES = (".png", ".svg")
# A few rows make a picture for a page, the whole matrix one to scroll in.
COLUMNS, MANY_COLUMNS, MANY_PANELS = 4, 6, 60
# A panel's place, and the part of it that is left for the loops' names, the titles and the distance to the next.
PANEL_INCHES = (3.6, 2.2)
NAMES_INCHES, TITLE_INCHES, GAP_INCHES = 0.75, 0.5, 0.15
HEADLINE_INCHES = 0.6
DOTS_PER_INCH = 120
COLOURS = {
    "fastloop": "#d1495b",
    "asyncio": "#8d99ae",
    "uvloop": "#30638e",
    "rloop": "#edae49",
    "rsloop": "#66a182",
    "zuvloop": "#6d597a",
    "loopmini": "#a98467",
    "blazio": "#3a86a8",
    "talyn": "#b56576",
    YARDSTICK: "#d9d9d9",
}


def check(path, parser):
    """End the program with parser's error if path is no picture's."""
    if pathlib.Path(path).suffix not in SUFFIXES:
        parser.error(f"--plot takes a file that ends with {' or '.join(SUFFIXES)}")


def is_possible():
    """Return whether pictures can be drawn here, and say so if not."""
    if importlib.util.find_spec("matplotlib") is None:
        print("--plot needs matplotlib: pip install matplotlib", file=sys.stderr)
        return False
    return True


def save_plot(results, path):
    """Write the picture to path. Needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    column_count = COLUMNS if len(results.rows) <= MANY_PANELS else MANY_COLUMNS
    row_count = math.ceil(len(results.rows) / column_count)
    size = PANEL_INCHES[0] * column_count, PANEL_INCHES[1] * row_count + HEADLINE_INCHES
    figure, axes = pyplot.subplots(row_count, column_count, squeeze=False, figsize=size)
    _place_panels(figure, size)
    panels = list(axes.flat)
    for panel, row in zip(panels, results.rows):
        _draw_panel(panel, row, results.loops)
    for panel in panels[len(results.rows) :]:
        panel.set_axis_off()
    text = f"{headline(results)}\n{STATISTIC.partition(',')[0]}; lower is better, of units with /s higher"
    figure.suptitle(text, fontsize=9, y=1 - 0.1 / size[1], va="top")
    figure.savefig(path, dpi=DOTS_PER_INCH)
    pyplot.close(figure)


def _place_panels(figure, size):
    # By hand: matplotlib's own layouts take minutes for hundreds of panels.
    width, height = size
    bars_width = PANEL_INCHES[0] - NAMES_INCHES - GAP_INCHES
    bars_height = PANEL_INCHES[1] - TITLE_INCHES - GAP_INCHES
    figure.subplots_adjust(
        left=NAMES_INCHES / width,
        right=1 - GAP_INCHES / width,
        top=1 - (HEADLINE_INCHES + TITLE_INCHES) / height,
        bottom=GAP_INCHES / height,
        wspace=(PANEL_INCHES[0] - bars_width) / bars_width,
        hspace=(PANEL_INCHES[1] - bars_height) / bars_height,
    )


def _draw_panel(panel, row, loop_names):
    # The yardstick has a bar only where it has a figure.
    loop_names = [name for name in loop_names if name not in COMPANIONS or row.figure(name) is not None]
    figures = [row.figure(name) for name in loop_names]
    bars = panel.barh(loop_names, [figure or 0 for figure in figures], color=[COLOURS[name] for name in loop_names])
    panel.bar_label(bars, [f" {format_figure(figure)}" for figure in figures], fontsize=7)
    panel.invert_yaxis()
    panel.margins(x=0.25)
    unit = f"{row.unit}, higher is better" if row.direction is Direction.HIGHER else row.unit
    panel.set_title("\n".join(textwrap.wrap(f"{row.label} [{unit}]", 46)), fontsize=8)
    panel.tick_params(labelsize=7)
    panel.set_xticks([])
    panel.spines[["top", "right", "bottom"]].set_visible(False)
