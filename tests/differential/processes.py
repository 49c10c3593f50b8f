"""Programs of children that run at the same time, for the differential test.

A child is a shell script that writes, reads, closes and ends. Threads, pipes and the kernel decide in which order the events of different
channels come, on asyncio too. So the trace of a child has its channels one after the other: each pipe, and the process. What is
certain about their order is a line of its own.
"""

import asyncio
import dataclasses
import shlex
import subprocess

from hypothesis import strategies as st

EVENTS_LIMIT_S = 20
STDIN = 0


@dataclasses.dataclass(frozen=True)
class Child:
    # Each a line of the shell script.
    script: tuple[str, ...] = ()
    # What is written to its standard input, which is closed then if it reads more.
    lines: tuple[str, ...] = ()
    is_stdin_closed: bool = True
    stdout: int = subprocess.PIPE
    stderr: int = subprocess.PIPE
    # create_subprocess_exec() and communicate(), instead of a protocol.
    uses_streams: bool = False
    is_shell: bool = False

    def command(self):
        script = "\n".join(self.script)
        return (f"sh -c {shlex.quote(script)}",) if self.is_shell else ("sh", "-c", script)

    def input(self):
        return "".join(f"{line}\n" for line in self.lines).encode()

    def reads_more(self):
        return self.script.count(READ) > len(self.lines)


READ = 'read line; echo "got $line"'
SCRIPT_LINES = st.one_of(
    st.builds("printf %s {} >&{}".format, st.sampled_from(["a", "bc", "def"]), st.sampled_from([1, 2])),
    st.just(READ),
    st.just("head -c 100000 /dev/zero"),
    st.builds("exec {}>&-".format, st.sampled_from([1, 2])),
)
ENDS = st.sampled_from([(), (), ("exit 3",), ("kill -9 $$",), ("kill -15 $$",)])
CHILDREN = st.builds(
    Child,
    st.tuples(st.lists(SCRIPT_LINES, max_size=4).map(tuple), ENDS).map(lambda parts: parts[0] + parts[1]),
    st.lists(st.sampled_from(["x", "yz"]), max_size=3).map(tuple),
    st.booleans(),
    st.sampled_from([subprocess.PIPE, subprocess.PIPE, subprocess.DEVNULL]),
    st.sampled_from([subprocess.PIPE, subprocess.STDOUT, subprocess.DEVNULL]),
    st.booleans(),
    st.booleans(),
)
PROGRAMS = st.lists(CHILDREN, min_size=1, max_size=3).map(tuple)


class ChannelsProtocol(asyncio.SubprocessProtocol):
    """Records the events of each channel."""

    def __init__(self, child):
        self.child = child
        self.channels = {}
        self.order = []
        self.ended = asyncio.get_running_loop().create_future()

    def told(self, channel, *words):
        self.channels.setdefault(channel, []).append(" ".join(map(str, words)))
        self.order.append(words[0])

    def connection_made(self, transport):
        self.transport = transport
        self.told("process", "connection_made", transport.get_pid() > 0)
        stdin = transport.get_pipe_transport(STDIN)
        if self.child.lines:
            stdin.write(self.child.input())
        if self.child.is_stdin_closed or self.child.reads_more():
            stdin.close()

    def pipe_data_received(self, fd, data):
        # The kernel may divide it anywhere.
        received = self.channels.setdefault(f"pipe {fd} data", [b""])
        received[0] += data
        self.order.append("data")

    def pipe_connection_lost(self, fd, error):
        # Whether a write came before the child ended is chance.
        self.told(f"pipe {fd}", "pipe_connection_lost", "" if fd == STDIN else type(error).__name__)

    def process_exited(self):
        self.told("process", "process_exited", self.transport.get_returncode())

    def connection_lost(self, error):
        self.told("process", "connection_lost", error)
        self.ended.set_result(None)

    def trace(self):
        certain = f"first {self.order[0]}, last {self.order[-1]}, exits {self.order.count('process_exited')}"
        return [certain, *(f"{channel}: {events}" for channel, events in sorted(self.channels.items()))]


async def trace_of_child(loop, child):
    pipes = {"stdin": subprocess.PIPE, "stdout": child.stdout, "stderr": child.stderr}
    if child.uses_streams:
        create = asyncio.create_subprocess_shell if child.is_shell else asyncio.create_subprocess_exec
        process = await create(*child.command(), **pipes)
        outcome = [str(await process.communicate(child.input())), str(process.returncode), str(await process.wait())]
        process._transport.close()
        return outcome
    create = loop.subprocess_shell if child.is_shell else loop.subprocess_exec
    transport, protocol = await create(lambda: ChannelsProtocol(child), *child.command(), **pipes)
    await protocol.ended
    is_closing = transport.is_closing()
    transport.close()
    return [*protocol.trace(), f"closing {is_closing}, {transport.get_returncode()}"]


async def trace(program):
    """The traces of children that run at the same time."""
    loop = asyncio.get_running_loop()
    reports = []
    loop.set_exception_handler(lambda _, context: reports.append(context["message"]))
    children = asyncio.gather(*[trace_of_child(loop, child) for child in program])
    return [*await asyncio.wait_for(children, EVENTS_LIMIT_S), reports]
