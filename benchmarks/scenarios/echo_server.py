"""A TCP echo server in a process of its own: python echo_server.py LOOP protocol|streams.

Owns: two listeners on loopback. One echoes; the other is the control: to any line it answers with
the process's CPU time in nanoseconds so far (all threads, user and system, as the operating system
accounts it), and when it is closed the server ends.
Driven by tcp_echo.py, which reads the JSON line printed once both listen.
"""

import asyncio
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from loops import LOOPS  # noqa: E402 (found through the line above)

READ_SIZE = 65536
HOST = "127.0.0.1"


class EchoProtocol(asyncio.Protocol):
    """Write back what arrives."""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


async def echo_stream(reader, writer):
    while data := await reader.read(READ_SIZE):
        writer.write(data)
        await writer.drain()
    writer.close()


class ControlProtocol(asyncio.Protocol):
    """Tell the CPU time; end the server when the client leaves."""

    def __init__(self, is_over):
        self.is_over = is_over

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(b"%d\n" % time.process_time_ns())

    def eof_received(self):
        self._end()

    def connection_lost(self, error):
        self._end()

    def _end(self):
        if not self.is_over.done():
            self.is_over.set_result(None)


def settle_allocator():
    # asyncio and others receive into 256 KiB blocks. glibc maps and unmaps each of them (mallopt(3), M_MMAP_THRESHOLD)
    # until the program has freed a larger one, as long-lived programs have. Without this a message costs 15 us more.
    bytearray(16 * 1024 * 1024)


async def serve(loop_definition, kind):
    loop = asyncio.get_running_loop()
    is_over = loop.create_future()
    if kind == "streams":
        echo = await asyncio.start_server(echo_stream, HOST, 0)
    else:
        echo = await loop.create_server(EchoProtocol, HOST, 0)
    control = await loop.create_server(lambda: ControlProtocol(is_over), HOST, 0)
    ports = [server.sockets[0].getsockname()[1] for server in (echo, control)]
    print(json.dumps({"loop_class": loop_definition.identify(loop), "ports": ports}), flush=True)
    await is_over
    echo.close()
    control.close()


def main():
    loop_definition = LOOPS[sys.argv[1]]
    factory = loop_definition.load_factory()
    settle_allocator()
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve(loop_definition, sys.argv[2]))


if __name__ == "__main__":
    main()
