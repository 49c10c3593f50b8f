"""Fixtures of the transport tests: protocols that record, connections, and far ends that use none of what is under test.

A connection has a near end, which is a transport of the loop under test, and a far end, a Peer: a plain socket that only
add_reader() and add_writer() drive. `connect` makes connections of each kind in turn; every fixture closes what it opened.
Nothing here waits for a time to pass: `until` waits for a condition, `settle` for the kernel to have been asked.
"""

import array
import asyncio
import contextlib
import gc
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import warnings

import pytest


@pytest.fixture
def reported(loop):
    """The contexts that the loop's exception handler gets."""
    contexts = []
    loop.set_exception_handler(lambda loop, context: contexts.append(context))
    return contexts


@pytest.fixture
def settle(loop):
    """A coroutine function that returns when the kernel was asked a few times, and what it told was handled."""

    async def ask_the_kernel():
        left, right = socket.socketpair()
        with left, right:
            for _ in range(5):
                answered = loop.create_future()
                loop.add_reader(left, lambda answered=answered: answered.done() or answered.set_result(None))
                right.send(b"x")
                await answered
                loop.remove_reader(left)
                left.recv(1)

    return ask_the_kernel


# Protocols that record


class Recorder:
    """What a protocol was told, in order; RecordingProtocol(name=function) calls function(protocol, ...) after recording."""

    def __init__(self, **hooks):
        self.hooks = hooks
        self.transport = None
        # Names of the callbacks; data that arrives in several pieces counts once.
        self.calls = []
        self.received = bytearray()
        # The argument of each connection_lost().
        self.lost = []
        self._waiters = []

    def _record(self, name, *args):
        if name not in ("data_received", "buffer_updated") or self.calls[-1:] != [name]:
            self.calls.append(name)
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()
        if name in self.hooks:
            return self.hooks[name](self, *args)

    async def until(self, condition):
        """Wait until condition(); it is looked at after each callback."""
        while not condition():
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    async def until_connected(self):
        await self.until(lambda: self.transport is not None)

    async def until_received(self, size):
        await self.until(lambda: len(self.received) >= size or self.lost)
        return bytes(self.received)

    async def until_lost(self):
        """Wait for connection_lost() and for the turn after it, in which the socket is closed; return its argument."""
        await self.until(lambda: self.lost)
        await asyncio.sleep(0)
        return self.lost[0]

    def connection_made(self, transport):
        self.transport = transport
        return self._record("connection_made", transport)

    def connection_lost(self, error):
        self.lost.append(error)
        return self._record("connection_lost", error)

    def pause_writing(self):
        return self._record("pause_writing")

    def resume_writing(self):
        return self._record("resume_writing")

    def eof_received(self):
        return self._record("eof_received")


class RecordingProtocol(Recorder, asyncio.Protocol):
    """A protocol that records what it is told."""

    def data_received(self, data):
        assert type(data) is bytes
        self.received += data
        return self._record("data_received", data)


class RecordingBufferedProtocol(Recorder, asyncio.BufferedProtocol):
    """A protocol with a buffer of its own that records what it is told."""

    def __init__(self, buffer_size=4096, **hooks):
        super().__init__(**hooks)
        self.buffer = bytearray(buffer_size)

    def get_buffer(self, size_hint):
        assert type(size_hint) is int
        if "get_buffer" in self.hooks:
            return self.hooks["get_buffer"](self, size_hint)
        return memoryview(self.buffer)

    def buffer_updated(self, size):
        self.received += self.buffer[:size]
        return self._record("buffer_updated", size)


async def until_all_are_lost(protocols):
    for protocol in protocols:
        await protocol.until_lost()


@pytest.fixture
def all_lost():
    """A coroutine function that waits until all these protocols have lost their connections."""
    return until_all_are_lost


@pytest.fixture
def make_protocol():
    return RecordingProtocol


@pytest.fixture
def make_buffered_protocol():
    return RecordingBufferedProtocol


# Far ends


