"""Runs a program's descriptors, transports, server and streams; see interpreter.py for the rest.

Everything written arrives at once: on socket pairs always, on the loopback interface as far as the kernel lets it. What is written
is counted through the whole program, so that lost, doubled and exchanged bytes show in what the readers record.
"""

import asyncio
import contextlib
import functools
import os
import socket
import sys

import rules
from actors.connections import tcp_pair
from interpreter import Interpreter, ProgramError

LETTERS = b"abcdefghijklmnopqrstuvwxyz"
# For a reader that takes nothing.
MOST_CALLS_FOR_NOTHING = 4
# For a buffered protocol: so small that the buffer is often full.
BUFFER_SIZE = 4
CAN_PAUSE_WHILE_CONNECTING = sys.version_info >= (3, 11, 4)
CAN_WRITE_LINES_AFTER_LOSS = sys.version_info[:2] not in ((3, 12), (3, 13))
# With so many sockets no further connections are made.
MOST_ENDS = 10


class End:
    """A socket and what it is used for."""

    def __init__(self, name, sock, kind="tcp"):
        self.name = name
        self.sock = sock
        self.kind = kind
        self.transport = None
        self.reader = None
        self.writer = None
        # It has, or had, a transport.
        self.is_taken = False
        # sock_recv() and sock_sendall() that wait.
        self.operations = []
        self.has_ended = False
        self.is_accepted = False
        # Its connection_made() runs.
        self.is_connecting = False


