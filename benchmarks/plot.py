"""Results as a picture: one panel a row of the table, one bar a loop, PNG or SVG by the file's ending."""

import importlib.util
import math
import textwrap

from report import format_figure, headline
from results import best, label

HOW_TO_GET = "pip install matplotlib"
COLUMNS = 4
PANEL_INCHES = (3.4, 2.2)
COLOURS = {
    "fastloop": "#d1495b",
    "asyncio": "#8d99ae",
    "uvloop": "#30638e",
    "rloop": "#edae49",
    "rsloop": "#66a182",
    "zuvloop": "#6d597a",
}


def is_available():
    return importlib.util.find_spec("matplotlib") is not None


def save_plot(results, path):
    """Write the picture to path. Needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = [(label(scenario, metric), metric) for _, _, scenario, metric in results.rows()]
    row_count = math.ceil(len(rows) / COLUMNS)
    width, height = PANEL_INCHES
    figure, axes = pyplot.subplots(
        row_count, COLUMNS, squeeze=False, figsize=(width * COLUMNS, height * row_count), layout="constrained"
    )
    panels = list(axes.flat)
    for panel, (title, metric) in zip(panels, rows, strict=False):
        _draw_panel(panel, title, metric, results.loops)
    for panel in panels[len(rows) :]:
        panel.set_axis_off()
    figure.suptitle(f"{headline(results)}\nbest of several, lower is better", fontsize=9)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _draw_panel(panel, title, metric, loop_names):
    figures = [best(metric, name) for name in loop_names]
    bars = panel.barh(loop_names, [figure or 0 for figure in figures], color=[COLOURS[name] for name in loop_names])
    panel.bar_label(bars, [f" {format_figure(figure)}" for figure in figures], fontsize=7)
    panel.invert_yaxis()
    panel.margins(x=0.25)
    panel.set_title("\n".join(textwrap.wrap(f"{title} [{metric['unit']}]", 40)), fontsize=8)
    panel.tick_params(labelsize=7)
    panel.set_xticks([])
    panel.spines[["top", "right", "bottom"]].set_visible(False)
