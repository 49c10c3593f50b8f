"""A server on the loop and a client, each in a process of its own, and what the server used meanwhile.

Owns: both processes, their addresses, and the operating system's account of the server: CPU time (all threads, user and
system) and resident memory, read from outside.
The client is the same program for all loops. It spins instead of sleeping (given two CPUs): waking a sleeper costs
more than an echo, and the server would be billed for it.
Promise: a failure names its reason, the server's own last words before the client's. Used by every scenario with sockets.
"""

import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager

import native_programs
from loops import YARDSTICK
from scenarios.definition import Failure

PROGRAMS = native_programs.PROGRAMS
TERMINATION_LIMIT_S = 5.0
# Longer than any answer takes, shorter than a process for one measurement may (measurement.TIME_LIMIT_S).
ANSWER_LIMIT_S = 50.0
# A loop that never rests is billed for its unrest.
IDLENESS_CHECKS, IDLENESS_INTERVAL_S = 20, 0.0005
ALLOWED_CPUS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Process:
    """A child that prints JSON lines."""

    def __init__(self, command, stack):
        self._errors = stack.enter_context(tempfile.TemporaryFile("w+"))
        self._process = stack.enter_context(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True)
        )
        # Killed, not asked to end: whether a loop can end in good order is not the subject here.
        stack.callback(self._process.kill)
        self.pid = self._process.pid

    def read(self):
        """Return the next line's content, or None if the process has ended. Failure if it says nothing."""
        # It prints a line only when asked, so none waits in the buffer of stdout.
        if not select.select([self._process.stdout], [], [], ANSWER_LIMIT_S)[0]:
            raise Failure(f"no word for {ANSWER_LIMIT_S:g} s")
        line = self._process.stdout.readline()
        return json.loads(line) if line else None

    def write(self, line):
        try:
            os.write(self._process.stdin.fileno(), f"{line}\n".encode())
        except BrokenPipeError:
            # It has ended; read() finds that out.
            pass

    def terminate(self):
        self._process.terminate()
        self._process.wait(timeout=TERMINATION_LIMIT_S)

    def last_words(self):
        self._errors.seek(0)
        return self._errors.read().strip().rpartition("\n")[2].strip()


class Server(Process):
    """A process that listens at address."""

    def __init__(self, command, stack):
        super().__init__(command, stack)
        announcement = self.read()
        if announcement is None:
            raise Failure(self.last_words() or "the server ended at once")
        self.loop_class, self.address = announcement["loop_class"], announcement["address"]

    def cpu_ns(self):
        self._await_idleness()
        if sys.platform == "linux":
            # The process's CPU-time clock, numbered as clock_getcpuclockid(3) does: to the nanosecond, where
            # /proc/PID/stat counts hundredths of a second.
            return time.clock_gettime_ns((~self.pid << 3) | 2)
        times = _psutil().Process(self.pid).cpu_times()
        return int((times.user + times.system) * 1e9)

    def _await_idleness(self):
        # The last answer is there before the server has done all that belongs to it. And Linux brings the clock of
        # another process up to date when its threads stop, or at a tick: a running one may be some milliseconds behind.
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
            # A thread ended meanwhile.
            return True
        return not os.path.exists("/proc/self/stat")

    def stop(self):
        """Let it do nothing until go_on()."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self):
        os.kill(self.pid, signal.SIGCONT)

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

    def __init__(self, server, stack, mode, *, connections=1, request_size=0, answer_size=0):
        self._server = server
        wait = "spin" if ALLOWED_CPUS > 1 else "sleep"
        program = native_programs.program("load_client")
        command = [str(program)] if program else [sys.executable, str(PROGRAMS / "load_client.py")]
        super().__init__([*command, mode, server.address, *map(str, (connections, request_size, answer_size)), wait], stack)
        self._await()

    def _await(self):
        answer = self.read()
        if answer is None:
            raise Failure(self._server.last_words() or self.last_words() or "the client ended at once")
        return answer

    def run(self, amount):
        """Do amount; return (the server's CPU time in ns, the client's figures)."""
        before_ns = self._server.cpu_ns()
        self.write(amount)
        figures = self._await()
        return self._server.cpu_ns() - before_ns, figures

    def run_burst(self):
        """As run(), but the server stands still until everything is connected and asked. For the mode "burst"."""
        self._server.stop()
        self.write(1)
        self._await()
        before_ns = self._server.cpu_ns()
        self._server.go_on()
        self.write("")
        figures = self._await()
        return self._server.cpu_ns() - before_ns, figures

    def warm_up(self, amount):
        """Do a fifth of amount."""
        self.run(max(amount // 5, 1))

    def repeat(self, amount, repetitions):
        """Warm up, then yield what run(amount) returns, repetitions times."""
        self.warm_up(amount)
        for _ in range(repetitions):
            yield self.run(amount)


@contextmanager
def session(loop_definition, service, interface, family, *, prefix=(), answer_size=0, loop_count=1):
    """Start a server; yield it and connect(mode, ...), which starts a client. Both end with the block.

    prefix: a command that the server is run under. answer_size: what the yardstick answers with, 0 for an echo. loop_count: loops in
    threads of the server.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="loop-"))
        address = "tcp:0" if family == "tcp" else f"unix:{pathlib.Path(folder, 'socket')}"
        server = Server([*prefix, *_server_command(loop_definition.name, service, interface, address, answer_size, loop_count)], stack)

        def connect(mode, **sizes):
            return Client(server, stack, mode, **sizes)

        yield server, connect


def _server_command(loop_name, service, interface, address, answer_size, loop_count):
    if loop_name == YARDSTICK:
        program = native_programs.program("limit_server")
        return [str(program), address, *([str(answer_size)] if answer_size else [])]
    return [sys.executable, str(PROGRAMS / "loop_server.py"), loop_name, service, interface, address, str(loop_count)]
