"""What a datagram transport sends: at once or later, flow control, what it refuses, and what is lost with it.

The kernel's queue of a Unix datagram socket is short, so a transport is soon full.
"""

import array
import asyncio
import errno
import os
import random
import socket
import struct
import sys

import pytest

from actors.kernel import settle, until, until_still

ANY = ("127.0.0.1", 0)
HEADER_BYTES = 8 if sys.version_info >= (3, 13) else 0


def receive_all(sock):
    """What waits in a socket that does not block."""
    received = []
    while True:
        try:
            received.append(sock.recv(65536))
        except BlockingIOError:
            return received


@pytest.fixture
def named_pair(endpoint, short_folder):
    """A coroutine function: an endpoint that is connected to a plain Unix socket that nobody reads, and that socket."""
    sockets = []

    async def create(**hooks):
        path = os.path.join(short_folder, "peer")
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sockets.append(peer)
        peer.setblocking(False)
        peer.bind(path)
        return *await endpoint(hooks, remote_addr=path, family=socket.AF_UNIX), peer

    yield create
    for sock in sockets:
        sock.close()


def fill(transport, size=100):
    """Send numbered datagrams until some are left unsent. Returns what was sent."""
    sent = []
    while transport.get_write_buffer_size() == 0:
        sent.append(struct.pack("I", len(sent)) + bytes(size - 4))
        transport.sendto(sent[-1])
    return sent


# Flow control


async def test_unsent_datagrams_follow_in_order_when_there_is_room(named_pair):
    transport, _, peer = await named_pair()
    sent = fill(transport)
    for number in range(50):
        sent.append(b"more %d" % number)
        transport.sendto(sent[-1])
    assert "write=<polling" in repr(transport)
    received = []
    while len(received) < len(sent):
        received += receive_all(peer)
        await asyncio.sleep(0)
    assert received == sent
    await until(lambda: "write=<idle, bufsize=0>" in repr(transport))


async def test_buffer_size_counts_unsent_data_and_headers(named_pair):
    transport, _, _ = await named_pair()
    fill(transport)
    assert transport.get_write_buffer_size() == 100 + HEADER_BYTES
    transport.sendto(b"0123456789")
    assert transport.get_write_buffer_size() == 110 + 2 * HEADER_BYTES


@pytest.mark.fastloop_only
async def test_aborted_transport_has_nothing_unsent(named_pair):
    # Versions of asyncio before 3.15 forget the data but not its size.
    transport, _, _ = await named_pair()
    fill(transport)
    transport.abort()
    assert transport.get_write_buffer_size() == 0


async def test_protocol_is_paused_above_the_high_limit_and_resumed_at_the_low_one(named_pair):
    transport, protocol, peer = await named_pair()
    assert transport.get_write_buffer_limits() == (16384, 65536)
    transport.set_write_buffer_limits(high=1000, low=200)
    fill(transport)
    while transport.get_write_buffer_size() <= 1000:
        assert "pause_writing" not in protocol.calls
        transport.sendto(bytes(100))
    assert protocol.calls.count("pause_writing") == 1
    transport.sendto(bytes(100))
    while "resume_writing" not in protocol.calls:
        receive_all(peer)
        await asyncio.sleep(0)
    assert transport.get_write_buffer_size() <= 200
    assert [call for call in protocol.calls if "writing" in call] == ["pause_writing", "resume_writing"]


async def test_lower_limit_pauses_at_once_and_wrong_limits_are_refused(named_pair):
    transport, protocol, _ = await named_pair()
    fill(transport)
    transport.set_write_buffer_limits(high=10)
    assert "pause_writing" in protocol.calls
    with pytest.raises(ValueError):
        transport.set_write_buffer_limits(high=1, low=2)


