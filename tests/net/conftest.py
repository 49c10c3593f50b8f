"""Fixtures of the transport tests: connections, servers, sockets and files that are closed at the end.

A connection has a near end, which is a transport of the loop under test, and a far end, a Peer: a plain socket that only
add_reader() and add_writer() drive. `connect` makes connections of each kind in turn.
Nothing here waits for a time to pass: `until` waits for a condition, `settle` for the kernel to have been asked.
"""

import contextlib
import gc
import socket
import tempfile
import warnings

import pytest

from actors.bystanders import Bystanders
from actors.connections import Connections, tcp_pair
from actors.peers import Peer
from actors.protocols import RecordingProtocols, echo


@pytest.fixture
def reported(loop):
    """The contexts that the loop's exception handler gets."""
    contexts = []
    loop.set_exception_handler(lambda loop, context: contexts.append(context))
    return contexts


@pytest.fixture
def short_folder():
    """A folder with a short path: the name of a Unix socket has room for about a hundred bytes."""
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
    """Like connect, but the kernel buffers so little of what the transport writes that a slow reader is soon noticed."""

    async def connect_narrowly(*args, **hooks):
        protocol, transport, peer = await connect(*args, **hooks)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, NARROW)
        # A buffer whose size was set does not grow by itself.
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW)
        return protocol, transport, peer

    return connect_narrowly


# Servers


@pytest.fixture
def accepted():
    """The protocols of the connections that the server under test accepted."""
    return RecordingProtocols(data_received=echo)


@pytest.fixture
def serve(loop, accepted):
    """A coroutine function that makes a server on 127.0.0.1, closed at the end; its protocols answer with what they receive."""
    servers = []

    async def create(factory=accepted, **options):
        servers.append(await loop.create_server(factory, "127.0.0.1", 0, **options))
        return servers[-1]

    yield create
    for server in servers:
        server.close()


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
    left, right = socket.socketpair() if request.param == "unix" else tcp_pair()
    with left, right:
        for end in left, right:
            end.setblocking(False)
        yield left, right


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
    """Three addresses at which nobody listens, and which nobody else can take."""
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
def tls_contexts(certificate):
    """The SSL contexts of a server called localhost and of a client that trusts it."""
    return certificate.server_context(), certificate.client_context()


@pytest.fixture
def unclosed_sockets_allowed():
    """asyncio forgets some sockets after errors and leaves them to the collector, which says so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()