class IoInterpreter(Interpreter):
    def __init__(self, program, loop):
        super().__init__(program, loop)
        self.ends = []
        self.bytes_written = 0
        self.server = None
        self.accepted = 0
        # Connections that were dialled, but have not had their connection_made() yet.
        self.connecting = 0

    @contextlib.contextmanager
    def io(self):
        with contextlib.ExitStack() as stack:
            for number, kind in enumerate(self.program.pairs):
                for side, sock in enumerate(connected_pair(kind)):
                    stack.enter_context(sock)
                    sock.setblocking(False)
                    self.ends.append(End(f"end {2 * number + side}", sock, kind))
            if self.program.server is not None:
                self.server = self.loop.run_until_complete(self.loop.create_server(self.new_accepted_protocol, "127.0.0.1", 0))
                self.address = self.server.sockets[0].getsockname()
            self.stack = stack
            yield

    def close_io(self, is_last=False):
        if self.server is not None and (is_last or not self.connecting):
            self.server.close()
        for end in self.ends:
            if end.transport is not None:
                # A reading pipe has no abort(), and that of a lost writing pipe fails.
                if end.kind != "pipe":
                    end.transport.abort()
                elif not end.transport.is_closing():
                    end.transport.close()
            elif not end.is_taken:
                self.loop.remove_reader(end.sock)
                self.loop.remove_writer(end.sock)

    def end(self, node):
        return self.ends[node.end % len(self.ends)]

    def next_bytes(self, size):
        data = bytes(LETTERS[(self.bytes_written + n) % len(LETTERS)] for n in range(size))
        self.bytes_written += size
        return data

    # ---- raw sockets ----

    def is_free(self, end):
        """May the end get a reader or a writer?"""
        if end.operations:
            self.left_out[rules.READER_BESIDE_OPERATION] += 1
        return not end.is_taken and not end.operations

    @contextlib.contextmanager
    def operation(self, end, stop_watching):
        if stop_watching(end.sock):
            self.left_out[rules.READER_BESIDE_OPERATION] += 1
        end.operations.append(stop_watching.__name__)
        try:
            yield
        finally:
            end.operations.remove(stop_watching.__name__)

    def may_begin(self, end, stop_watching):
        is_second = stop_watching.__name__ in end.operations
        if is_second:
            self.left_out[rules.OPERATIONS_AT_ONCE] += 1
        return not end.is_taken and not is_second

    def add_reader(self, place, node):
        end = self.end(node)
        calls = 0

        def readable():
            nonlocal calls
            calls += 1
            self.note(place, end.name, "readable", self.take(end, node.takes) if node.takes else "")
            if node.takes == 0 and calls == MOST_CALLS_FOR_NOTHING:
                self.loop.remove_reader(end.sock)
            self.do_body(place, node.body)

        if self.is_free(end):
            self.loop.add_reader(end.sock, readable)

    def take(self, end, size):
        try:
            data = end.sock.recv(size)
        except OSError as error:
            return type(error).__name__
        if not data:
            # The end is reported forever.
            self.loop.remove_reader(end.sock)
        return data

    def remove_reader(self, place, node):
        end = self.end(node)
        if self.is_free(end):
            return self.loop.remove_reader(end.sock)

    def add_writer(self, place, node):
        end = self.end(node)

        def writable():
            self.note(place, end.name, "writable")
            self.loop.remove_writer(end.sock)
            self.do_body(place, node.body)

        if self.is_free(end):
            self.loop.add_writer(end.sock, writable)

    def remove_writer(self, place, node):
        end = self.end(node)
        if self.is_free(end):
            return self.loop.remove_writer(end.sock)

    def send(self, place, node):
        end = self.end(node)
        if not end.is_taken:
            return end.sock.send(self.next_bytes(node.size))

    def receive(self, place, node):
        end = self.end(node)
        if not end.is_taken:
            return end.sock.recv(100)

    def shut_down(self, place, node):
        end = self.end(node)
        if not end.is_taken:
            end.sock.shutdown(socket.SHUT_WR)

    async def sock_receive(self, place, node, born):
        end = self.end(node)
        if self.may_begin(end, self.loop.remove_reader):
            with self.operation(end, self.loop.remove_reader):
                return await self.loop.sock_recv(end.sock, 100)

    async def sock_send(self, place, node, born):
        end = self.end(node)
        if self.may_begin(end, self.loop.remove_writer):
            with self.operation(end, self.loop.remove_writer):
                await self.loop.sock_sendall(end.sock, self.next_bytes(node.size))

    # ---- transports ----

    def take_over(self, end):
        """Make the end ready for a transport; False if it has had one."""
        if end.is_taken or not self.is_free(end):
            return False
        end.is_taken = True
        self.loop.remove_reader(end.sock)
        self.loop.remove_writer(end.sock)
        return True

    def connect(self, place, node):
        end = self.end(node)
        if self.take_over(end):
            make = self.maker_of_transports(end, node.is_accepted)
            self.tasks.append(self.loop.create_task(self.connection(place, make, new_protocol(self, place, node.protocol, end), end)))

    def maker_of_transports(self, end, is_accepted):
        if end.kind == "pipe":
            return self.loop.connect_read_pipe if end.sock.is_reading else self.loop.connect_write_pipe
        if end.kind in DATAGRAMS:
            return functools.partial(create_datagram_endpoint, self.loop)
        return functools.partial(create_connection, self.loop.connect_accepted_socket if is_accepted else self.loop.create_connection)

    async def connection(self, place, make, protocol, end):
        self.note(place, "connecting")
        transport, _ = await make(lambda: protocol, end.sock)
        self.note(place, "connected", transport.is_closing())

    def new_accepted_protocol(self):
        self.accepted += 1
        end = End(f"accepted {self.accepted}", None)
        end.is_taken = end.is_accepted = True
        self.ends.append(end)
        self.note(end.name, "protocol made")
        return new_protocol(self, f"s{self.accepted}", self.program.server, end)

    def transport_of(self, node):
        return self.ends and self.end(node).transport

    def write(self, place, node):
        if transport := self.transport_of(node):
            transport.write(self.next_bytes(node.size))

    def write_lines(self, place, node):
        transport = self.transport_of(node)
        if transport and transport._conn_lost and not CAN_WRITE_LINES_AFTER_LOSS:
            self.left_out[rules.WRITELINES_AFTER_LOSS] += 1
        elif transport:
            transport.writelines([self.next_bytes(node.size), self.next_bytes(1)])

    def write_eof(self, place, node):
        if transport := self.transport_of(node):
            transport.write_eof()

    def close_(self, place, node):
        if transport := self.transport_of(node):
            transport.close()

    def abort(self, place, node):
        if transport := self.transport_of(node):
            transport.abort()

    def pause_reading(self, place, node):
        if transport := self.transport_of(node):
            if self.end(node).is_connecting and not CAN_PAUSE_WHILE_CONNECTING:
                self.left_out[rules.PAUSED_WHILE_CONNECTING] += 1
            else:
                transport.pause_reading()

    def resume_reading(self, place, node):
        if transport := self.transport_of(node):
            if self.end(node).has_ended:
                self.left_out[rules.READING_AFTER_EOF] += 1
            else:
                transport.resume_reading()

    def send_to(self, place, node):
        end = self.end(node)
        if not end.transport:
            return
        address = end.sock.peer_address if node.has_address else None
        if not address and end.sock.family == socket.AF_UNIX:
            self.left_out[rules.NAMELESS_PEER] += 1
        else:
            end.transport.sendto(self.next_bytes(node.size), address)

    def close_descriptor(self, place, node):
        end = self.end(node)
        if self.take_over(end):
            end.sock.close()

    def dial(self, place, node):
        if self.server is not None and len(self.ends) < MOST_ENDS:
            sock = self.stack.enter_context(socket.socket())
            sock.connect(self.address)
            sock.setblocking(False)
            self.connecting += 1
            self.ends.append(End(f"dialled {len(self.ends)}", sock))

    def close_server(self, place, node):
        if self.connecting:
            self.left_out[rules.CLOSED_WHILE_ACCEPTING] += 1
        elif self.server is not None:
            self.server.close()

    # ---- streams ----

    async def open_stream(self, place, node, born):
        end = self.end(node)
        if self.take_over(end):
            end.reader, end.writer = await asyncio.open_connection(sock=end.sock, limit=node.limit)
            end.transport = end.writer.transport

    async def drain(self, place, node, born):
        if writer := self.end(node).writer:
            await writer.drain()

    async def read(self, place, node, born):
        if reader := self.end(node).reader:
            return await reader.read(node.size)

    async def read_exactly(self, place, node, born):
        if reader := self.end(node).reader:
            return await reader.readexactly(node.size)

    async def read_until(self, place, node, born):
        if reader := self.end(node).reader:
            return await reader.readuntil(LETTERS[node.letter : node.letter + 1])

    async def read_line(self, place, node, born):
        if reader := self.end(node).reader:
            return await reader.readline()

    async def read_all(self, place, node, born):
        if reader := self.end(node).reader:
            return await reader.read(), reader.at_eof()

    async def wait_closed(self, place, node, born):
        if writer := self.end(node).writer:
            await writer.wait_closed()