@pytest.mark.fastloop_only
async def test_sending_and_closing_in_resume_writing(named_pair):
    # asyncio calls connection_lost() twice.
    def go_on(protocol):
        protocol.transport.sendto(b"last")
        protocol.transport.close()

    transport, protocol, peer = await named_pair(resume_writing=go_on)
    sent = fill(transport)
    transport.set_write_buffer_limits(high=0)
    received = []
    while not protocol.lost:
        received += receive_all(peer)
        await asyncio.sleep(0)
    assert received + receive_all(peer) == [*sent, b"last"]
    assert protocol.lost == [None]


async def test_close_sends_what_is_left_and_then_loses_the_connection(named_pair):
    transport, protocol, peer = await named_pair()
    sent = fill(transport)
    transport.close()
    assert transport.is_closing() and not transport.is_reading()
    transport.sendto(b"after")
    await settle()
    assert protocol.lost == []
    received = []
    while not protocol.lost:
        received += receive_all(peer)
        await asyncio.sleep(0)
    assert received + receive_all(peer) == [*sent, b"after"]
    assert protocol.lost == [None]


async def test_abort_drops_what_is_left(named_pair):
    transport, protocol, peer = await named_pair()
    sent = fill(transport)
    transport.close()
    transport.abort()
    assert await protocol.until_lost() is None
    assert receive_all(peer) == sent[:-1]


async def test_peer_that_ends_is_an_error_for_one_datagram_after_the_other(named_pair):
    transport, protocol, peer = await named_pair()
    fill(transport)
    transport.sendto(b"second")
    peer.close()
    await protocol.until(lambda: len(protocol.errors) == 2)
    assert isinstance(protocol.errors[0], ConnectionRefusedError) and isinstance(protocol.errors[1], OSError)
    await until(lambda: "write=<idle, bufsize=0>" in repr(transport))
    assert protocol.lost == []


@pytest.mark.parametrize("method", ["pause_writing", "resume_writing"])
async def test_exception_in_flow_control_is_reported(named_pair, reported, method):
    def fail(protocol):
        raise ZeroDivisionError

    transport, protocol, peer = await named_pair(**{method: fail})
    transport.set_write_buffer_limits(high=0)
    fill(transport)
    while transport.get_write_buffer_size():
        receive_all(peer)
        await asyncio.sleep(0)
    assert [context["message"] for context in reported] == [f"protocol.{method}() failed"]
    assert not transport.is_closing()


async def test_data_that_changes_later_was_copied(named_pair):
    transport, _, peer = await named_pair()
    sent = fill(transport)
    data = bytearray(b"before")
    transport.sendto(data)
    data[:] = b"after!"
    received = []
    while len(received) < len(sent) + 1:
        received += receive_all(peer)
        await asyncio.sleep(0)
    assert received[-1] == b"before"


# What is sent


class Bytes(bytes):
    pass


class Bytearray(bytearray):
    pass


@pytest.mark.parametrize(
    "data",
    [b"data", bytearray(b"data"), memoryview(b"data"), memoryview(array.array("H", [1, 2])), Bytes(b"data"), Bytearray(b"data")],
    ids=repr,
)
async def test_bytes_like_objects_are_sent(endpoint, udp_peer, data):
    transport, _ = await endpoint(local_addr=ANY)
    transport.sendto(data, udp_peer.getsockname())
    assert udp_peer.recv(100) == bytes(data)


async def test_empty_datagrams_are_sent_since_python_3_13(endpoint, udp_peer):
    transport, _ = await endpoint(local_addr=ANY)
    for data in b"", bytearray(), b"end":
        transport.sendto(data, udp_peer.getsockname())
    expected = [b"", b"", b"end"] if sys.version_info >= (3, 13) else [b"end"]
    assert [udp_peer.recv(100) for _ in expected] == expected


