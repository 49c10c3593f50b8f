"""Runs loops within loops by nest_asyncio, which patches asyncio for the whole process: test_nest_asyncio.py starts it as a process.

Usage: python nested_runs.py fastloop|asyncio CASE. Prints "passed" if the case holds.
"""

import asyncio
import contextvars
import faulthandler
import inspect
import socket
import sys
import threading

import nest_asyncio

# Long before the test gives up, and with the stack.
faulthandler.dump_traceback_later(40, exit=True)

CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def new_event_loop():
    if sys.argv[1] == "asyncio":
        return asyncio.SelectorEventLoop()
    import fastloop

    return fastloop.new_event_loop()


def run(coroutine):
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(coroutine)


def nested(coroutine):
    """Run the coroutine from within a callback or a task of the running loop."""
    return asyncio.get_running_loop().run_until_complete(coroutine)


async def three_deep(innermost):
    async def second():
        return nested(innermost())

    async def first():
        await asyncio.sleep(0)
        return nested(second())

    nest_asyncio.apply()
    return nested(first())


async def sleep_and_answer(delay_s=0.001):
    await asyncio.sleep(delay_s)
    return 7


@case
async def result_comes_through_three_runs():
    assert await three_deep(sleep_and_answer) == 7


@case
async def exception_comes_through_three_runs():
    async def fail():
        await asyncio.sleep(0)
        raise ZeroDivisionError

    try:
        answer = await three_deep(fail)
    except ZeroDivisionError:
        answer = await sleep_and_answer()
    assert answer == 7


@case
async def tasks_of_the_outer_runs_go_on_meanwhile():
    ticks = []

    async def tick():
        while True:
            ticks.append(None)
            await asyncio.sleep(0.001)

    async def wait_for_ticks():
        begun_with = len(ticks)
        while len(ticks) < begun_with + 5:
            await asyncio.sleep(0)
        return 7

    ticking = asyncio.ensure_future(tick())
    assert await three_deep(wait_for_ticks) == 7
    ticking.cancel()


@case
async def each_task_is_the_current_one_in_its_own_steps():
    outermost = asyncio.current_task()

    async def innermost():
        own = asyncio.current_task()
        assert own is not outermost
        await asyncio.sleep(0.001)
        assert asyncio.current_task() is own
        return own

    inner = await three_deep(innermost)
    assert asyncio.current_task() is outermost
    await asyncio.sleep(0)
    assert asyncio.current_task() is outermost
    assert inner.done()
    async with asyncio.timeout(20):
        await asyncio.sleep(0.001)


@case
async def callbacks_have_no_current_task_and_their_own_context():
    variable = contextvars.ContextVar("variable", default="outer")

    seen = []

    def look():
        seen.append((asyncio.current_task(), variable.get()))

    async def innermost():
        loop = asyncio.get_running_loop()
        variable.set("inner")
        loop.call_soon(look)
        variable.set("later")
        while not seen:
            await asyncio.sleep(0)

    asyncio.get_running_loop().call_soon(look)
    await three_deep(innermost)
    while len(seen) < 2:
        await asyncio.sleep(0)
    assert seen == [(None, "outer"), (None, "inner")]
    assert variable.get() == "outer"


@case
async def run_from_a_callback():
    nest_asyncio.apply()
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    loop.call_soon(lambda: done.set_result(nested(sleep_and_answer())))
    assert await done == 7


@case
async def timers_fire_in_their_order():
    async def innermost():
        loop, fired = asyncio.get_running_loop(), []
        begun = loop.time()
        cancelled = loop.call_later(0.001, fired.append, "cancelled")
        for delay_ms in (30, 10, 20):
            loop.call_later(delay_ms / 1000, fired.append, delay_ms)
        cancelled.cancel()
        while len(fired) < 3:
            await asyncio.sleep(0.005)
        assert loop.time() - begun >= 0.03
        return fired

    assert await three_deep(innermost) == [10, 20, 30]


