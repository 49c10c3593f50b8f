"""A program that a signal handler interrupts at random moments with KeyboardInterrupt, and that always continues.

TCP, a Unix socket, pipes, timers, tasks and executor calls each send numbered items around; each item must arrive, in order, once.
FASTLOOP_INTERRUPTIONS says how often to interrupt, FASTLOOP_SEED repeats the moments as far as the machine does.
"""

import asyncio
import inspect
import opcode
import os
import random
import signal
import socket
import struct
import time

import pytest

from actors.connections import tcp_pair

pytestmark = pytest.mark.fastloop_only

INTERRUPTIONS = int(os.environ.get("FASTLOOP_INTERRUPTIONS", "1000"))
SEED = int(os.environ.get("FASTLOOP_SEED", "0")) or random.randrange(1, 1 << 30)
# Waits for one item at most; the whole test is bounded by its number of interruptions, and by time.
LONGEST_SILENCE_S = 10
LONGEST_RUN_S = 15 + 0.01 * INTERRUPTIONS

ITEM = struct.Struct("!Q")
RESUME = opcode.opmap["RESUME"]


def begins_only(frame):
    """Whether a function of this file is interrupted before it has begun: one that is interrupted halfway would lose items."""
    code = frame.f_code.co_code
    return frame.f_lasti <= next((i for i in range(0, len(code), 2) if code[i] == RESUME), -1)


class Striker:
    """Raises KeyboardInterrupt at random moments, but not in the middle of this file's functions."""

    def __init__(self, chance):
        self.chance = chance
        self.count = 0
        self.put_off = 0
        self.is_armed = False

    def __enter__(self):
        self.previous = signal.signal(signal.SIGALRM, self.on_signal)
        return self

    def __exit__(self, *exc_info):
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self.previous)

    def set_timer(self):
        signal.setitimer(signal.ITIMER_REAL, self.chance.choice((20e-6, 100e-6, 1e-3)) * (0.1 + self.chance.random()))

    def on_signal(self, number, frame):
        if not self.is_armed:
            return
        if self.is_inside_the_test(frame):
            self.put_off += 1
            self.set_timer()
            return
        self.is_armed = False
        self.count += 1
        raise KeyboardInterrupt

    def is_inside_the_test(self, frame):
        """Whether the frame, or one that it was called by below the loop, is the test's own and has begun."""
        is_first = True
        while frame is not None and frame.f_code is not run_interrupted.__code__:
            if frame.f_code.co_filename == __file__:
                is_coroutine = frame.f_code.co_flags & inspect.CO_COROUTINE
                if is_coroutine or not (is_first and begins_only(frame)):
                    return True
            elif is_asyncio_code_that_cannot_begin_again(frame) or is_callback_that_cannot_raise(frame):
                return True
            is_first = False
            frame = frame.f_back
        return False


def is_asyncio_code_that_cannot_begin_again(frame):
    """asyncio's Python code that connects and serves streams; the loop itself and pipes must withstand everything."""
    name = frame.f_code.co_filename
    return "asyncio" in name and not name.endswith(("base_events.py", "unix_events.py", "futures.py", "events.py"))


def is_callback_that_cannot_raise(frame):
    """The callbacks of weak references in WeakSet and the like: Python drops what they raise, and no run would be interrupted."""
    return frame.f_code.co_filename.endswith(("_weakrefset.py", "weakref.py"))


def run_interrupted(loop, striker, done):
    """Run the loop until done, once more after each interruption, and interrupt each run."""
    while not done.done():
        try:
            striker.is_armed = True
            striker.set_timer()
            loop.run_until_complete(done)
        except KeyboardInterrupt:
            pass
        finally:
            striker.is_armed = False


class Lane:
    """Items on one way: the next is sent when the last has arrived."""

    def __init__(self, name, world):
        self.name = name
        self.world = world
        self.sent = self.arrived = 0
        world.lanes.append(self)

    def next(self):
        self.sent += 1
        return self.sent

    def arrive(self, number):
        """Note that an item has arrived; return whether another one follows."""
        self.arrived += 1
        if number != self.arrived:
            self.world.fail(f"{self.name}: item {number} arrived as number {self.arrived}")
        self.world.note()
        return not self.world.is_over