class RecordingProtocol(asyncio.Protocol):
    """Records its callbacks, and does the bodies of its Reactions."""

    def __init__(self, interpreter, place, reactions, end):
        self.interpreter = interpreter
        self.place = place
        self.reactions = reactions
        self.end = end

    def told(self, what, *words):
        self.interpreter.note(self.place, self.end.name, what, *words)

    def react(self, what):
        self.interpreter.do_body(f"{self.place}.{what}", getattr(self.reactions, what))

    def connection_made(self, transport):
        self.told("connection_made")
        self.end.transport = transport
        self.interpreter.connecting -= self.end.is_accepted
        self.end.is_connecting = True
        try:
            self.react("made")
        except SystemExit as error:
            self.interpreter.left_out[rules.EXIT_WHILE_CONNECTING] += 1
            raise ProgramError("not an exit") from error
        finally:
            self.end.is_connecting = False

    def data_received(self, data):
        self.told("data_received", data)
        self.react("data")

    def datagram_received(self, data, address):
        self.told("datagram_received", data, address == self.end.sock.peer_address)
        self.react("data")

    def error_received(self, error):
        self.told("error_received", type(error).__name__)
        self.react("eof")

    def eof_received(self):
        self.told("eof_received")
        self.end.has_ended = True
        self.react("eof")
        return self.reactions.stays_open

    def connection_lost(self, error):
        self.told("connection_lost", type(error).__name__)
        self.react("lost")

    def pause_writing(self):
        self.told("pause_writing")

    def resume_writing(self):
        self.told("resume_writing")


class RecordingBufferedProtocol(RecordingProtocol, asyncio.BufferedProtocol):
    def get_buffer(self, size_hint):
        self.buffer = bytearray(BUFFER_SIZE)
        return self.buffer

    def buffer_updated(self, size):
        self.data_received(bytes(self.buffer[:size]))


def new_protocol(interpreter, place, reactions, end):
    cls = RecordingBufferedProtocol if reactions.is_buffered else RecordingProtocol
    return cls(interpreter, place, reactions, end)


DATAGRAMS = ("udp", "unix datagrams")


class DatagramSocket(socket.socket):
    """A socket that knows the address of its peer. It is connected only if the kernel needs that, so that errors reach it."""

    peer_address = None


class PipeEnd:
    """One end of a pipe as a file object, and as much of a socket as the interpreter needs."""

    def __init__(self, fd, is_reading):
        self._file = open(fd, "rb" if is_reading else "wb", 0)
        self.is_reading = is_reading
        self.fileno = self._file.fileno
        self.close = self._file.close

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def setblocking(self, is_blocking):
        os.set_blocking(self.fileno(), is_blocking)

    def send(self, data):
        return os.write(self.fileno(), data)

    def recv(self, size):
        return os.read(self.fileno(), size)


async def create_connection(make, protocol_factory, sock):
    return await make(protocol_factory, sock=sock)


async def create_datagram_endpoint(loop, protocol_factory, sock):
    return await loop.create_datagram_endpoint(protocol_factory, sock=sock)


def udp_pair():
    pair = [DatagramSocket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for sock in pair:
        sock.bind(("127.0.0.1", 0))
    for sock, peer in (pair, reversed(pair)):
        sock.peer_address = peer.getsockname()
        sock.connect(sock.peer_address)
    return pair


def connected_pair(kind):
    if kind == "unix":
        return socket.socketpair()
    if kind == "unix datagrams":
        pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        return [DatagramSocket(fileno=sock.detach()) for sock in pair]
    if kind == "udp":
        return udp_pair()
    if kind == "pipe":
        return [PipeEnd(fd, fd_number == 0) for fd_number, fd in enumerate(os.pipe())]
    ends = tcp_pair()
    for end in ends:
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return ends
