"""Pipes: both ends are transports of the loop."""

import asyncio
import os

from benchmarks.scenario import timed_coroutine

BULK_BYTES = 65536
MESSAGE = bytes(1024)


class _Writer(asyncio.BaseProtocol):
    """Writes count times under flow control."""

    def __init__(self, data, count):
        self.data = data
        self.left = count
        self.is_paused = False

    def connection_made(self, transport):
        self.transport = transport

    def pause_writing(self):
        self.is_paused = True

    def resume_writing(self):
        self.is_paused = False
        self.write()

    def write(self):
        while self.left > 0 and not self.is_paused:
            self.left -= 1
            self.transport.write(self.data)


class _Reader(asyncio.Protocol):
    """Counts what arrives, and has each message answered by the next one if there is a writer."""

    def __init__(self, size, writer=None):
        self.left = size
        self.writer = writer
        self.is_done = asyncio.get_running_loop().create_future()

    def data_received(self, data):
        self.left -= len(data)
        if self.left <= 0:
            self.is_done.set_result(None)
        elif self.writer is not None:
            self.writer.write(MESSAGE)


async def _connect(make_reader, writer):
    loop = asyncio.get_running_loop()
    reading, writing = os.pipe()
    output, _ = await loop.connect_write_pipe(lambda: writer, open(writing, "wb", 0))
    source, reader = await loop.connect_read_pipe(lambda: make_reader(output), open(reading, "rb", 0))
    return source, output, reader


@timed_coroutine("pipe, 64 KiB written and read", count=1_500)
async def pipe_bulk(count):
    writer = _Writer(bytes(BULK_BYTES), count)
    source, output, reader = await _connect(lambda _: _Reader(count * BULK_BYTES), writer)
    writer.write()
    await reader.is_done
    source.close()
    output.close()
    await asyncio.sleep(0)


@timed_coroutine("pipe, 1 KiB written and read", count=10_000)
async def pipe_message(count):
    source, output, reader = await _connect(lambda output: _Reader(count * len(MESSAGE), output), _Writer(MESSAGE, 0))
    output.write(MESSAGE)
    await reader.is_done
    source.close()
    output.close()
    await asyncio.sleep(0)


SCENARIOS = (pipe_bulk, pipe_message)
