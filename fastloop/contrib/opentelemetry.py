"""Loop statistics as OpenTelemetry metrics. The extra `opentelemetry` has what it needs.

    observe(loop, name="main")

The semantic conventions have no names for asyncio. They have some for the event loop of Node.js, and these have the same form:
asyncio.eventloop.time by asyncio.eventloop.state, asyncio.eventloop.utilization. Bytes have the conventions' network.io.direction.

Owns: the names of the instruments.
Promises: no loop is held up or kept alive. Counters only grow, also past loop.statistics(reset=True). A loop that no longer
  exists drops out.
Driven by: the SDK's metric reader, in its thread.
"""

import weakref

from opentelemetry.metrics import Observation, get_meter

# By name without the prefix "asyncio.eventloop.": unit, description, and the fields by their attribute's value.
_COUNTERS = {
    "turns": ("{turn}", "Passes of the loop.", None, {"": "turns"}),
    "callbacks": ("{callback}", "Callbacks that ran, task steps not included.", None, {"": "callbacks"}),
    "task_steps": ("{step}", "How often a task's coroutine was resumed.", None, {"": "task_steps"}),
    "polls": ("{call}", "Questions to the kernel.", None, {"": "polls"}),
    "events": ("{event}", "Events that the kernel reported.", None, {"": "events"}),
    "busy_polls": ("{poll}", "Waits that began by polling for a few microseconds.", None, {"": "busy_polls"}),
    "time": ("s", "Time in the loop.", "asyncio.eventloop.state", {"active": "busy_s", "idle": "asleep_s"}),
    "io": ("By", "Bytes through sockets and pipes.", "network.io.direction", {"receive": "bytes_received", "transmit": "bytes_sent"}),
}
_GAUGES = {
    "utilization": ("1", "The share of its time in which the loop was busy.", None, {"": "utilization"}),
    "ready.max": ("{callback}", "The most callbacks that were ready at once.", None, {"": "most_ready"}),
    "callback.max": ("s", "How long the longest callback took.", None, {"": "longest_callback_s"}),
}
_UP_DOWN_COUNTERS = {
    "timers": ("{timer}", "Timers that wait.", None, {"": "timers"}),
    "descriptors": ("{descriptor}", "Descriptors that the loop watches.", None, {"": "watched_descriptors"}),
    "transports": ("{transport}", "Open transports.", None, {"": "transports"}),
    "tasks": ("{task}", "Tasks that are not done.", None, {"": "tasks"}),
}


def observe(loop, *, name="main", meter=None):
    """Have a meter observe the loop's statistics. Call it once for each loop.

    name: the attribute "asyncio.eventloop.name". meter: by default that of the global meter provider.
    """
    if not hasattr(loop, "_statistics_since_made"):
        raise TypeError(f"a fastloop.EventLoop was expected, got {loop!r}")
    meter = get_meter("fastloop") if meter is None else meter
    reference = weakref.ref(loop)
    for create, instruments in (
        (meter.create_observable_counter, _COUNTERS),
        (meter.create_observable_gauge, _GAUGES),
        (meter.create_observable_up_down_counter, _UP_DOWN_COUNTERS),
    ):
        for instrument, (unit, text, attribute, fields) in instruments.items():
            callback = _observer(reference, name, attribute, fields)
            create(f"asyncio.eventloop.{instrument}", callbacks=[callback], unit=unit, description=text)


def _observer(reference, name, attribute, fields):
    def observations(options):
        loop = reference()
        if loop is None:
            return
        statistics = loop._statistics_since_made()
        for value, field in fields.items():
            labels = {"asyncio.eventloop.name": name} | ({} if attribute is None else {attribute: value})
            yield Observation(getattr(statistics, field), labels)

    return observations