class World:
    def __init__(self, loop, striker):
        self.loop = loop
        self.striker = striker
        self.lanes = []
        self.done = loop.create_future()
        self.is_over = False
        self.deadline = time.monotonic() + LONGEST_RUN_S
        self.last_seen = {}

    def fail(self, message):
        if not self.done.done():
            self.done.set_exception(AssertionError(f"{message} (FASTLOOP_SEED={SEED}, {self.striker.count} interruptions)"))

    def note(self):
        if self.striker.count >= INTERRUPTIONS or time.monotonic() > self.deadline:
            self.is_over = True
        if self.is_over and not self.done.done() and all(lane.sent == lane.arrived for lane in self.lanes):
            self.done.set_result(None)

    def watch(self):
        """Check from time to time that each lane has moved."""
        now = time.monotonic()
        for lane in self.lanes:
            arrived, since = self.last_seen.get(lane.name, (-1, now))
            if arrived != lane.arrived:
                self.last_seen[lane.name] = (lane.arrived, now)
            elif now - since > LONGEST_SILENCE_S and lane.sent != lane.arrived:
                self.fail(f"{lane.name}: item {lane.sent} does not arrive")
        self.note()
        if not self.done.done():
            self.loop.call_later(0.05, self.watch)


class Sender(asyncio.Protocol):
    """Sends an item and waits for it to come back."""

    def __init__(self, lane):
        self.lane = lane
        self.pending = b""

    def connection_made(self, transport):
        self.transport = transport
        self.send()

    def send(self):
        data = ITEM.pack(self.lane.next())
        # In pieces, so that the order of writes matters; mostly, what follows is written before the first piece can come back.
        self.transport.write(data[:3])
        self.transport.write(data[3:])

    def data_received(self, data):
        self.pending += data
        while len(self.pending) >= ITEM.size:
            item, self.pending = self.pending[: ITEM.size], self.pending[ITEM.size :]
            if self.lane.arrive(*ITEM.unpack(item)):
                self.send()


class BufferedSender(Sender, asyncio.BufferedProtocol):
    def __init__(self, lane):
        super().__init__(lane)
        self.buffer = bytearray(64)

    def get_buffer(self, size_hint):
        return self.buffer

    def buffer_updated(self, count):
        self.data_received(bytes(self.buffer[:count]))


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


class Reader(asyncio.Protocol):
    """The end of a pipe: gives items to the sender at the other end."""

    def __init__(self, sender):
        self.sender = sender

    def data_received(self, data):
        self.sender.data_received(data)


class Writer(asyncio.BaseProtocol):
    def __init__(self, sender):
        self.sender = sender

    def connection_made(self, transport):
        self.sender.connection_made(transport)


def add_timers(world):
    lane = Lane("timers", world)

    def due(number):
        if lane.arrive(number):
            world.loop.call_later(0.0001, due, lane.next())

    due_first = lane.next()
    world.loop.call_later(0, due, due_first)


def add_callbacks(world):
    lane = Lane("callbacks", world)

    def first(number):
        future = world.loop.create_future()
        future.add_done_callback(second)
        future.add_done_callback(third)
        future.set_result(number)

    def second(future):
        if future.result() != lane.arrived + 1:
            world.fail("callbacks: the second was lost or came twice")
        lane.seconds = future.result()

    def third(future):
        if lane.seconds != future.result():
            world.fail("callbacks: the third came without the second")
        if lane.arrive(future.result()):
            world.loop.call_soon_threadsafe(first, lane.next())

    world.loop.call_soon(first, lane.next())


def add_executor(world):
    lane = Lane("executor", world)

    def finished(future):
        if lane.arrive(future.result()):
            submit()

    def submit():
        world.loop.run_in_executor(None, abs, lane.next()).add_done_callback(finished)

    world.loop.call_soon(submit)


def add_tasks(world):
    """Each item is a task that sleeps and awaits another one."""
    lane = Lane("tasks", world)

    async def inner(number):
        await asyncio.sleep(0.0001)
        return number

    async def outer(number):
        await asyncio.sleep(0)
        return await world.loop.create_task(inner(number))

    def finished(task):
        if lane.arrive(task.result()):
            start()

    def start():
        world.loop.create_task(outer(lane.next())).add_done_callback(finished)

    world.loop.call_soon(start)


