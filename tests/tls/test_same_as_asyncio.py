"""Random programs of one TLS connection: what both ends see, step by step, is what they see on asyncio's loop.

They leave out what asyncio's TLS takes for an error and fastloop's does not: data that arrives after close().
After each step the kernel is asked a few times, so that the next one finds everything done. Seeds are fixed;
FASTLOOP_TLS_FUZZ=600 makes the test run for so many seconds, with other seeds.
"""

import asyncio
import contextlib
import os
import random
import time

import pytest

from actors.authority import with_version
from actors.failures import SomeError
from actors.files import pattern
from actors.kernel import settle
from actors.protocols import RecordingBufferedProtocol, RecordingProtocol

PROGRAMS = 40
FUZZ_S = float(os.environ.get("FASTLOOP_TLS_FUZZ", 0))
pytestmark = [pytest.mark.fastloop_only, pytest.mark.time_limit(40 + 2 * FUZZ_S)]

SIZES = [0, 1, 100, 16_384, 20_000, 70_000]
# What a program may do, more often what leaves the connection open.
STEPS = ["write"] * 8 + ["writelines"] * 3 + ["pause", "resume"] * 3 + ["replace", "then", "then", "close", "abort", "ask"]
# What a callback may do when it is called next.
REACTIONS = ["write", "close", "abort", "pause", "raise", "replace"]
# More data may follow, in other pieces.
REACTIONS_TO_DATA = ["write", "pause", "replace"]
CALLBACKS = ["data", "data", "eof_received", "connection_lost"]


class End:
    """One end of the connection: what it has seen, and what it does next."""

    def __init__(self):
        self.seen = []
        self.reactions = {}
        self.transport = None
        self.other = None
        self.is_closed = False
        self.made = 0

    def protocol(self, is_buffered=False):
        names = ["connection_made", "eof_received", "connection_lost", "data_received", "buffer_updated"]
        # asyncio loses what does not fit into the buffer at the end.
        protocol = RecordingBufferedProtocol(1 << 21) if is_buffered else RecordingProtocol()
        protocol.hooks = {name: self._hook(name, self.made) for name in names}
        self.made += 1
        return protocol

    def _hook(self, name, number):
        def see(protocol, *args):
            kind = "data" if name in ("data_received", "buffer_updated") else name
            if kind == "data":
                size = len(args[0]) if name == "data_received" else args[0]
                # The pieces are not asyncio's.
                if self.seen and self.seen[-1][:2] == (kind, number):
                    size += self.seen.pop()[2]
                self.seen.append((kind, number, size))
            else:
                self.seen.append((name, number, type(args[0]).__name__ if name == "connection_lost" else ""))
            if kind in self.reactions:
                self.act(*self.reactions.pop(kind))

        return see

    def is_allowed(self, step):
        """Whether asyncio's TLS knows what to do. Data after the end, and closing twice or before everything was read, are errors there."""
        if step in ("write", "writelines"):
            return self.is_closed or not self.other.is_closed
        return step != "close" or self.transport.is_reading() and not self.transport.is_closing()

    def act(self, step, argument):
        transport = self.transport
        if not self.is_allowed(step):
            return
        if step == "write":
            transport.write(pattern(argument))
        elif step == "writelines":
            transport.writelines([pattern(argument), b"", b"more"])
        elif step == "pause":
            transport.pause_reading()
        elif step == "resume":
            transport.resume_reading()
        elif step == "replace":
            transport.set_protocol(self.protocol(argument % 2 == 1))
        elif step == "raise":
            raise SomeError
        elif step == "abort":
            self.is_closed = True
            transport.abort()
        elif step == "close":
            self.is_closed = True
            transport.close()
        elif step == "ask":
            self.seen.append(("is", transport.is_closing(), transport.is_reading(), transport.get_write_buffer_size()))


def program_of(seed):
    """Steps, each an end, what it does, and with what."""
    generator = random.Random(seed)
    program = []
    for _ in range(generator.randrange(3, 25)):
        step = generator.choice(STEPS)
        argument = generator.choice(SIZES)
        if step == "then":
            callback = generator.choice(CALLBACKS)
            argument = callback, generator.choice(REACTIONS_TO_DATA if callback == "data" else REACTIONS), argument
        program.append((generator.randrange(2), step, argument))
    return program


async def until_quiet(ends):
    """Return when neither end sees anything any more."""
    before = None
    while before != (before := [list(end.seen) for end in ends]):
        await settle()


async def trace(loop, contexts, program, version, is_buffered):
    """Run a program; return what each end saw in each step, and what the loop reported."""
    reported = []

    def report(_, context):
        # The rest is the name of a method.
        reported.append((context["message"].partition("callback")[0], type(context.get("exception")).__name__))

    loop.set_exception_handler(report)
    for context in contexts:
        with_version(context, version)
    ends = [End(), End()]
    ends[0].other, ends[1].other = ends[1], ends[0]
    server = await loop.create_server(lambda: ends[1].protocol(is_buffered), "127.0.0.1", 0, ssl=contexts[0], ssl_shutdown_timeout=20)
    made = []
    ends[1].reactions["connection_made"] = ("ask", 0)
    ends[1].act = lambda *args: made.append(args)
    protocol = ends[0].protocol(is_buffered)
    options = {"ssl": contexts[1], "server_hostname": "localhost", "ssl_shutdown_timeout": 20}
    server_protocols = []
    make = ends[1].protocol
    ends[1].protocol = lambda *args: server_protocols.append(make(*args)) or server_protocols[-1]
    ends[0].transport, _ = await loop.create_connection(lambda: protocol, *server.sockets[0].getsockname(), **options)
    while not made:
        await asyncio.sleep(0)
    server.close()
    del ends[1].act
    ends[1].transport = server_protocols[0].transport
    seen = []
    for which, step, argument in program:
        end = ends[which]
        if step == "then":
            name, reaction, size = argument
            end.reactions[name] = (reaction, size)
        else:
            try:
                end.act(step, argument)
            except Exception as error:
                end.seen.append(("raised", type(error).__name__, str(error)))
        await until_quiet(ends)
        seen.append((which, step, argument, ends[0].seen, ends[1].seen, list(reported)))
        for end in ends:
            end.seen = []
    for end in ends:
        end.reactions.clear()
        end.transport.abort()
    await settle()
    return seen


def seeds():
    yield from range(PROGRAMS)
    seed, give_up_at = PROGRAMS, time.monotonic() + FUZZ_S
    while time.monotonic() < give_up_at:
        yield seed
        seed += 1


@pytest.mark.parametrize("is_buffered", [False, True])
def test_programs_see_the_same_on_asyncios_loop(implementation, asyncio_implementation, issued, version, is_buffered, no_leaks):
    for seed in seeds():
        program = program_of(seed)
        traces = []
        for made in asyncio_implementation, implementation:
            contexts = issued.server_context(), issued.client_context()
            with contextlib.closing(made.new_event_loop()) as loop:
                traces.append(loop.run_until_complete(asyncio.wait_for(trace(loop, contexts, program, version, is_buffered), 20)))
        for number, (expected, actual) in enumerate(zip(*traces)):
            assert actual == expected, f"seed {seed}, step {number} of {program}"
