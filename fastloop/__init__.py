"""fastloop: a fast, faithful asyncio event loop.

    fastloop.run(main())

All other names of asyncio are available here too, so a script runs with `import fastloop as asyncio`.
"""

import asyncio as _asyncio
from importlib import import_module as _import_module

try:
    from fastloop import streams as streams
    from fastloop.api.event_loop import EventLoop
except ModuleNotFoundError as _error:
    if not (_error.name or "").startswith("fastloop."):
        raise
    raise ImportError(
        f"{__path__[0]} holds fastloop's sources, which are not compiled: leave their folder, and install fastloop with "
        "`pip install PATH_OF_THE_SOURCES`, or try it with `make test` or `make bench`"
    ) from None
from fastloop.api.loops import get_event_loop, get_running_loop, set_event_loop
from fastloop.api.protocols import BaseProtocol, BufferedProtocol, DatagramProtocol, Protocol, SubprocessProtocol
from fastloop.api.tasks import coroutine, create_task, ensure_future, gather, shield, sleep, wait, wait_for
from fastloop.api.transports import (
    BaseTransport,
    DatagramTransport,
    ReadTransport,
    SubprocessTransport,
    Transport,
    WriteTransport,
)
from fastloop.api.watchdog import watch_as_environment_says as _watch_as_environment_says
from fastloop.api.watchdog import watchdog
from fastloop.core.future import Future
from fastloop.core.handle import Handle
from fastloop.core.task import Task
from fastloop.core.timer_handle import TimerHandle
from fastloop.runner import Runner, new_event_loop, run

__version__ = "0.1.0"

Loop = EventLoop

# Python 3.16 has no policies.
_OF_POLICIES = ("EventLoopPolicy", "install", "uninstall")
_HAS_POLICIES = hasattr(_asyncio.events, "get_event_loop_policy")

# Imported when they are used: streams and dataclasses are a quarter of the time that importing fastloop takes.
_LATER = dict.fromkeys(_OF_POLICIES if _HAS_POLICIES else (), "fastloop.policy") | dict.fromkeys(
    (
        "StreamReader",
        "StreamReaderProtocol",
        "StreamWriter",
        "open_connection",
        "open_unix_connection",
        "start_server",
        "start_unix_server",
    ),
    "fastloop.api.streams",
)
_LATER |= {"BlockReport": "fastloop.api.block_report", "LoopStatistics": "fastloop.core.loop_statistics"}

# asyncio's modules, as under every other name of asyncio. fastloop's packages of the same names have set the attributes.
streams = _asyncio.streams
transports = _asyncio.transports

__all__ = [
    "BaseProtocol",
    "BaseTransport",
    "BlockReport",
    "BufferedProtocol",
    "DatagramProtocol",
    "DatagramTransport",
    "EventLoop",
    "Future",
    "Handle",
    "Loop",
    "LoopStatistics",
    "Protocol",
    "ReadTransport",
    "Runner",
    "StreamReader",
    "StreamReaderProtocol",
    "StreamWriter",
    "SubprocessProtocol",
    "SubprocessTransport",
    "Task",
    "TimerHandle",
    "Transport",
    "WriteTransport",
    "coroutine",
    "create_task",
    "ensure_future",
    "gather",
    "get_event_loop",
    "get_running_loop",
    "new_event_loop",
    "open_connection",
    "open_unix_connection",
    "run",
    "set_event_loop",
    "shield",
    "sleep",
    "start_server",
    "start_unix_server",
    "wait",
    "wait_for",
    "watchdog",
]
__all__ += _OF_POLICIES if _HAS_POLICIES else ()

_watch_as_environment_says()


def __dir__():
    return sorted({*globals(), *__all__, *(name for name in dir(_asyncio) if not name.startswith("_"))})


def __getattr__(name):
    if name == "testing":
        return _import_module("fastloop.testing")
    if name in _LATER:
        globals()[name] = value = getattr(_import_module(_LATER[name]), name)
        return value
    if name in _OF_POLICIES:
        instead = "use fastloop.run(), or asyncio.run() with loop_factory=fastloop.new_event_loop"
        raise AttributeError(f"fastloop has no {name!r} here: Python 3.16 has removed event loop policies; {instead}")
    # asyncio.__all__ is not enough: it has no submodules and, in Python 3.11, no TaskGroup.
    if not name.startswith("_") or name in _asyncio.__all__:
        try:
            return getattr(_asyncio, name)
        except AttributeError:
            pass
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
