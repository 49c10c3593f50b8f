"""A collector of loop statistics for prometheus-client. The extra `prometheus` has what it needs.

    from prometheus_client import REGISTRY
    REGISTRY.register(LoopCollector({"main": loop}))

Owns: the names of the metrics.
Promises: no loop is held up or kept alive. Counters only grow, also past loop.statistics(reset=True).
Driven by: prometheus-client, in the thread that answers a scrape.
"""

import weakref

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

# By name without the prefix "fastloop_" and, for counters, "_total": the help text, and the field or the fields by a second label.
_COUNTERS = {
    "turns": ("Passes of the loop.", "turns"),
    "callbacks": ("Callbacks that ran, task steps not included.", "callbacks"),
    "task_steps": ("How often a task's coroutine was resumed.", "task_steps"),
    "polls": ("Questions to the kernel.", "polls"),
    "events": ("Events that the kernel reported.", "events"),
    "busy_polls": ("Waits that began by polling for a few microseconds.", "busy_polls"),
    "busy_poll_hits": ("Busy polls that had an event.", "busy_poll_hits"),
    "seconds": ("Time in the loop.", ("state", {"asleep": "asleep_s", "busy": "busy_s"})),
    "bytes": ("Bytes through sockets and pipes.", ("direction", {"received": "bytes_received", "sent": "bytes_sent"})),
}
_GAUGES = {
    "most_ready_callbacks": ("The most callbacks that were ready at once.", "most_ready"),
    "timers": ("Timers that wait.", "timers"),
    "watched_descriptors": ("Descriptors that the loop watches.", "watched_descriptors"),
    "transports": ("Open transports.", "transports"),
    "tasks": ("Tasks that are not done.", "tasks"),
    "longest_callback_seconds": ("How long the longest callback took.", "longest_callback_s"),
}


class LoopCollector:
    """A prometheus-client collector. loops: a mapping of names, which become the label "loop", to fastloop loops.

    A loop that no longer exists drops out. add() adds more loops later.
    """

    def __init__(self, loops):
        self._loops = {}
        for name, loop in loops.items():
            self.add(name, loop)

    def add(self, name, loop):
        """Export one more loop, or put it in the place of the one with this name."""
        if not hasattr(loop, "_statistics_since_made"):
            raise TypeError(f"a fastloop.EventLoop was expected, got {loop!r}")
        self._loops[str(name)] = weakref.ref(loop)

    def collect(self):
        """Return the metrics. prometheus-client calls this for every scrape."""
        found = {name: reference() for name, reference in list(self._loops.items())}
        statistics = {name: loop._statistics_since_made() for name, loop in found.items() if loop is not None}
        yield from (_family(CounterMetricFamily, name, *what, statistics) for name, what in _COUNTERS.items())
        yield from (_family(GaugeMetricFamily, name, *what, statistics) for name, what in _GAUGES.items())


def _family(kind, name, text, source, statistics):
    label, fields = source if isinstance(source, tuple) else (None, {None: source})
    family = kind(f"fastloop_{name}", text, labels=["loop"] if label is None else ["loop", label])
    for loop_name, numbers in statistics.items():
        for value, field in fields.items():
            family.add_metric([loop_name] if label is None else [loop_name, value], getattr(numbers, field))
    return family
