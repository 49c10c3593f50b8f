"""What a run found: a figure for each turn of each loop, failures, and where they were taken.

Owns: the statistic, and the form of the JSON files (FORMAT). The figure of a loop is the median of its turns (of defects the worst).
The ratio of two loops is the median of the ratios within the turns, which they took one right after the other.
"""

import datetime
import json
import os
import platform
import ssl
import statistics
import sys
from dataclasses import asdict, dataclass, field, replace

from benchmarks.loops import COMPANIONS, LOOPS
from benchmarks.scenario import Direction

FORMAT = 2


@dataclass
class Row:
    """One metric of one scenario. turns: loop name -> one figure per turn, in the same order for all loops."""

    scenario: str
    metric: str
    label: str
    unit: str
    direction: Direction
    noise: float
    needs_quiet: bool = False
    turns: dict[str, list[float]] = field(default_factory=dict)

    def figure(self, loop_name):
        """Return the figure that counts, None if the loop has none."""
        figures = self.turns.get(loop_name)
        return self.direction.summary(figures) if figures else None

    def advantage(self, loop_name, other_name):
        """Return how many times better than the other the loop is, over 1 where it is ahead. None where it says nothing."""
        if self.direction is Direction.DEFECTS or not {loop_name, other_name} <= {*self._merits()}:
            return None
        pairs = zip(self.turns[loop_name], self.turns[other_name], strict=False)
        ratios = [self.direction.advantage(own, other) for own, other in pairs if own > 0 and other > 0]
        return statistics.median(ratios) if ratios else None

    def advantage_over_best_other(self, loop_name):
        """Return (advantage, name of the other loop), for the one against which it is smallest, or None."""
        advantages = {name: self.advantage(loop_name, name) for name in self._merits() if name not in (loop_name, *COMPANIONS)}
        known = [(advantage, name) for name, advantage in advantages.items() if advantage is not None]
        return min(known, default=None)

    def best_loop(self):
        """Return the name of the loop with the best figure, or None."""
        merits = {name: figure for name, figure in self._merits().items() if name not in COMPANIONS}
        if self.direction is Direction.DEFECTS or not merits:
            return None
        return self.direction.best(merits, key=merits.get)

    def in_rounds(self, rounds, question):
        """Return question(row) of a row for each round, where it has an answer."""
        size = -(-max(map(len, self.turns.values()), default=0) // rounds)
        parts = [{name: figures[start * size :][:size] for name, figures in self.turns.items()} for start in range(rounds)]
        answers = [question(replace(self, turns={name: some for name, some in part.items() if some})) for part in parts]
        return [answer for answer in answers if answer is not None]

    def _merits(self):
        """Figures by loop, without those that are no merit: the overshoot of timers that fire early is below zero."""
        figures = {name: self.figure(name) for name in self.turns}
        return {name: figure for name, figure in figures.items() if figure is not None and figure > 0}


class Results:
    """Rows in the order of the table, and failures."""

    def __init__(self, loops, scenarios, **conditions):
        """Start empty. loops: names in the order of the table. conditions: how it is measured, for the reader."""
        self.metadata = _describe_machine() | conditions | {"versions": {name: LOOPS[name].version() for name in loops}}
        self.loops = list(loops)
        self.rows = [_empty_row(scenario, metric) for scenario in scenarios for metric in scenario.metrics]
        self.failures = []
        self.loop_classes = {}

    def add(self, scenario, loop_name, figures):
        """Take the figures of one turn: {metric name: figure}."""
        for row in self.rows:
            if row.scenario == scenario.name and row.metric in figures:
                row.turns.setdefault(loop_name, []).append(figures[row.metric])

    def add_failure(self, scenario, loop_name, reason):
        self.failures.append({"scenario": scenario.name, "title": scenario.title, "loop": loop_name, "reason": reason})

    def has_failed(self, scenario_name, loop_name):
        return any(failure["scenario"] == scenario_name and failure["loop"] == loop_name for failure in self.failures)

    def save(self, path):
        rows = [asdict(row) | {"figures": {name: row.figure(name) for name in row.turns}} for row in self.rows]
        document = {"format": FORMAT} | vars(self) | {"rows": rows}
        with open(path, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
            file.write("\n")

    @classmethod
    def load(cls, path):
        """Read a file that save() wrote. ValueError if it is something else."""
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        if not isinstance(document, dict) or document.pop("format", None) != FORMAT:
            raise ValueError(f"{path} is not a result of these benchmarks in format {FORMAT}")
        results = cls.__new__(cls)
        vars(results).update(document)
        for row in results.rows:
            row["direction"] = Direction(row["direction"])
            del row["figures"]
        results.rows = [Row(**row) for row in results.rows]
        return results


def _empty_row(scenario, metric):
    label = f"{scenario.title}: {metric.title}" if metric.title else scenario.title
    return Row(scenario.name, metric.name, label, metric.unit, metric.direction, metric.noise, metric.needs_quiet)


def _describe_machine():
    """Return what a reader needs to place the figures; nothing that identifies the machine."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION,
        "implementation": platform.python_implementation(),
        "is_gil_enabled": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cpu": _cpu_model(),
        "cpu_count": os.cpu_count(),
    }


def _cpu_model():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as cpuinfo:
            return next((line.partition(":")[2].strip() for line in cpuinfo if line.startswith("model name")), "")
    except OSError:
        return platform.processor()
