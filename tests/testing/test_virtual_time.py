"""fastloop.testing: the clock jumps, timers keep their order and their moments, and real work still gets its time."""

import asyncio
import concurrent.futures
import math
import signal
import socket
import sys
import threading
import time

import pytest

import fastloop
from fastloop import testing

pytestmark = pytest.mark.fastloop_only
HOUR_S = 3600


def test_a_thousand_sleeps_of_an_hour_take_no_time():
    async def main():
        for _ in range(1000):
            await asyncio.sleep(HOUR_S)
        return asyncio.get_running_loop().time()

    began_s = time.monotonic()
    assert testing.run(main()) == 1000 * HOUR_S
    # Without jumps this takes six weeks.
    assert time.monotonic() - began_s < HOUR_S


def test_timers_run_at_exactly_their_moments():
    moments = [0.1, 0.30000000000000004, 7, 1e9, 0, -5]

    async def main():
        loop, seen = asyncio.get_running_loop(), []
        for moment in moments:
            loop.call_at(moment, lambda: seen.append(loop.time()))
        await asyncio.sleep(2e9)
        return seen

    assert testing.run(main()) == [0, 0, 0.1, 0.30000000000000004, 7, 1e9]


@pytest.mark.parametrize("debug", [False, True])
def test_timeouts_follow_the_virtual_clock(debug):
    async def main():
        loop = asyncio.get_running_loop()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await asyncio.sleep(HOUR_S)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(loop.create_future(), 30)
        done, pending = await asyncio.wait({asyncio.create_task(asyncio.sleep(HOUR_S))}, timeout=10)
        return loop.time(), len(done), len(pending), loop.get_debug()

    assert testing.run(main(), debug=debug) == (100, 0, 1, debug)


def test_own_clocks_may_say_how_long_to_wait():
    class Loop(fastloop.EventLoop):
        def time(self):
            return super().time() + 1000

    loop = Loop()
    try:
        began_s = loop.time()
        loop.run_until_complete(asyncio.sleep(0.001))
        assert loop.time() > began_s
    finally:
        loop.close()


# ---- equal programs, equal traces ----


async def many_tasks(trace):
    queue, lock = asyncio.Queue(3), asyncio.Lock()
    now = asyncio.get_running_loop().time

    async def produce(number):
        for item in range(5):
            await asyncio.sleep(0.1 * (number % 4))
            await queue.put((number, item))
            trace.append((now(), "put", number, item))

    async def consume(number):
        while True:
            try:
                item = await asyncio.wait_for(queue.get(), 1)
            except TimeoutError:
                trace.append((now(), "late", number))
                return
            async with lock:
                await asyncio.sleep(0.01)
            trace.append((now(), "got", number, item))

    await asyncio.gather(*map(produce, range(20)), *map(consume, range(7)), asyncio.to_thread(int))


def test_equal_programs_give_equal_traces():
    traces = [[], [], []]
    for trace in traces:
        testing.run(many_tasks(trace), debug=trace is traces[2])
    assert len(traces[0]) > 200 and traces[0] == traces[1] == traces[2]


async def race_of_wait_for(unit_s, trace):
    loop = asyncio.get_running_loop()
    start_s = loop.time()
    for name, ready_at, limit in [("won", 1, 2), ("lost", 4, 3), ("cut", 6, 5)]:
        future = loop.create_future()
        loop.call_at(start_s + ready_at * unit_s, lambda future=future: future.done() or future.set_result(None))
        try:
            await asyncio.wait_for(future, start_s + limit * unit_s - loop.time())
            trace.append(name)
        except TimeoutError:
            trace.append(f"not {name}")


async def equal_moments(unit_s, trace):
    when = asyncio.get_running_loop().time() + unit_s
    for number in range(5):
        asyncio.get_running_loop().call_at(when, trace.append, number)
    await asyncio.sleep(2 * unit_s)
    trace.append("end")


async def cancelled_at_its_deadline(unit_s, trace):
    loop = asyncio.get_running_loop()
    when = loop.time() + unit_s

    async def child(name):
        try:
            async with asyncio.timeout_at(when):
                await asyncio.sleep(10 * unit_s)
        except BaseException as error:
            trace.append((name, type(error)))
            raise

    before = asyncio.create_task(child("before"))
    loop.call_at(when, before.cancel)
    after = asyncio.create_task(child("after"))
    await asyncio.sleep(0)
    loop.call_at(when, after.cancel)
    trace.extend(map(type, await asyncio.gather(before, after, return_exceptions=True)))


async def staggered(unit_s, trace):
    start_s = asyncio.get_running_loop().time()

    async def child(number):
        await asyncio.sleep(start_s + number * unit_s - asyncio.get_running_loop().time())
        trace.append(number)
        await asyncio.sleep(0)
        trace.append(-number)

    async with asyncio.TaskGroup() as group:
        for number in (3, 1, 4, 1, 5):
            group.create_task(child(number))


# asyncio's own heap does not keep the order of equal moments.
@pytest.mark.parametrize(
    "program, real_loop",
    [
        (race_of_wait_for, asyncio.SelectorEventLoop),
        (cancelled_at_its_deadline, fastloop.EventLoop),
        (staggered, asyncio.SelectorEventLoop),
        (equal_moments, fastloop.EventLoop),
    ],
)
def test_the_order_is_that_of_real_time(program, real_loop):
    virtual, real = [], []
    testing.run(program(HOUR_S, virtual))
    # On a busy machine a loop may wake up so late that two moments fall together.
    for unit_s in (0.02, 0.1, 0.5):
        real.clear()
        with asyncio.Runner(loop_factory=real_loop) as runner:
            runner.run(program(unit_s, real))
        if real == virtual:
            break
    assert virtual == real != []


