"""What a run of the benchmarks found: figures, failures, and where they were taken.

Owns: the form of the JSON files that run.py writes and compare.py reads (FORMAT).
Every repetition of every round is kept; best and median are computed from them: a round's figure is
the best of its repetitions (defects: the worst), best and median are over the rounds. Where the loops took turns, a turn is a
round, and the figure that counts is the median.
"""

import datetime
import json
import os
import platform
import statistics
import sys

from loops import LOOPS, YARDSTICK, YARDSTICK_METRIC

FORMAT = 1


def describe_machine():
    """Return what a reader needs to place the figures; nothing that identifies the machine."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
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


class Results:
    """Figures by scenario, metric and loop; failures by scenario and loop."""

    def __init__(self, loops, scenarios, *, is_quick=False, statistic="best"):
        """Start empty. loops: names in the order of the table; scenarios: definition.Scenario objects; statistic: of STATISTICS."""
        self.metadata = describe_machine() | {
            "is_quick": is_quick,
            "versions": {name: LOOPS[name].version() for name in loops},
        }
        self.loops = list(loops)
        self.scenarios = {
            scenario.name: {
                "title": scenario.title,
                "metrics": {
                    metric.name: {
                        "title": metric.title,
                        "unit": metric.unit,
                        "pick": metric.pick,
                        "noise": metric.noise,
                        "statistic": statistic,
                        "rounds": {},
                    }
                    for metric in scenario.metrics
                },
                "loop_classes": {},
                "failures": {},
            }
            for scenario in scenarios
        }

    def add(self, scenario_name, loop_name, answer):
        """Take the answer of one child process."""
        scenario = self.scenarios[scenario_name]
        if "failure" in answer:
            scenario["failures"][loop_name] = answer["failure"]
            return
        scenario["loop_classes"][loop_name] = answer["loop_class"]
        for metric_name, samples in answer["samples"].items():
            scenario["metrics"][metric_name]["rounds"].setdefault(loop_name, []).append(samples)

    def rows(self):
        """Yield (scenario name, metric name, scenario, metric) in the order of the table."""
        for scenario_name, scenario in self.scenarios.items():
            for metric_name, metric in scenario["metrics"].items():
                yield scenario_name, metric_name, scenario, metric

    def failures(self):
        """Yield (scenario title, loop name, reason)."""
        for scenario in self.scenarios.values():
            for loop_name, reason in scenario["failures"].items():
                yield scenario["title"], loop_name, reason

    def save(self, path):
        for _, _, _, metric in self.rows():
            metric["best"] = {name: best(metric, name) for name in metric["rounds"]}
            metric["median"] = {name: median(metric, name) for name in metric["rounds"]}
        document = {"format": FORMAT, "metadata": self.metadata, "loops": self.loops, "scenarios": self.scenarios}
        with open(path, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
            file.write("\n")

    @classmethod
    def load(cls, path):
        """Read a file that save() wrote. ValueError if it is something else."""
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise ValueError(f"{path} is not a result of benchmarks/run.py in format {FORMAT}")
        results = cls.__new__(cls)
        results.metadata, results.loops = document["metadata"], document["loops"]
        results.scenarios = document["scenarios"]
        return results


def label(scenario, metric):
    """The name of a row: scenario and, where it has several metrics, which."""
    return f"{scenario['title']}: {metric['title']}" if metric["title"] else scenario["title"]


def is_count_of_defects(metric):
    return metric["pick"] == "max"


def is_rate(metric):
    """Whether more is better."""
    return metric["pick"] == "rate"


def _pick(metric):
    return min if metric["pick"] == "min" else max


def _round_figures(metric, loop_name):
    pick = _pick(metric)
    return [pick(samples) for samples in metric["rounds"].get(loop_name, ())]


def best(metric, loop_name):
    """The figure of the best round (a defect: of the worst); None if the loop has none."""
    figures = _round_figures(metric, loop_name)
    return _pick(metric)(figures) if figures else None


def median(metric, loop_name):
    figures = _round_figures(metric, loop_name)
    return statistics.median(figures) if figures else None


STATISTICS = {"best": best, "median": median}


def is_of_turns(metric):
    """Whether the rounds of the loops belong together one by one, and their median counts."""
    return metric.get("statistic") == "median"


def figure_of(metric, loop_name):
    """The figure that counts; None if the loop has none."""
    return STATISTICS[metric.get("statistic", "best")](metric, loop_name)


def positive_figures(metric):
    """Return {loop name: figure}, without the figures that are no merit: timers that fire early undercut zero."""
    figures = {name: figure_of(metric, name) for name in metric["rounds"]}
    return {name: figure for name, figure in figures.items() if figure is not None and figure > 0}


def best_loop(metric):
    """Return (name, figure) of the best loop, or None. The yardstick is no loop."""
    merits = {name: figure for name, figure in positive_figures(metric).items() if name != YARDSTICK}
    if not merits:
        return None
    name = _pick(metric)(merits, key=merits.get)
    return name, merits[name]


def _quotient(metric, dividend, divisor):
    """The figure of one loop by that of another; of turns the median of all quotients."""
    if is_of_turns(metric):
        pairs = zip(_round_figures(metric, dividend), _round_figures(metric, divisor), strict=False)
        return statistics.median(one / other for one, other in pairs)
    return figure_of(metric, dividend) / figure_of(metric, divisor)


def ratio_to_best_other(metric, loop_name):
    """Return (ratio, name): best other figure / own figure (a rate: own / other), over 1 where loop_name is ahead.

    None where it says nothing: no other loop, no own figure, a count of defects.
    """
    figures = positive_figures(metric)
    others = [name for name in figures if name not in (loop_name, YARDSTICK)]
    if loop_name not in figures or not others or is_count_of_defects(metric):
        return None
    ratios = {
        name: _quotient(metric, loop_name, name) if is_rate(metric) else _quotient(metric, name, loop_name) for name in others
    }
    best_other = min(ratios, key=ratios.get)
    return ratios[best_other], best_other


def ratio_to_yardstick(metric, loop_name):
    """Return own figure / the yardstick's, or None."""
    figures = positive_figures(metric)
    if metric["title"] != YARDSTICK_METRIC or loop_name not in figures or YARDSTICK not in figures:
        return None
    return _quotient(metric, loop_name, YARDSTICK)
