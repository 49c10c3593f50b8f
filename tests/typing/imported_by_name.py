"""A program that imports fastloop by its name, checked by `mypy --strict` and run by tests/test_typing.py.

Each `type: ignore` marks a mistake that the types must find: mypy complains about one that has nothing to ignore.
"""

import asyncio
import contextvars
import selectors
from collections.abc import Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any, assert_type

import fastloop

counter: contextvars.ContextVar[int] = contextvars.ContextVar("counter", default=0)


async def answer() -> int:
    await asyncio.sleep(0)
    return 42


# ---- coroutine() ----


@fastloop.coroutine
def from_generator(count: int, *, name: str = "") -> Generator[Any, Any, str]:
    yield from fastloop.sleep(0).__await__()
    return name * count


@fastloop.coroutine
def from_plain_function(value: float) -> float:
    return value / 2


@fastloop.coroutine
async def from_coroutine_function(value: bytes) -> bytes:
    return value


async def decorated() -> None:
    waiting: Coroutine[Any, Any, str] = from_generator(2, name="a")
    assert_type(await waiting, str)
    assert_type(await from_plain_function(3), float)
    assert_type(await from_coroutine_function(b""), bytes)
    if TYPE_CHECKING:
        await from_generator("2")  # type: ignore[arg-type]
        await from_plain_function()  # type: ignore[call-arg]


# ---- futures and tasks ----


class NamedFuture(fastloop.Future[str]):
    name = "named"


def take_native_task(task: asyncio.Task[int]) -> str:
    return task.get_name()


def take_task(task: fastloop.Task[int]) -> str:
    return task.get_name()


async def futures_and_tasks() -> None:
    loop = fastloop.get_running_loop()
    future: fastloop.Future[int] = loop.create_future()
    loop.call_soon(future.set_result, 1)
    assert_type(await future, int)

    task = loop.create_task(answer())
    # Tasks of either import fit annotations of either.
    assert take_task(task) == take_native_task(task)
    task.add_done_callback(lambda done: print(done.result() + 1))
    assert_type(await task, int)

    own: fastloop.Task[int] = fastloop.Task(answer(), loop=loop, name="own")
    assert_type(await own, int)
    named = NamedFuture(loop=loop)
    named.set_result(named.name)
    assert_type(await named, str)
    assert_type(await fastloop.gather(answer(), from_plain_function(1.0)), tuple[int, float])
    done, pending = await fastloop.wait([fastloop.create_task(answer())])
    assert_type(done.pop().result(), int)
    if TYPE_CHECKING:
        future.set_result("1")  # type: ignore[arg-type]
        fastloop.Task(answer)  # type: ignore[arg-type]


# ---- the loop ----


def make_custom_loop() -> fastloop.Loop:
    return fastloop.EventLoop(busy_poll_us=0)


def statistics(loop: fastloop.EventLoop) -> fastloop.LoopStatistics:
    statistics = loop.statistics(reset=True)
    assert_type(statistics.longest_callback, str | None)
    assert_type(statistics.utilization, float)
    statistics.turns = 0  # type: ignore[misc]
    return statistics


def callbacks(loop: fastloop.EventLoop) -> None:
    handle: fastloop.Handle = loop.call_soon(print, "soon", context=contextvars.copy_context())
    timer: fastloop.TimerHandle = loop.call_later(0.001, loop.stop)
    native_timer: asyncio.TimerHandle = loop.call_at(loop.time() + 60, print)
    loop.call_soon_threadsafe(print, "from a thread")
    native_timer.cancel()
    loop.run_forever()
    assert_type(timer.when(), float)
    assert_type(handle.cancelled(), bool)


def loops() -> None:
    loop: asyncio.AbstractEventLoop = fastloop.new_event_loop()
    assert isinstance(loop, fastloop.Loop)
    fastloop.set_event_loop(loop)
    assert_type(fastloop.get_event_loop(), asyncio.AbstractEventLoop)
    callbacks(loop)
    assert_type(loop.run_until_complete(answer()), int)
    loop.run_until_complete(decorated())
    loop.run_until_complete(streams())
    fastloop.set_event_loop(None)
    loop.close()


# ---- streams ----


async def serve(reader: fastloop.StreamReader, writer: fastloop.StreamWriter) -> None:
    async for line in reader:
        assert_type(line, bytes)
        writer.write(line)
        await writer.drain()
    writer.close()


def serve_natively(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


class Reader(fastloop.StreamReader):
    name = "named"


async def streams() -> None:
    async with await fastloop.start_server(serve, "127.0.0.1", 0, limit=1000) as server:
        reader, writer = await fastloop.open_connection(*server.sockets[0].getsockname(), family=0)
        assert_type(reader, fastloop.StreamReader)
        native: tuple[asyncio.StreamReader, asyncio.StreamWriter] = (reader, writer)
        native[1].write(b"one\ntwo.")
        writer.write_eof()
        assert_type(await reader.readline(), bytes)
        assert_type(await reader.readuntil((b",", b".")), bytes)
        assert_type(await asyncio.create_task(reader.read(5)), bytes)
        writer.close()
        await writer.wait_closed()
    if TYPE_CHECKING:
        await fastloop.start_unix_server(serve_natively, path="socket")
        await fastloop.open_unix_connection("socket", limit="1")  # type: ignore[arg-type]
        await reader.readuntil(5)  # type: ignore[arg-type]


# ---- running ----


def running() -> None:
    factory: Callable[[], asyncio.AbstractEventLoop] = fastloop.new_event_loop
    assert_type(fastloop.run(answer()), int)
    assert_type(fastloop.run(answer(), debug=True, loop_factory=make_custom_loop), int)
    with fastloop.Runner(debug=False, loop_factory=factory) as runner:
        assert_type(runner.run(answer()), int)
    with asyncio.Runner(loop_factory=fastloop.new_event_loop) as native_runner:
        native_runner.run(futures_and_tasks())
    if TYPE_CHECKING:
        fastloop.run(answer)  # type: ignore[arg-type]
        fastloop.run(answer(), True)  # type: ignore[call-arg]
        fastloop.EventLoop(selector=selectors.DefaultSelector())  # type: ignore[arg-type]


def policies() -> None:
    asyncio.set_event_loop_policy(fastloop.EventLoopPolicy())
    assert_type(fastloop.EventLoopPolicy().new_event_loop(), fastloop.EventLoop)
    fastloop.install()
    fastloop.uninstall()


if __name__ == "__main__":
    loops()
    running()
