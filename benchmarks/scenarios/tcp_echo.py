"""TCP echo of 1 KB messages: what a message costs the server, and how long it takes.

The server runs on the loop, in a process of its own; the client here is plain sockets, the same for every loop.
Each connection has one message under way: its echo is awaited, the next is sent. The client spins instead of
sleeping (given two CPUs): waking a sleeper costs more than an echo, and the server would be billed for it.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager

from scenarios.definition import QUICK_DIVISOR, Measurement, Metric, Scenario

REPETITIONS = 5
MESSAGES = {1: 2_000, 64: 6_400}
MESSAGE = bytes(range(256)) * 4
CAN_SPIN = (os.cpu_count() or 1) > 1
SERVER = pathlib.Path(__file__).with_name("echo_server.py")


@contextmanager
def _echo_server(loop_name, kind):
    """Start the server; yield its announcement: class of the loop, ports."""
    process = subprocess.Popen(
        [sys.executable, str(SERVER), loop_name, kind], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        try:
            announcement = process.stdout.readline()
            if not announcement:
                raise RuntimeError(process.stderr.read().strip().rpartition("\n")[2] or "the server ended at once")
            yield json.loads(announcement)
            # Its control connection is closed by now. A loop that cannot end is not this scenario's subject.
            process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            pass
        finally:
            process.kill()


def _connect(port):
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _receive(connection, view):
    """Fill view from the connection; spin while there is nothing, if the connection does not block."""
    received = 0
    while received < len(view):
        try:
            count = connection.recv_into(view[received:] if received else view)
        except BlockingIOError:
            continue
        if count == 0:
            raise RuntimeError("the server closed a connection")
        received += count


def _exchange(connections, rounds):
    """Have every connection's message echoed, rounds times. A stall ends with the child's time limit."""
    buffer = bytearray(len(MESSAGE))
    view = memoryview(buffer)
    for connection in connections:
        connection.send(MESSAGE)
    for _ in range(rounds - 1):
        for connection in connections:
            _receive(connection, view)
            connection.send(MESSAGE)
    for connection in connections:
        _receive(connection, view)
    if buffer != MESSAGE:
        raise RuntimeError("the echo differs from the message")


def _server_cpu_ns(control):
    control.sendall(b"\n")
    return int(control.makefile("rb").readline())


def _measure(loop_definition, kind, connection_count, is_quick):
    rounds = MESSAGES[connection_count] // connection_count
    if is_quick:
        rounds = max(rounds // QUICK_DIVISOR, 1)
    samples = {"server_cpu": [], "elapsed": []}
    with _echo_server(loop_definition.name, kind) as announcement, ExitStack() as stack:
        echo_port, control_port = announcement["ports"]
        control = stack.enter_context(_connect(control_port))
        connections = [stack.enter_context(_connect(echo_port)) for _ in range(connection_count)]
        for connection in connections:
            connection.setblocking(not CAN_SPIN)
        _exchange(connections, max(rounds // 5, 1))
        for _ in range(1 if is_quick else REPETITIONS):
            cpu_ns, start_ns = _server_cpu_ns(control), time.perf_counter_ns()
            _exchange(connections, rounds)
            elapsed_ns = time.perf_counter_ns() - start_ns
            cpu_ns = _server_cpu_ns(control) - cpu_ns
            messages = rounds * connection_count
            samples["server_cpu"].append(cpu_ns / messages / 1000)
            samples["elapsed"].append(elapsed_ns / messages / 1000)
    return Measurement(announcement["loop_class"], samples)


def _echo_scenario(kind, connection_count):
    label = {"protocol": "Protocol", "streams": "streams"}[kind]
    plural = "connection" if connection_count == 1 else "connections"
    return Scenario(
        f"tcp_echo_{kind}_{connection_count}",
        f"TCP echo {label}, {connection_count} {plural}",
        (Metric("server_cpu", "us", "server CPU"), Metric("elapsed", "us", "time per message")),
        lambda loop_definition, is_quick: _measure(loop_definition, kind, connection_count, is_quick),
    )


SCENARIOS = tuple(_echo_scenario(kind, count) for kind in ("protocol", "streams") for count in (1, 64))