@pytest.mark.parametrize("data", ["text", None, 5, [1], object(), array.array("B", [1])], ids=repr)
async def test_other_objects_are_refused_and_the_transport_lives(endpoint, udp_peer, data):
    transport, protocol = await endpoint(local_addr=ANY)
    with pytest.raises(TypeError, match=f"data argument must be a bytes-like object, not '{type(data).__name__}'"):
        transport.sendto(data, udp_peer.getsockname())
    transport.sendto(b"data", udp_peer.getsockname())
    assert udp_peer.recv(100) == b"data"


async def test_view_with_gaps_ends_the_transport(endpoint, udp_peer, reported):
    transport, protocol = await endpoint(local_addr=ANY)
    transport.sendto(memoryview(b"0123")[::2], udp_peer.getsockname())
    assert isinstance(await protocol.until_lost(), BufferError)
    assert [context["message"] for context in reported] == ["Fatal write error on datagram transport"]


@pytest.mark.parametrize(
    "address",
    [None, 5, "127.0.0.1", ("127.0.0.1",), ("127.0.0.1", 1, 2), ("127.0.0.1", "1"), (b"\0", 1.5), ("127.0.0.1", 70_000)],
    ids=repr,
)
async def test_address_of_the_wrong_form_ends_the_transport(endpoint, reported, address):
    transport, protocol = await endpoint(local_addr=ANY)
    transport.sendto(b"data", address)
    assert isinstance(await protocol.until_lost(), (TypeError, OverflowError))
    assert [context["message"] for context in reported] == ["Fatal write error on datagram transport"]
    assert protocol.errors == []


@pytest.mark.parametrize("host", ["::1", "no such host", "127.0.0.1.5"])
async def test_host_that_is_none_is_an_error(endpoint, host):
    transport, protocol = await endpoint(local_addr=ANY)
    transport.sendto(b"data", (host, 1))
    assert [type(error) for error in protocol.errors] == [socket.gaierror]


@pytest.mark.parametrize("host", ["127.1", "localhost", "<broadcast>", ""])
async def test_hosts_that_are_names_are_resolved(endpoint, udp_peer, needs_localhost, host):
    transport, protocol = await endpoint(local_addr=("0.0.0.0", 0), allow_broadcast=True)
    transport.sendto(b"data", (host, udp_peer.getsockname()[1]))
    # The network may be unreachable, but the host is none that cannot be resolved.
    assert not any(isinstance(error, socket.gaierror) for error in protocol.errors)
    if host in ("127.1", "localhost"):
        assert udp_peer.recv(100) == b"data"


class Address(tuple):
    pass


class Port(int):
    pass


async def test_addresses_of_subclasses_and_lists_of_the_same_value(endpoint, udp_peer):
    host, port = udp_peer.getsockname()
    transport, protocol = await endpoint(local_addr=ANY)
    for address in Address((host, port)), (host, Port(port)), (bytearray(host.encode()), port):
        transport.sendto(b"data", address)
        assert udp_peer.recv(100) == b"data"


async def test_too_long_datagram_is_an_error(endpoint, udp_peer):
    transport, protocol = await endpoint(local_addr=ANY)
    transport.sendto(bytes(65_536), udp_peer.getsockname())
    assert [error.errno for error in protocol.errors] == [errno.EMSGSIZE]
    assert str(protocol.errors[0]) == f"[Errno {errno.EMSGSIZE}] {os.strerror(errno.EMSGSIZE)}"


async def test_other_address_than_that_of_the_endpoint_is_refused(endpoint, udp_peer):
    transport, _ = await endpoint(remote_addr=udp_peer.getsockname())
    for address in None, udp_peer.getsockname():
        transport.sendto(b"data", address)
        assert udp_peer.recv(100) == b"data"
    with pytest.raises(ValueError, match="Invalid address: must be None or"):
        transport.sendto(b"data", ("127.0.0.1", 1))


async def test_connected_socket_ignores_addresses(endpoint, udp_peer):
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.connect(udp_peer.getsockname())
    transport, _ = await endpoint(sock=sock)
    for address in None, ("127.0.0.1", 1), "anything":
        transport.sendto(b"data", address)
        assert udp_peer.recv(100) == b"data"


