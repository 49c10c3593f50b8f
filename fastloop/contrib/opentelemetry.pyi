"""The types of opentelemetry.py."""

from opentelemetry.metrics import Meter

from fastloop import EventLoop

def observe(loop: EventLoop, *, name: str = ..., meter: Meter | None = None) -> None: ...
