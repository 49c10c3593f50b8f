"""Four loops in four threads that call each other, cancel, and use executors and sockets: everything arrives exactly once."""

import asyncio
import contextlib
import gc
import os
import random
import threading
import time

from actors.coroutines import cancel

LOOP_COUNT = 4
# What each worker does at least once, and then until the time is over.
PATIENCE_S = 30


class Member:
    """One of the loops, what it offers to the others, and what it does to them."""

    def __init__(self, number, loop, folder):
        self.number = number
        self.loop = loop
        self.path = os.path.join(folder, f"{number}.socket")
        self.random = random.Random(number)
        # What arrived, by sender; written in this loop's thread only.
        self.arrived = [[] for _ in range(LOOP_COUNT)]
        self.sent = [0] * LOOP_COUNT
        self.done = dict.fromkeys(WORKERS, 0)

    # ---- what it offers ----

    async def serve(self):
        self.server = await asyncio.start_server(echo, "127.0.0.1", 0)
        self.unix_server = await asyncio.start_unix_server(echo, self.path)
        self.address = self.server.sockets[0].getsockname()

    def note(self, sender, number):
        self.arrived[sender].append(number)

    async def double(self, number):
        await asyncio.sleep(0)
        return 2 * number

    # ---- what it does ----

    def other(self, members):
        return self.random.choice([member for member in members if member is not self])

    async def push(self, members):
        for _ in range(100):
            other = self.other(members)
            other.loop.call_soon_threadsafe(other.note, self.number, self.sent[other.number])
            self.sent[other.number] += 1
        await asyncio.sleep(0)

    async def cancel_pushes(self, members):
        def run():
            runs.append(1)

        runs = []
        handles = [self.other(members).loop.call_soon_threadsafe(run) for _ in range(20)]
        await asyncio.sleep(0)
        for handle in handles:
            handle.cancel()
        assert len(runs) <= len(handles)

    async def call(self, members):
        number = self.random.randrange(1000)
        other = self.other(members)
        calls = [asyncio.run_coroutine_threadsafe(other.double(number), other.loop) for _ in range(5)]
        answers = await asyncio.gather(*map(asyncio.wrap_future, calls))
        assert answers == [2 * number] * 5

    async def cancel_calls(self, members):
        call = asyncio.run_coroutine_threadsafe(asyncio.sleep(1000), self.other(members).loop)
        waiter = asyncio.wrap_future(call)
        await asyncio.sleep(self.random.random() / 1000)
        await cancel(waiter)

    async def execute(self, members):
        number = self.random.randrange(1000)
        works = [self.loop.run_in_executor(None, abs, -number) for _ in range(10)]
        cancelled = [work for work in works if self.random.random() < 0.3 and work.cancel()]
        for work in works:
            if work not in cancelled:
                assert await work == number

    async def use_tcp(self, members):
        await exchange(await asyncio.open_connection(*self.other(members).address), self.random)

    async def use_unix(self, members):
        await exchange(await asyncio.open_unix_connection(self.other(members).path), self.random)

    # ---- its life ----

    async def run(self, members, all_ready, end):
        await self.serve()
        await self.loop.run_in_executor(None, all_ready.wait)
        await asyncio.gather(*[self.repeat(name, members, end) for name in WORKERS])
        # Nobody calls any more once all have come here; what was pushed before is taken over before this resumes.
        await self.loop.run_in_executor(None, all_ready.wait)
        for server in (self.server, self.unix_server):
            server.close()
            await server.wait_closed()
        await self.loop.shutdown_default_executor()

    async def repeat(self, name, members, end):
        while not self.done[name] or time.monotonic() < end:
            async with asyncio.timeout(PATIENCE_S):
                await getattr(self, name)(members)
            self.done[name] += 1
            await asyncio.sleep(0)


WORKERS = ["push", "cancel_pushes", "call", "cancel_calls", "execute", "use_tcp", "use_unix"]


async def echo(reader, writer):
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
    await writer.wait_closed()


async def exchange(streams, random_numbers):
    """Send data of many sizes, and read all of it again."""
    reader, writer = streams
    for _ in range(5):
        data = random_numbers.randbytes(random_numbers.choice([1, 100, 5000, 200_000]))
        writer.write(data)
        assert await reader.readexactly(len(data)) == data
    writer.close()
    await writer.wait_closed()


def test_four_loops_that_use_each_other_lose_nothing(quiet_loop, in_threads, seconds, tmp_path):
    members = [Member(number, quiet_loop(), tmp_path) for number in range(LOOP_COUNT)]
    all_ready = threading.Barrier(LOOP_COUNT, timeout=seconds + PATIENCE_S)
    end = time.monotonic() + seconds

    def run(member):
        with asyncio.Runner(loop_factory=lambda: member.loop) as runner:
            runner.run(member.run(members, all_ready, end))

    threads = in_threads(run, *[(member,) for member in members])
    while any(thread.is_alive() for thread in threads):
        gc.collect()
        time.sleep(0.01)
    for receiver in members:
        for sender in members:
            assert receiver.arrived[sender.number] == list(range(sender.sent[receiver.number]))
    assert all(member.done[name] > 0 for member in members for name in WORKERS)
