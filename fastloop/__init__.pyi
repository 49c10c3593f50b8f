"""The types of everything that `import fastloop` has.

An object that is asyncio's own at run time has asyncio's type here, and fastloop passes on all of asyncio's names.
Future, Task, Handle and TimerHandle are asyncio's types too, although the objects are fastloop's. isinstance() accepts
them as asyncio's. In this way values of both imports, and annotations written for either, fit each other.
"""

# ruff: noqa: F403

import sys
from asyncio import Runner as _AsyncioRunner
from asyncio import StreamReader as _AsyncioStreamReader
from asyncio import StreamReaderProtocol as _AsyncioStreamReaderProtocol
from asyncio import StreamWriter as _AsyncioStreamWriter
from asyncio import coroutines as coroutines
from asyncio import events as events
from asyncio import exceptions as exceptions
from asyncio import futures as futures
from asyncio import locks as locks
from asyncio import protocols as protocols
from asyncio import queues as queues
from asyncio import streams as streams
from asyncio import subprocess as subprocess
from asyncio import tasks as tasks
from asyncio import transports as transports

# By submodule, because a name must not be imported twice. Those with a namesake below are left out.
from asyncio.base_events import *
from asyncio.base_events import Server as Server
from asyncio.coroutines import *
from asyncio.events import AbstractEventLoop as AbstractEventLoop
from asyncio.events import AbstractServer as AbstractServer
from asyncio.events import Handle as Handle
from asyncio.events import TimerHandle as TimerHandle
from asyncio.events import get_event_loop_policy as get_event_loop_policy
from asyncio.events import get_running_loop as get_running_loop
from asyncio.events import set_event_loop as set_event_loop
from asyncio.events import set_event_loop_policy as set_event_loop_policy
from asyncio.exceptions import *
from asyncio.futures import *
from asyncio.locks import *
from asyncio.protocols import *
from asyncio.queues import *
from asyncio.subprocess import *
from asyncio.taskgroups import *
from asyncio.tasks import *
from asyncio.threads import *
from asyncio.timeouts import *
from asyncio.transports import *
from asyncio.unix_events import SelectorEventLoop as SelectorEventLoop
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from os import PathLike
from traceback import StackSummary
from typing import Any, ParamSpec, TypeAlias, TypeVar, overload

from _typeshed import ReadableBuffer

from fastloop import testing as testing
from fastloop.core.loop_statistics import LoopStatistics as LoopStatistics

if sys.version_info >= (3, 14):
    from asyncio.graph import *
else:
    from asyncio.events import get_child_watcher as get_child_watcher
    from asyncio.events import set_child_watcher as set_child_watcher
    from asyncio.unix_events import AbstractChildWatcher as AbstractChildWatcher
    from asyncio.unix_events import FastChildWatcher as FastChildWatcher
    from asyncio.unix_events import MultiLoopChildWatcher as MultiLoopChildWatcher
    from asyncio.unix_events import PidfdChildWatcher as PidfdChildWatcher
    from asyncio.unix_events import SafeChildWatcher as SafeChildWatcher
    from asyncio.unix_events import ThreadedChildWatcher as ThreadedChildWatcher

if sys.version_info < (3, 16):
    from asyncio import AbstractEventLoopPolicy as AbstractEventLoopPolicy
    from asyncio import DefaultEventLoopPolicy as DefaultEventLoopPolicy
    from asyncio.unix_events import _UnixDefaultEventLoopPolicy

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Path: TypeAlias = str | bytes | PathLike[str] | PathLike[bytes]

# What asyncio.Runner.run() takes.
if sys.version_info >= (3, 14):
    _Main: TypeAlias = Awaitable[_T]
else:
    _Main: TypeAlias = Coroutine[Any, Any, _T]

__version__: str

# ---- the loop ----

class EventLoop(SelectorEventLoop):
    # asyncio's takes a selector.
    def __init__(self, selector: None = ..., *, busy_poll_us: int | None = None) -> None: ...
    def statistics(self, reset: bool = False) -> LoopStatistics: ...

Loop = EventLoop

def new_event_loop() -> EventLoop: ...

# A loop that somebody else set is returned as well.
def get_event_loop() -> AbstractEventLoop: ...

# ---- running ----

def run(main: _Main[_T], *, debug: bool | None = None, loop_factory: Callable[[], AbstractEventLoop] | None = ...) -> _T: ...

# Final for type checkers only.
class Runner(_AsyncioRunner):  # type: ignore[misc]
    def __init__(self, *, debug: bool | None = None, loop_factory: Callable[[], AbstractEventLoop] | None = ...) -> None: ...

if sys.version_info < (3, 16):
    class EventLoopPolicy(_UnixDefaultEventLoopPolicy):
        def new_event_loop(self) -> EventLoop: ...

    def install() -> None: ...
    def uninstall() -> None: ...

# ---- a watchdog ----

@dataclass(frozen=True, slots=True, kw_only=True)
class BlockReport:
    loop: AbstractEventLoop
    duration_s: float
    has_ended: bool
    callback: str | None
    task_name: str | None
    thread_name: str
    stack: StackSummary
    task_stack: StackSummary

def watchdog(
    loop: AbstractEventLoop | None = None, threshold_s: float = 0.1, on_block: Callable[[BlockReport], object] | None = None
) -> AbstractContextManager[None]: ...

# ---- streams ----

# asyncio's functions make asyncio's classes. At run time fastloop's classes are subclasses of these.
class StreamReader(_AsyncioStreamReader):
    # Also before Python 3.13.
    async def readuntil(self, separator: ReadableBuffer | tuple[ReadableBuffer, ...] = ...) -> bytes: ...

class StreamWriter(_AsyncioStreamWriter):
    pass

_Connected: TypeAlias = Callable[[StreamReader, StreamWriter], Any]

class StreamReaderProtocol(_AsyncioStreamReaderProtocol):
    pass

async def open_connection(
    host: str | None = None, port: int | str | None = None, *, limit: int = 65536, ssl_handshake_timeout: float | None = ..., **kwds: Any
) -> tuple[StreamReader, StreamWriter]: ...
async def start_server(
    client_connected_cb: _Connected,
    host: str | Sequence[str] | None = None,
    port: int | str | None = None,
    *,
    limit: int = 65536,
    ssl_handshake_timeout: float | None = ...,
    **kwds: Any,
) -> Server: ...
async def open_unix_connection(path: _Path | None = None, *, limit: int = 65536, **kwds: Any) -> tuple[StreamReader, StreamWriter]: ...
async def start_unix_server(client_connected_cb: _Connected, path: _Path | None = None, *, limit: int = 65536, **kwds: Any) -> Server: ...

# ---- coroutines ----

# The order matters: a generator function, a function that returns an awaitable, any other function.
@overload
def coroutine(function: Callable[_P, Generator[Any, Any, _T]]) -> Callable[_P, Coroutine[Any, Any, _T]]: ...
@overload
def coroutine(function: Callable[_P, Awaitable[_T]]) -> Callable[_P, Coroutine[Any, Any, _T]]: ...
@overload
def coroutine(function: Callable[_P, _T]) -> Callable[_P, Coroutine[Any, Any, _T]]: ...
