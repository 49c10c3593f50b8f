"""A server on a loop and a client, each in a process of its own, and the CPU time of the server while the client asks.

Owns: both processes and their addresses.
The client is the same C program for all loops. It spins instead of sleeping (given two CPUs): waking a sleeper costs more than an
echo, and the server would be billed for it.
"""

import os
import pathlib
import signal
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks import native_programs, openssl
from benchmarks.loops import YARDSTICK
from benchmarks.process_account import cpu_ns
from benchmarks.processes import Process, python_command

FAMILIES = {"tcp": "TCP", "unix": "Unix"}
TLS = "tls"
# They have no connections: Exchange.connections is how many datagrams are under way.
DATAGRAM_FAMILIES = {"udp": "UDP"}
INTERFACES = {
    "protocol": "Protocol",
    "buffered": "BufferedProtocol",
    "streams": "streams",
    "own_streams": "own streams",
    "sockets": "sock_*",
    "datagrams": "DatagramProtocol",
}
# Services that answer with the request.
ECHOES = {"echo", "echo_lines", "echo_exactly"}
TERMINATION_LIMIT_S = 5.0
ALLOWED_CPUS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Exchange:
    """What a server does and a client asks of it.

    mode: that of load_client.c, or datagram_client.c. loop_count: loops in threads of the server.
    line_size: of the lines in a request; 0 if it has none. key: of the server's certificate, if the family is TLS (openssl.KEYS).
    """

    service: str
    interface: str
    family: str
    mode: str = "exchange"
    connections: int = 1
    request_size: int = 0
    answer_size: int = 0
    loop_count: int = 1
    line_size: int = 0
    key: str = "ecdsa"

    def __str__(self):
        return f"{(FAMILIES | DATAGRAM_FAMILIES | {TLS: 'TLS'})[self.family]} {INTERFACES[self.interface]}"


@contextmanager
def session(loop_definition, exchange, *, prefix=()):
    """Yield a server and connect(exchange), which starts a client. They end with the block. prefix: a command that runs the server."""
    with ExitStack() as stack:
        # Looked up first, so that its absence is what a failure says.
        client_name = "datagram_client" if exchange.family in DATAGRAM_FAMILIES else "load_client"
        client_path = native_programs.path_of(client_name, exchange.family == TLS)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="loop-"))
        address = f"unix:{pathlib.Path(folder, 'socket')}" if exchange.family == "unix" else f"{exchange.family}:0"
        server = Server([*prefix, *_server_command(loop_definition, exchange, address)], stack)
        yield server, lambda asked: Client(client_path, server, asked, stack)


def _server_command(loop_definition, exchange, address):
    certificate = [openssl.certificate(exchange.key)] if exchange.family == TLS else []
    if loop_definition.name == YARDSTICK and certificate:
        return [native_programs.path_of("limit_server", is_tls=True), address, *certificate]
    if loop_definition.name == YARDSTICK:
        answer_size = [] if exchange.service in ECHOES else [str(exchange.answer_size)]
        return [native_programs.path_of("limit_server"), address, *answer_size]
    return python_command("serve", loop_definition.name, exchange.service, exchange.interface, address, exchange.loop_count, *certificate)


class Server(Process):
    """A process that listens at address."""

    @property
    def address(self):
        return self.greeting["address"]

    @property
    def loop_class(self):
        return self.greeting["loop_class"]

    def stop(self):
        """Let it do nothing until go_on()."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self):
        os.kill(self.pid, signal.SIGCONT)

    def terminate(self):
        self._process.terminate()
        self._process.wait(timeout=TERMINATION_LIMIT_S)


class Client(Process):
    """A load client, connected to a server."""

    def __init__(self, path, server, exchange, stack):
        self._server, self._is_burst = server, exchange.mode == "burst"
        sizes = map(str, (exchange.connections, exchange.request_size, exchange.answer_size))
        waiting = "spin" if ALLOWED_CPUS > 1 else "sleep"
        lines = () if exchange.family in DATAGRAM_FAMILIES else (str(exchange.line_size),)
        super().__init__([path, exchange.mode, server.address, *sizes, waiting, *lines], stack)

    def last_words(self):
        # What the server says of its failure comes before what the client makes of it.
        return self._server.last_words() or super().last_words()

    def run(self, amount):
        """Do amount, of requests on each connection or of bytes; return (the server's CPU time in ns, the client's figures)."""
        if self._is_burst:
            # The server stands still until everything is connected and asked.
            self._server.stop()
            self.ask(amount)
        before_ns = cpu_ns(self._server.pid)
        if self._is_burst:
            self._server.go_on()
        figures = self.ask("" if self._is_burst else amount)
        return cpu_ns(self._server.pid) - before_ns, figures