async def test_exception_in_error_received_reaches_the_sender(endpoint, udp_peer):
    def fail(protocol, error):
        raise ZeroDivisionError

    transport, _ = await endpoint({"error_received": fail}, local_addr=ANY)
    with pytest.raises(ZeroDivisionError):
        transport.sendto(bytes(65_536), udp_peer.getsockname())


async def test_methods_of_streams_are_not_implemented(endpoint):
    transport, _ = await endpoint(local_addr=ANY)
    for call in lambda: transport.write(b""), lambda: transport.writelines([]), transport.write_eof, transport.can_write_eof:
        with pytest.raises(NotImplementedError):
            call()


async def test_connected_transport_that_has_ended_drops_and_then_warns(endpoint, udp_peer, caplog):
    transport, protocol = await endpoint(remote_addr=udp_peer.getsockname())
    transport.abort()
    for _turn in range(2):
        for _ in range(4):
            transport.sendto(b"data")
        await protocol.until_lost()
    assert [record.message for record in caplog.records if record.name == "asyncio"] == ["socket.send() raised exception."] * 4
    udp_peer.setblocking(False)
    assert receive_all(udp_peer) == []


async def test_other_transport_sends_until_the_connection_is_lost(endpoint, udp_peer):
    transport, protocol = await endpoint(local_addr=ANY)
    transport.close()
    transport.sendto(b"data", udp_peer.getsockname())
    assert udp_peer.recv(100) == b"data"
    await protocol.until_lost()
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute"):
        transport.sendto(b"data", udp_peer.getsockname())


# In bulk


@pytest.mark.time_limit(600)
async def test_what_the_kernel_delivered_is_delivered_in_order(loop, endpoint):
    """FASTLOOP_DATAGRAMS: how many, 1000000 for a long test."""
    count = int(os.environ.get("FASTLOOP_DATAGRAMS", 20_000))
    server, protocol = await endpoint(local_addr=ANY)
    server.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    address = server.get_extra_info("sockname")
    senders = [(await endpoint(remote_addr=address))[0] for _ in range(8)]
    names = {sender.get_extra_info("sockname"): number for number, sender in enumerate(senders)}
    numbers = random.Random(count)
    sent, received, lost = [0] * len(senders), [-1] * len(senders), 0

    def check(data, name):
        nonlocal lost
        sender, number, size = struct.unpack_from("III", data)
        assert (names[name], len(data)) == (sender, size)
        assert data.endswith(b"\0" * min(size - 12, 100))
        assert number > received[sender]
        lost += number - received[sender] - 1
        received[sender] = number

    protocol.datagram_received = check
    server.set_protocol(protocol)
    while sum(sent) < count:
        for _ in range(numbers.randrange(300)):
            sender, size = numbers.randrange(len(senders)), numbers.choice((12, 100, 1400, numbers.randrange(12, 9000)))
            senders[sender].sendto(struct.pack("III", sender, sent[sender], size) + bytes(size - 12))
            sent[sender] += 1
        for _ in range(numbers.randrange(300)):
            await asyncio.sleep(0)
    await until_still(lambda: sum(received))
    # Everything that will come has come. The last one of each tells how many were lost at the end.
    for number, sender in enumerate(senders):
        sender.sendto(struct.pack("III", number, sent[number], 12))
        await until(lambda number=number: received[number] == sent[number])
    dropped = drops_of(server.get_extra_info("socket"))
    assert sum(received) > count / 10
    assert dropped is None or lost == dropped


def drops_of(sock):
    """How many datagrams the kernel had no room for; None where it does not tell."""
    try:
        with open("/proc/net/udp") as lines:
            port = f":{sock.getsockname()[1]:04X}"
            return next(int(fields[12]) for fields in map(str.split, lines) if fields[1].endswith(port))
    except OSError:
        return None