class Peer:
    """The far end of a connection: a plain socket that does not block."""

    def __init__(self, loop, sock):
        sock.setblocking(False)
        self._loop = loop
        self.sock = sock

    async def _ready(self, add, remove):
        ready = self._loop.create_future()
        add(self.sock, lambda: ready.done() or ready.set_result(None))
        try:
            await ready
        finally:
            remove(self.sock)

    async def readable(self):
        await self._ready(self._loop.add_reader, self._loop.remove_reader)

    async def receive_some(self, size=262144):
        while True:
            try:
                return self.sock.recv(size)
            except BlockingIOError:
                await self.readable()

    async def receive(self, size):
        """Return size bytes, or fewer if the connection ends before."""
        received = bytearray()
        while len(received) < size:
            data = await self.receive_some(size - len(received))
            if not data:
                break
            received += data
        return bytes(received)

    async def receive_all(self):
        """Return what arrives until the end; a reset is an end, too."""
        received = bytearray()
        with contextlib.suppress(ConnectionResetError):
            while data := await self.receive_some():
                received += data
        return bytes(received)

    async def send(self, data):
        view = memoryview(data)
        while view:
            try:
                view = view[self.sock.send(view) :]
            except BlockingIOError:
                await self._ready(self._loop.add_writer, self._loop.remove_writer)

    async def check_echo(self):
        await self.send(b"hello")
        assert await self.receive(5) == b"hello"

    def send_end(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        reset_connection(self.sock)

    def close(self):
        self.sock.close()


def reset_connection(sock):
    """Close sock so that the other end gets a reset instead of an end."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.fixture
def reset():
    """A function that closes a TCP socket with a reset."""
    return reset_connection


class Connections:
    """Makes connections: each method takes the protocol of the near end and returns its transport and the Peer."""

    def __init__(self, loop, folder):
        self._loop = loop
        self._path = os.path.join(folder, "socket")
        self._transports = []
        self._peers = []
        self._servers = []

    async def _connected_to(self, listener, protocol, connecting):
        with listener:
            await connecting
            sock, _ = listener.accept()
        return self._keep(protocol, sock)

    def _keep(self, protocol, sock):
        peer = Peer(self._loop, sock)
        self._transports.append(protocol.transport)
        self._peers.append(peer)
        return protocol.transport, peer

    async def tcp(self, protocol):
        """A transport made by create_connection()."""
        listener = socket.create_server(("127.0.0.1", 0))
        connecting = self._loop.create_connection(lambda: protocol, *listener.getsockname())
        return await self._connected_to(listener, protocol, connecting)

    async def unix(self, protocol):
        """A transport made by create_unix_connection()."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self._path)
        listener.listen()
        connecting = self._loop.create_unix_connection(lambda: protocol, self._path)
        try:
            return await self._connected_to(listener, protocol, connecting)
        finally:
            os.remove(self._path)

    async def accepted(self, protocol):
        """A transport made by the server of create_server()."""
        server = await self._loop.create_server(lambda: protocol, "127.0.0.1", 0)
        self._servers.append(server)
        sock = socket.create_connection(server.sockets[0].getsockname())
        self._peers.append(Peer(self._loop, sock))
        await protocol.until_connected()
        server.close()
        return self._keep(protocol, sock)

    def close(self):
        for transport in self._transports:
            if transport.get_extra_info("socket").fileno() != -1 and not self._loop.is_closed():
                transport.abort()
        for ended in (*self._peers, *self._servers):
            ended.close()
        for _ in range(100):
            if self._loop.is_closed() or all(transport.get_extra_info("socket").fileno() == -1 for transport in self._transports):
                break
            self._loop.run_until_complete(asyncio.sleep(0))


@pytest.fixture
def short_folder():
    """A folder for sockets, whose names may have some hundred bytes only."""
    with tempfile.TemporaryDirectory(prefix="net") as folder:
        yield folder


@pytest.fixture
def connections(loop, short_folder):
    """Makes connections of the kind that is asked for."""
    made = Connections(loop, short_folder)
    yield made
    made.close()


# Both address families and both ways to begin; test_tcp_transport.py adds connections that were made over TCP.
@pytest.fixture(params=["accepted", "unix"])
def connect(connections, request):
    """A function that makes connections; the test runs for those accepted over TCP and for those made to a Unix socket."""
    return getattr(connections, request.param)


@pytest.fixture
def make_peer(loop):
    """A function that makes a Peer of a socket, which is closed at the end."""
    peers = []

    def make(sock):
        peers.append(Peer(loop, sock))
        return peers[-1]

    yield make
    for peer in peers:
        peer.close()


# Smaller buffers make TCP on loopback crawl.
NARROW = 131_072


@pytest.fixture
def narrow_connect(connect):
    """As connect, but the kernel keeps so little of what the transport writes that a slow reader is felt soon."""

    async def connect_narrowly(protocol):
        transport, peer = await connect(protocol)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, NARROW)
        # A size that was set does not grow with the use, as sizes do by themselves.
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW)
        return transport, peer

    return connect_narrowly