@case
async def threads_wake_a_nested_run():
    async def innermost():
        loop = asyncio.get_running_loop()
        woken = loop.create_future()
        thread = threading.Timer(0.05, loop.call_soon_threadsafe, (woken.set_result, 3))
        thread.start()
        answer = await woken + await loop.run_in_executor(None, int, "4")
        thread.join()
        return answer

    assert await three_deep(innermost) == 7


@case
async def streams_work_in_a_nested_run_and_after_it():
    async def echo(reader, writer):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    outer_reader, outer_writer = await asyncio.open_connection(*address)

    async def innermost():
        reader, writer = await asyncio.open_connection(*address)
        data = bytes(range(256)) * 4000
        writer.write(data)
        assert await reader.readexactly(len(data)) == data
        writer.close()
        # What the outer run had written leaves too.
        return await outer_reader.readexactly(5)

    outer_writer.write(b"early")
    assert await three_deep(innermost) == b"early"
    outer_writer.write(b"late")
    assert await outer_reader.readexactly(4) == b"late"
    outer_writer.close()
    server.close()


@case
async def protocol_runs_the_loop_while_it_receives():
    class Server(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, data):
            self.transport.write(b"%d" % nested(sleep_and_answer()) + data)

    nest_asyncio.apply()
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    streams = [await asyncio.open_connection(*server.sockets[0].getsockname()) for _ in range(5)]
    for number, (_, writer) in enumerate(streams):
        writer.write(b"%d" % number)
    for number, (reader, writer) in enumerate(streams):
        assert await reader.readexactly(2) == b"7%d" % number
        writer.close()
    server.close()


@case
async def raw_sockets_and_readers_work_in_a_nested_run():
    async def innermost():
        loop = asyncio.get_running_loop()
        left, right = socket.socketpair()
        with left, right:
            left.setblocking(False)
            right.setblocking(False)
            receiving = asyncio.ensure_future(loop.sock_recv(left, 100))
            await asyncio.sleep(0)
            await loop.sock_sendall(right, b"data")
            assert await receiving == b"data"
            readable = loop.create_future()
            loop.add_reader(right, readable.set_result, 7)
            left.send(b"x")
            answer = await readable
            loop.remove_reader(right)
        return answer

    assert await three_deep(innermost) == 7


@case
async def gathered_tasks_each_run_the_loop():
    async def nest(depth):
        await asyncio.sleep(0)
        return depth if depth == 0 else 1 + nested(nest(depth - 1))

    nest_asyncio.apply()
    assert await asyncio.gather(*(nest(3) for _ in range(4))) == [3, 3, 3, 3]


@case
async def stop_within_a_nested_run_is_reported():
    nest_asyncio.apply()
    loop = asyncio.get_running_loop()
    never = loop.create_future()
    loop.call_soon(loop.stop)
    try:
        answer = nested(never)
    except RuntimeError as error:
        assert "stopped" in str(error)
        loop._stopping = False
        answer = await sleep_and_answer()
    assert answer == 7


@case
async def debug_mode():
    asyncio.get_running_loop().set_debug(True)
    assert await three_deep(sleep_and_answer) == 7


@case
def loop_patched_before_it_runs():
    loop = new_event_loop()
    asyncio.set_event_loop(loop)
    nest_asyncio.apply(loop)

    async def main():
        return nested(sleep_and_answer()) + await sleep_and_answer()

    assert loop.run_until_complete(main()) == 14
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert not loop.is_running()
    loop.close()


@case
def later_loops_are_as_ever():
    assert run(three_deep(sleep_and_answer)) == 7

    async def main():
        async with asyncio.timeout(20):
            answers = await asyncio.gather(*(sleep_and_answer() for _ in range(10)))
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert await reader.read() == b""
        writer.close()
        server.close()
        return sum(answers)

    assert run(main()) == 70
    loop = new_event_loop()
    assert loop.run_until_complete(sleep_and_answer()) == 7
    loop.close()


if __name__ == "__main__":
    chosen = CASES[sys.argv[2]]
    run(chosen()) if inspect.iscoroutinefunction(chosen) else chosen()
    print("passed")
