"""load_client.c in Python, for machines without a C compiler: python load_client.py, the same arguments and answers.

Owns: the client's half of every exchange. It takes several times as long for a message as the C program, so with many
connections it, not the server, decides how many messages pass in a second; the server's CPU time stays comparable.
Driven by server_session.py.
"""

import json
import resource
import select
import signal
import socket
import sys
import time

BULK_BYTES = 256 * 1024
SLEEP_MS = 1000
STALL_NS = 5_000_000_000
CONNECTIONS_PER_SOURCE = 10_000


class LoadClient:
    """Its connections and what they have under way."""

    def __init__(self, mode, address, connections, request_size, answer_size, wait):
        self.is_burst = mode == "burst"
        self.is_reconnecting = self.is_burst or mode == "reconnect"
        self.family, self.address = parse_address(address)
        self.is_spinning = wait == "spin"
        pattern = bytes(range(256)) * (max(request_size, answer_size) // 256 + 1)
        self.request, self.answer = pattern[:request_size], pattern[:answer_size]
        self.buffer = memoryview(bytearray(max(answer_size, BULK_BYTES)))
        self.opened = 0
        self.start_ns = 0
        self.progress_ns = 0
        self.latencies_ns = []
        self.connections = [Connection() for _ in range(connections)]
        if not self.is_reconnecting:
            for connection in self.connections:
                connection.socket = self.open_socket()

    def open_socket(self):
        new = socket.socket(self.family)
        if self.family == socket.AF_INET:
            if sys.platform == "linux":
                # For the reason that load_client.c gives: ports.
                new.bind((f"127.0.{1 + self.opened // CONNECTIONS_PER_SOURCE % 250}.1", 0))
            new.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        new.connect(self.address)
        new.setblocking(False)
        self.opened += 1
        return new

    def exchange(self, count):
        """Have count requests answered on each connection."""
        self.latencies_ns = []
        poller = select.poll()
        active = {}
        for connection in self.connections:
            connection.remaining = count
            self.begin(connection)
            self.watch(poller, active, connection)
        if self.is_burst:
            self.await_start()
        self.progress_ns = time.monotonic_ns()
        while active:
            ready = poller.poll(0 if self.is_spinning else SLEEP_MS)
            if not ready:
                self.give_up_if_stalled()
            for fd, _ in ready:
                connection = active[fd]
                if self.advance(connection):
                    if self.is_reconnecting:
                        poller.unregister(fd)
                        connection.socket.close()
                        del active[fd]
                    connection.remaining -= 1
                    if connection.remaining:
                        self.begin(connection)
                    elif fd in active:
                        poller.unregister(fd)
                        del active[fd]
                if connection.remaining:
                    self.watch(poller, active, connection)

    def await_start(self):
        """The connections and requests that are to come in at once are with the kernel: begin when told to."""
        print("{}", flush=True)
        if not sys.stdin.readline():
            sys.exit("nobody said when to begin")
        self.start_ns = time.monotonic_ns()
        for connection in self.connections:
            connection.began_ns = self.start_ns

    def begin(self, connection):
        connection.began_ns = time.monotonic_ns()
        if self.is_reconnecting:
            connection.socket = self.open_socket()
        connection.sent = connection.received = 0
        connection.has_ended = False
        self.send(connection)

    def watch(self, poller, active, connection):
        active[connection.socket.fileno()] = connection
        is_sending = connection.sent < len(self.request)
        poller.register(connection.socket, select.POLLIN | (select.POLLOUT if is_sending else 0))

    def send(self, connection):
        try:
            while connection.sent < len(self.request):
                connection.sent += connection.socket.send(memoryview(self.request)[connection.sent :])
        except BlockingIOError:
            return
        if self.is_burst and not connection.has_ended:
            connection.has_ended = True
            connection.socket.shutdown(socket.SHUT_WR)

    def advance(self, connection):
        """Send and receive until it would wait; return whether the answer is complete."""
        self.send(connection)
        try:
            while connection.received < len(self.answer):
                count = connection.socket.recv_into(self.buffer[: len(self.answer) - connection.received])
                if count == 0:
                    sys.exit("the server closed a connection")
                expected = self.answer[connection.received : connection.received + count]
                if not connection.is_checked and self.buffer[:count] != expected:
                    sys.exit("the answer differs from what was expected")
                connection.received += count
            if self.is_burst and connection.socket.recv(1):
                sys.exit("the server sent more than was expected")
        except BlockingIOError:
            return False
        connection.is_checked = True
        self.progress_ns = time.monotonic_ns()
        self.latencies_ns.append(self.progress_ns - connection.began_ns)
        return True

    def give_up_if_stalled(self):
        if time.monotonic_ns() - self.progress_ns > STALL_NS:
            sys.exit(f"no answer for {STALL_NS // 1_000_000_000} s")

    def move_bulk(self, size, is_upload):
        """Eight bytes say how much; then it moves, and an upload is acknowledged by one byte."""
        connection = self.connections[0].socket
        # These calls sleep while they wait: spinning would take the server's processor time on the way to the kernel.
        connection.settimeout(STALL_NS / 1e9)
        connection.sendall(size.to_bytes(8, "big"))
        left = size
        while is_upload and left:
            connection.sendall(self.buffer[: min(left, BULK_BYTES)])
            left -= min(left, BULK_BYTES)
        left = 1 if is_upload else size
        while left:
            count = connection.recv_into(self.buffer[: min(left, BULK_BYTES)])
            if count == 0:
                sys.exit("the server closed a connection")
            left -= count

    def figures(self, elapsed_ns):
        latencies_ns = sorted(self.latencies_ns) or [0]
        p50_ns, p99_ns = (latencies_ns[(len(latencies_ns) - 1) * percent // 100] for percent in (50, 99))
        return {"elapsed_ns": elapsed_ns, "p50_ns": p50_ns, "p99_ns": p99_ns}


class Connection:
    """One connection and the request that it has under way."""

    def __init__(self):
        self.socket = None
        self.is_checked = self.has_ended = False
        self.sent = self.received = self.began_ns = self.remaining = 0


def parse_address(text):
    family, _, place = text.partition(":")
    return (socket.AF_INET, ("127.0.0.1", int(place))) if family == "tcp" else (socket.AF_UNIX, place)


def raise_descriptor_limit():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        # macOS says "unlimited" and then refuses it.
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 10_240), hard))


def main():
    mode, address, connections, request_size, answer_size, wait = sys.argv[1:]
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    raise_descriptor_limit()
    client = LoadClient(mode, address, int(connections), int(request_size), int(answer_size), wait)
    print("{}", flush=True)
    for line in iter(sys.stdin.readline, ""):
        client.start_ns = time.monotonic_ns()
        if mode in ("download", "upload"):
            client.move_bulk(int(line), mode == "upload")
        else:
            client.exchange(int(line))
        print(json.dumps(client.figures(time.monotonic_ns() - client.start_ns)), flush=True)


if __name__ == "__main__":
    main()