@pytest.fixture
def pattern():
    """A function that makes so many bytes that a piece which is lost, repeated or moved shows."""

    def make(size):
        return array.array("I", range(size // 4 + 1)).tobytes()[:size]

    return make


# Servers


@pytest.fixture
def accepted():
    """The protocols of the connections that the server under test accepted."""
    return []


@pytest.fixture
def serve(loop, make_protocol, accepted):
    """A coroutine function that makes a server on 127.0.0.1; its protocols answer with what they receive."""

    def echo(protocol, data):
        protocol.transport.write(data)

    def make():
        accepted.append(make_protocol(data_received=echo))
        return accepted[-1]

    async def create(factory=make, **options):
        return await loop.create_server(factory, "127.0.0.1", 0, **options)

    return create


@pytest.fixture
def connect_to(make_peer):
    """A function that connects a Peer to a server, or to an address."""

    def connect(server):
        address = server if isinstance(server, tuple) else server.sockets[0].getsockname()
        return make_peer(socket.create_connection(address[:2]))

    return connect


# Raw sockets


@pytest.fixture(params=["unix", "tcp"])
def pair(request, no_leaks):
    """Two connected sockets that do not block."""
    if request.param == "unix":
        left, right = socket.socketpair()
    else:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            left = socket.create_connection(listener.getsockname())
            right, _ = listener.accept()
    with left, right:
        for end in left, right:
            end.setblocking(False)
        yield left, right


@pytest.fixture
def start(loop, settle):
    """A coroutine function that returns a task of a coroutine which waits."""

    async def make_task(coroutine):
        task = loop.create_task(coroutine)
        await settle()
        assert not task.done()
        return task

    return make_task


@pytest.fixture
def fill():
    """A function that writes to a socket until it takes no more, and returns how much that was."""

    def write(sock):
        size = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                size += sock.send(bytes(65536))
        return size

    return write


# Files


@pytest.fixture
def make_file(tmp_path, no_leaks):
    """A function that writes a file and opens it for reading; it is closed at the end."""
    files = []

    def make(content, **options):
        path = tmp_path / f"file{len(files)}"
        path.write_bytes(content)
        files.append(path.open("rb", **options))
        return files[-1]

    yield make
    for file in files:
        file.close()


# Descriptors


class Bystanders:
    """Sockets that take the numbers of closed descriptors, and notice if somebody else closes them."""

    def __init__(self):
        self._pairs = []

    def open(self, count=8):
        for _ in range(count):
            pair = socket.socketpair()
            self._pairs.append((pair, [os.fstat(end.fileno()).st_ino for end in pair]))

    def numbers(self):
        return {end.fileno() for pair, _ in self._pairs for end in pair}

    def check(self):
        for pair, inodes in self._pairs:
            assert [os.fstat(end.fileno()).st_ino for end in pair] == inodes, "a descriptor was closed by somebody who did not own it"
            pair[0].send(b"intact")
            assert pair[1].recv(100) == b"intact"

    def close(self):
        for pair, _ in self._pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.close()


@pytest.fixture
def bystanders(no_leaks):
    """Makes sockets that nobody but the test owns; at the end all of them must be intact."""
    made = Bystanders()
    yield made
    try:
        made.check()
    finally:
        made.close()


@pytest.fixture
def listener(no_leaks):
    """A listening socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def unresponsive_address(no_leaks):
    """The address of a listening socket that neither accepts nor refuses."""
    with contextlib.ExitStack() as opened:
        listener = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            sock = opened.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        yield listener.getsockname()


@pytest.fixture
def refusing_addresses(no_leaks):
    """Three addresses that nobody listens at and nobody else can take."""
    with contextlib.ExitStack() as opened:
        addresses = []
        for _ in range(3):
            sock = opened.enter_context(socket.socket())
            sock.bind(("127.0.0.1", 0))
            addresses.append(sock.getsockname())
        yield addresses


@pytest.fixture
def resolve_to(loop, monkeypatch):
    """A function that makes the loop's getaddrinfo() answer with these addresses, in this order."""

    def set_answer(*addresses):
        async def getaddrinfo(host, port, *, family=0, type=0, proto=0, flags=0):
            return [
                (socket.AF_INET6 if len(address) == 4 else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)
                for address in addresses
            ]

        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)

    return set_answer


# TLS


@pytest.fixture(scope="session")
def tls_contexts(tmp_path_factory):
    """The SSL contexts of a server called localhost and of a client that trusts it."""
    ssl = pytest.importorskip("ssl", reason="this Python has no TLS")
    if shutil.which("openssl") is None:
        pytest.skip("the certificate is made by the openssl command")
    folder = tmp_path_factory.mktemp("certificate")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out certificate.pem -days 2 -subj /CN=localhost".split()
    command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    client_context = ssl.create_default_context(cafile=str(folder / "certificate.pem"))
    return server_context, client_context


@pytest.fixture
def unclosed_sockets_allowed():
    """asyncio forgets some sockets after errors and leaves them to the collector, which says so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()