# ---- what happens outside of the loop ----


def test_an_executor_gets_its_real_time():
    async def main():
        loop = asyncio.get_running_loop()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            await asyncio.wait_for(loop.run_in_executor(pool, time.sleep, 0.05), HOUR_S)
        await asyncio.wait_for(asyncio.to_thread(time.sleep, 0.05), HOUR_S)
        await asyncio.wait_for(loop.getaddrinfo("localhost", 80), HOUR_S)
        return loop.time()

    assert testing.run(main()) == 0


def test_a_timer_runs_while_an_executor_waits_for_it():
    async def main():
        released = threading.Event()
        asyncio.get_running_loop().call_later(0.01, released.set)
        await asyncio.to_thread(released.wait)
        return asyncio.get_running_loop().time()

    assert testing.run(main()) == 0.01


def test_a_child_process_gets_its_real_time():
    async def main():
        async with asyncio.timeout(HOUR_S):
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-c", "import time; time.sleep(0.05); print('done')", stdout=asyncio.subprocess.PIPE
            )
            output, _ = await child.communicate()
        return output, child.returncode, asyncio.get_running_loop().time()

    assert testing.run(main()) == (b"done\n", 0, 0)


def test_peers_in_the_same_loop_answer_before_any_jump():
    async def answer(reader, writer):
        while line := await reader.readline():
            await asyncio.sleep(HOUR_S)
            writer.write(line)
        writer.close()

    async def main():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            for _ in range(20):
                writer.write(b"hello\n")
                async with asyncio.timeout(HOUR_S + 1):
                    assert await reader.readline() == b"hello\n"
            writer.close()
            await writer.wait_closed()
        return asyncio.get_running_loop().time()

    assert testing.run(main()) == 20 * HOUR_S


def test_sockets_of_others_count_as_work_with_an_infinite_grace():
    async def main():
        loop = asyncio.get_running_loop()
        own.setblocking(False)
        async with asyncio.timeout(HOUR_S):
            return await loop.sock_recv(own, 1), loop.time()

    own, peer = socket.socketpair()
    with own, peer:
        with pytest.raises(TimeoutError):
            testing.run(main(), io_grace_s=0)
        thread = threading.Timer(0.05, peer.send, [b"x"])
        thread.start()
        assert testing.run(main(), io_grace_s=math.inf) == (b"x", 0)
        thread.join()


def test_a_thread_may_call_a_loop_that_has_no_timer():
    async def main():
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        thread = threading.Timer(0.05, loop.call_soon_threadsafe, [future.set_result, "called"])
        thread.start()
        return await future

    assert testing.run(main()) == "called"


def test_ctrl_c_ends_a_wait_in_real_time():
    async def main():
        threading.Timer(0.05, signal.pthread_kill, [threading.get_ident(), signal.SIGINT]).start()
        await asyncio.get_running_loop().create_future()

    with pytest.raises(KeyboardInterrupt):
        testing.run(main())


# ---- deadlocks ----


async def get_from(queue):
    await queue.get()


async def wait_for_each_other():
    queue, lock = asyncio.Queue(), asyncio.Lock()
    await lock.acquire()
    locked = asyncio.create_task(lock.acquire(), name="locked")
    getter = asyncio.create_task(get_from(queue), name="getter")
    await asyncio.gather(locked, getter)


def test_a_deadlock_says_what_each_task_waits_for():
    began_s = time.monotonic()
    with pytest.raises(testing.Deadlock, match="3 tasks wait") as caught:
        testing.run(wait_for_each_other())
    text = str(caught.value)
    assert time.monotonic() - began_s < HOUR_S
    for part in ("locked: Lock.acquire() at", "getter: get_from() at", "-> Queue.get() at", "wait_for_each_other() at", __file__):
        assert part in text, text


def test_an_endless_timer_is_no_way_out_of_a_deadlock():
    async def main():
        asyncio.get_running_loop().call_at(math.inf, print)
        await asyncio.sleep(HOUR_S)
        await asyncio.to_thread(int)
        await asyncio.get_running_loop().create_future()

    with pytest.raises(testing.Deadlock, match="1 task waits"):
        testing.run(main())


def test_a_deadlock_is_noticed_once_the_last_thread_has_ended():
    async def main():
        threading.Timer(0.05, int).start()
        await asyncio.Event().wait()

    with pytest.raises(testing.Deadlock, match="Event.wait"):
        testing.run(main())


def test_a_run_without_tasks_that_nothing_ends_is_a_deadlock():
    loop = testing.EventLoop()
    try:
        with pytest.raises(testing.Deadlock, match="no task"):
            loop.run_forever()
        assert loop.run_until_complete(asyncio.sleep(HOUR_S, "goes on")) == "goes on"
    finally:
        loop.close()


# ---- making one ----


def test_it_is_a_loop_of_fastloop_and_a_factory():
    with asyncio.Runner(loop_factory=testing.EventLoop) as runner:
        assert isinstance(runner.get_loop(), fastloop.EventLoop)
        assert runner.run(asyncio.sleep(HOUR_S, 7)) == 7


@pytest.mark.parametrize(
    "value, error, text",
    [(-1, ValueError, "0 or more"), (math.nan, ValueError, "0 or more"), ("1", TypeError, "not str"), (True, TypeError, "not bool")],
)
def test_a_wrong_grace_is_refused(value, error, text):
    with pytest.raises(error, match=text):
        testing.EventLoop(io_grace_s=value)


def test_run_is_refused_inside_of_a_loop():
    async def main():
        coroutine = asyncio.sleep(0)
        try:
            testing.run(coroutine)
        finally:
            coroutine.close()

    with pytest.raises(RuntimeError, match="cannot be called from a running"):
        testing.run(main())
