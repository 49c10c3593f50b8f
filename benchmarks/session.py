"""A server on a loop and a client, each in a process of its own, and what the server uses while the client asks.

Owns: both processes, their addresses, and the operating system's account of the server: CPU time (all threads, user and system)
and resident memory, read from outside.
The client is the same C program for all loops. It spins instead of sleeping (given two CPUs): waking a sleeper costs more than an
echo, and the server would be billed for it.
"""

import os
import pathlib
import signal
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks import Failure, native_programs
from benchmarks.loops import YARDSTICK
from benchmarks.processes import Process, python_command

FAMILIES = {"tcp": "TCP", "unix": "Unix"}
INTERFACES = {"protocol": "Protocol", "buffered": "BufferedProtocol", "streams": "streams", "sockets": "sock_*"}
TERMINATION_LIMIT_S = 5.0
IDLENESS_CHECKS, IDLENESS_INTERVAL_S = 20, 0.0005
ALLOWED_CPUS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Exchange:
    """What a server does and a client asks of it. mode: load_client.c's. loop_count: loops in threads of the server."""

    service: str
    interface: str
    family: str
    mode: str = "exchange"
    connections: int = 1
    request_size: int = 0
    answer_size: int = 0
    loop_count: int = 1

    def __str__(self):
        return f"{FAMILIES[self.family]} {INTERFACES[self.interface]}"


@contextmanager
def session(loop_definition, exchange, *, prefix=()):
    """Yield a server and connect(exchange), which starts a client. They end with the block. prefix: a command that runs the server."""
    with ExitStack() as stack:
        # Looked up first, so that its absence is what a failure says.
        client_path = native_programs.path_of("load_client")
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="loop-"))
        address = "tcp:0" if exchange.family == "tcp" else f"unix:{pathlib.Path(folder, 'socket')}"
        server = Server([*prefix, *_server_command(loop_definition, exchange, address)], stack)
        yield server, lambda exchange: Client(client_path, server, exchange, stack)


def _server_command(loop_definition, exchange, address):
    if loop_definition.name == YARDSTICK:
        answer_size = [] if exchange.service == "echo" else [str(exchange.answer_size)]
        return [native_programs.path_of("limit_server"), address, *answer_size]
    return python_command("serve", loop_definition.name, exchange.service, exchange.interface, address, exchange.loop_count)


class Server(Process):
    """A process that listens at address."""

    @property
    def address(self):
        return self.greeting["address"]

    @property
    def loop_class(self):
        return self.greeting["loop_class"]

    def cpu_ns(self):
        self._await_idleness()
        if sys.platform == "linux":
            # The process's CPU-time clock, numbered as clock_getcpuclockid(3) does: to the nanosecond, where
            # /proc/PID/stat counts hundredths of a second.
            return time.clock_gettime_ns((~self.pid << 3) | 2)
        times = _psutil().Process(self.pid).cpu_times()
        return int((times.user + times.system) * 1e9)

    def _await_idleness(self):
        # The last answer is there before the server has done all that belongs to it. And Linux updates the clock of another
        # process when its threads stop, or at a tick. For a running one it may be a few milliseconds behind.
        # The wait is limited: a loop that never rests is billed for its unrest.
        for _ in range(IDLENESS_CHECKS):
            time.sleep(IDLENESS_INTERVAL_S)
            if not self._is_running():
                break

    def _is_running(self):
        """Whether a thread is on a processor or waits for one; unknown counts as yes."""
        try:
            for stat in pathlib.Path(f"/proc/{self.pid}/task").glob("*/stat"):
                # "TID (name) STATE ...", and the name may contain anything.
                if stat.read_text().rpartition(")")[2].split()[0] == "R":
                    return True
        except (FileNotFoundError, ProcessLookupError):
            # A thread has just ended.
            return True
        return not os.path.exists("/proc/self/stat")

    def stop(self):
        """Let it do nothing until go_on()."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self):
        os.kill(self.pid, signal.SIGCONT)

    def terminate(self):
        self._process.terminate()
        self._process.wait(timeout=TERMINATION_LIMIT_S)

    def resident_bytes(self):
        try:
            with open(f"/proc/{self.pid}/statm", encoding="ascii") as statm:
                return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except FileNotFoundError:
            return _psutil().Process(self.pid).memory_info().rss


def _psutil():
    try:
        import psutil
    except ImportError:
        raise Failure("another process's CPU time and memory need psutil here: pip install psutil") from None
    return psutil


class Client(Process):
    """A load client, connected to a server."""

    def __init__(self, path, server, exchange, stack):
        self._server, self._is_burst = server, exchange.mode == "burst"
        sizes = map(str, (exchange.connections, exchange.request_size, exchange.answer_size))
        super().__init__([path, exchange.mode, server.address, *sizes, "spin" if ALLOWED_CPUS > 1 else "sleep"], stack)

    def last_words(self):
        # What the server says of its failure comes before what the client makes of it.
        return self._server.last_words() or super().last_words()

    def run(self, amount):
        """Do amount, of requests on each connection or of bytes; return (the server's CPU time in ns, the client's figures)."""
        if self._is_burst:
            # The server stands still until everything is connected and asked.
            self._server.stop()
            self.ask(amount)
        before_ns = self._server.cpu_ns()
        if self._is_burst:
            self._server.go_on()
        figures = self.ask("" if self._is_burst else amount)
        return self._server.cpu_ns() - before_ns, figures
