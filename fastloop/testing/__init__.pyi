# Types of fastloop.testing.

from collections.abc import Coroutine
from typing import Any, TypeVar

import fastloop

_T = TypeVar("_T")

class Deadlock(RuntimeError): ...

class EventLoop(fastloop.EventLoop):
    def __init__(self, *, io_grace_s: float = 0.001) -> None: ...

def run(main: Coroutine[Any, Any, _T], *, debug: bool | None = None, io_grace_s: float = 0.001) -> _T: ...

__all__ = ["Deadlock", "EventLoop", "run"]