def add_reader(world):
    lane = Lane("add_reader", world)
    one, other = socket.socketpair()
    one.setblocking(False)

    def readable():
        if lane.arrive(*ITEM.unpack(one.recv(ITEM.size))):
            other.send(ITEM.pack(lane.next()))

    world.loop.add_reader(one, readable)
    other.send(ITEM.pack(lane.next()))

    def close():
        world.loop.remove_reader(one)
        one.close()
        other.close()

    return close


def add_connections(world, address):
    """Each item is a connection: the server's end greets and closes, and both ends are told of the end."""
    lane = Lane("connections", world)

    class Client:
        def __init__(self):
            self.sock = socket.create_connection(address)
            self.sock.setblocking(False)
            self.number = lane.next()
            world.loop.add_reader(self.sock, self.readable)

        def readable(self):
            data = self.sock.recv(100)
            if data:
                self.greeting = data
                return
            world.loop.remove_reader(self.sock)
            self.sock.close()
            if self.greeting != b"welcome":
                world.fail(f"connections: {self.greeting!r}")
            if lane.arrive(self.number):
                Client()

    world.loop.call_soon(Client)


def add_stream(world, reader, writer, lane):
    """Items that fastloop puts into asyncio's StreamReader. Its coroutines could be interrupted halfway, so none of them runs."""

    def wait():
        reader._waiter = world.loop.create_future()
        reader._waiter.add_done_callback(fed)

    def fed(waiter):
        wait()
        while len(reader._buffer) >= ITEM.size:
            (number,) = ITEM.unpack(reader._buffer[: ITEM.size])
            del reader._buffer[: ITEM.size]
            if lane.arrive(number):
                writer.transport.write(ITEM.pack(lane.next()))

    wait()
    writer.transport.write(ITEM.pack(lane.next()))


class Greeter(asyncio.Protocol):
    def connection_made(self, transport):
        transport.write(b"welcome")
        transport.close()


def connected_pair(family):
    pair = socket.socketpair() if family == "unix" else tcp_pair()
    for sock in pair:
        sock.setblocking(False)
    return pair


async def connect_everything(world, closing):
    loop = world.loop
    for family in ("tcp", "unix"):
        for sender_type in (Sender, BufferedSender):
            lane = Lane(f"{family} {sender_type.__name__}", world)
            one, other = connected_pair(family)
            echo, _ = await loop.create_connection(Echo, sock=other)
            transport, _ = await loop.create_connection(lambda kind=sender_type, lane=lane: kind(lane), sock=one)
            closing += [transport.abort, echo.abort]
        one, other = connected_pair(family)
        echo, _ = await loop.create_connection(Echo, sock=other)
        reader, writer = await asyncio.open_connection(sock=one)
        add_stream(world, reader, writer, Lane(f"{family} StreamReader", world))
        # Its protocol does not keep the reader alive.
        closing += [writer.close, echo.abort]
    lane = Lane("pipe", world)
    sender = Sender(lane)
    reading, writing = os.pipe()
    reader, _ = await loop.connect_read_pipe(lambda: Reader(sender), os.fdopen(reading, "rb", 0))
    writer, _ = await loop.connect_write_pipe(lambda: Writer(sender), os.fdopen(writing, "wb", 0))
    closing += [reader.close, writer.abort]
    server = await loop.create_server(Greeter, "127.0.0.1", 0)
    closing.append(server.close)
    add_connections(world, server.sockets[0].getsockname())
    closing.append(add_reader(world))
    for add in (add_timers, add_callbacks, add_executor, add_tasks):
        add(world)
    world.watch()


def test_everything_arrives_in_order_and_once_however_often_the_loop_is_interrupted(loop):
    print(f"FASTLOOP_SEED={SEED}")
    closing = []
    with Striker(random.Random(SEED)) as striker:
        world = World(loop, striker)
        loop.run_until_complete(connect_everything(world, closing))
        run_interrupted(loop, striker, world.done)
        count, put_off = striker.count, striker.put_off
    for close in closing:
        close()
    loop.run_until_complete(asyncio.sleep(0.01))
    print(f"{count} interruptions, {put_off} put off; items:", {lane.name: lane.arrived for lane in world.lanes})
    world.done.result()
    assert count >= INTERRUPTIONS, f"only {count} interruptions within {LONGEST_RUN_S} s"
    assert all(lane.sent == lane.arrived > 0 for lane in world.lanes)
