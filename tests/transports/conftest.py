"""Fixtures of the transport tests: connections, servers, sockets and files that are closed at the end.

A connection has a near end, which is a transport of the loop under test, and a far end, a Peer: a plain socket that only
add_reader() and add_writer() drive. `connect` makes connections of each kind in turn.
Nothing here waits for a time to pass: `until` waits for a condition, `settle` for the kernel to have been asked.
"""

import socket

import pytest

from actors.bystanders import Bystanders
from actors.kernel import settle
from actors.narrow import connecting_narrowly
from actors.protocols import RecordingDatagramProtocol, RecordingProtocol, RecordingProtocols, echo


# Both address families and both ways to begin; test_tcp_transport.py adds connections that were made over TCP.
@pytest.fixture(params=["accepted", "unix"])
def connect(connections, request):
    """A function that makes connections; the test runs for those accepted over TCP and for those made to a Unix socket."""
    return getattr(connections, request.param)


@pytest.fixture
def narrow_connect(connect):
    """Like connect, but the kernel buffers so little of what the transport writes that a slow reader is soon noticed."""
    return connecting_narrowly(connect)


# More than the kernel keeps for a connection whose buffer is narrow.
MUCH = 1_000_000


@pytest.fixture
def connect_and_fill(narrow_connect):
    """Like narrow_connect, but much has been written already, so that the protocol was paused."""

    async def connect(*args, **hooks):
        protocol, transport, peer = await narrow_connect(*args, **hooks)
        transport.write(bytes(MUCH))
        await settle()
        return protocol, transport, peer

    return connect


# Datagrams


@pytest.fixture
def endpoint(loop):
    """A coroutine function that makes a datagram endpoint, aborted at the end. Returns (transport, protocol)."""
    made = []

    async def create(hooks=(), **options):
        transport, protocol = await loop.create_datagram_endpoint(lambda: RecordingDatagramProtocol(**dict(hooks)), **options)
        made.append(transport)
        return transport, protocol

    yield create
    for transport in made:
        if not transport.is_closing():
            transport.abort()
    loop.run_until_complete(settle())


@pytest.fixture
def udp_peer(no_leaks):
    """A plain UDP socket with an address, which blocks."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(20)
        yield sock


@pytest.fixture
def unix_datagram_pair(no_leaks):
    """Two connected Unix sockets without addresses; the second one does not block."""
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    right.setblocking(False)
    # The transport of the first one closes it.
    with right:
        yield left, right
    left.close()


# Servers


@pytest.fixture
def accepted():
    """The protocols of the connections that the server under test accepted."""
    return RecordingProtocols(data_received=echo)


@pytest.fixture
def serve(loop, accepted):
    """A coroutine function that makes a server on 127.0.0.1, closed at the end; its protocols answer with what they receive."""
    servers = []

    async def create(factory=accepted, host="127.0.0.1", **options):
        address = () if "sock" in options else (host, 0)
        servers.append(await loop.create_server(factory, *address, **options))
        return servers[-1]

    yield create
    for server in servers:
        server.close()


@pytest.fixture
def connect_by_tls(loop, tls_contexts):
    """A coroutine function that connects a RecordingProtocol to a server by TLS; returns transport and protocol."""

    async def connect(server):
        options = {"ssl": tls_contexts[1], "server_hostname": "localhost"}
        return await loop.create_connection(RecordingProtocol, *server.sockets[0].getsockname(), **options)

    return connect


@pytest.fixture
def connect_and_check(connect_to):
    """A coroutine function that connects a Peer to a server and checks that it is served."""

    async def connect(server):
        peer = connect_to(server)
        await peer.check_echo()
        return peer

    return connect


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
