"""The types of prometheus.py."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import Metric

from fastloop import EventLoop

class LoopCollector:
    def __init__(self, loops: Mapping[str, EventLoop]) -> None: ...
    def add(self, name: str, loop: EventLoop) -> None: ...
    def collect(self) -> Iterator[Metric]: ...
