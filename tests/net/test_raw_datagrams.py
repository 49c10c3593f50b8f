"""sock_recvfrom(), sock_recvfrom_into() and sock_sendto(): addresses of every family, sizes, a full kernel, and what is refused.

test_raw_sockets.py has what they share with the other methods.
"""

import asyncio
import contextlib
import ctypes
import errno
import gc
import os
import socket
import sys

import pytest

import fastloop
from actors.coroutines import cancel
from actors.kernel import settle, start

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux has these sockets")


def bound(family, address, type=socket.SOCK_DGRAM):
    sock = socket.socket(family, type)
    sock.setblocking(False)
    try:
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


@pytest.fixture(params=["ipv4", "ipv6", "unix", "abstract"])
def ends(request, no_leaks, short_folder):
    """Two sockets with addresses: of each family in turn."""
    if request.param == "abstract" and sys.platform != "linux":
        pytest.skip("Linux has these addresses")
    families = {"ipv4": (socket.AF_INET, ("127.0.0.1", 0)), "ipv6": (socket.AF_INET6, ("::1", 0))}
    with contextlib.ExitStack() as opened:
        sockets = []
        for number in range(2):
            path = os.path.join(short_folder, str(number)) if request.param == "unix" else f"\0fastloop-{os.getpid()}-{number}"
            family, address = families.get(request.param, (socket.AF_UNIX, path))
            try:
                sockets.append(opened.enter_context(bound(family, address)))
            except OSError:
                pytest.skip("there is no IPv6 here")
        yield sockets


@pytest.fixture
def udp(no_leaks):
    """Two UDP sockets that do not block."""
    with bound(socket.AF_INET, ("127.0.0.1", 0)) as left, bound(socket.AF_INET, ("127.0.0.1", 0)) as right:
        yield left, right


async def test_datagrams_and_addresses_go_both_ways(loop, ends):
    left, right = ends
    for turn in range(3):
        assert await loop.sock_sendto(left, b"there %d" % turn, right.getsockname()) == 7
        data, address = await loop.sock_recvfrom(right, 100)
        assert (data, address) == (b"there %d" % turn, left.getsockname())
        assert await loop.sock_sendto(right, b"back", address) == 4
        buffer = bytearray(100)
        assert await loop.sock_recvfrom_into(left, buffer) == (4, right.getsockname())
        assert buffer[:4] == b"back"


async def test_datagram_that_comes_later_is_received(loop, ends):
    left, right = ends
    receiving = await start(loop.sock_recvfrom(right, 100))
    await loop.sock_sendto(left, b"later", right.getsockname())
    assert await receiving == (b"later", left.getsockname())


async def test_cancelled_receiving_takes_no_datagram(loop, udp):
    left, right = udp
    receiving = await start(loop.sock_recvfrom(right, 100))
    await loop.sock_sendto(left, b"kept", right.getsockname())
    await cancel(receiving)
    assert (await loop.sock_recvfrom(right, 100))[0] == b"kept"


async def test_sizes(loop, udp):
    left, right = udp
    for size, wanted in (0, 10), (65_507, 65_507), (65_507, 300_000), (100, 10):
        await loop.sock_sendto(left, bytes(size), right.getsockname())
        assert (await loop.sock_recvfrom(right, wanted))[0] == bytes(min(size, wanted))
    # Even no bytes take a datagram.
    for size, wanted in (100, 0), (1, 100):
        await loop.sock_sendto(left, bytes(size), right.getsockname())
        assert len((await loop.sock_recvfrom(right, wanted))[0]) == min(size, wanted)


async def test_part_of_a_buffer_is_filled(loop, udp):
    left, right = udp
    buffer = bytearray(b"----------")
    for wanted, filled in (3, b"012-------"), (0, b"0123456---"), (10, b"0123456---"):
        await loop.sock_sendto(left, b"0123456", right.getsockname())
        assert (await loop.sock_recvfrom_into(right, buffer, wanted))[0] == min(wanted or 10, 7)
        assert buffer == filled


async def test_connected_stream_names_no_sender(loop, pair):
    pair[0].send(b"data")
    assert await loop.sock_recvfrom(pair[1], 100) == (b"data", None)


@needs_linux
async def test_answer_to_a_path_that_fills_its_field_is_refused_by_pythons_socket_module(loop, short_folder):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock, bound(socket.AF_UNIX, os.path.join(short_folder, "peer")) as peer:
        path = os.fsencode(os.path.join(short_folder, "")).ljust(108, b"x")
        address = socket.AF_UNIX.to_bytes(2, sys.byteorder) + path
        # Python's bind() demands room for a zero byte.
        assert ctypes.CDLL(None).bind(sock.fileno(), address, len(address)) == 0
        sock.sendto(b"data", peer.getsockname())
        data, sender = await loop.sock_recvfrom(peer, 10)
        assert data == b"data"
        assert sender.startswith(path.decode())
        # Python looks for the zero byte in whatever lies behind the field.
        assert len(sender) == 108 or not isinstance(loop, fastloop.EventLoop)
        with pytest.raises(OSError, match="path too long"):
            await loop.sock_sendto(peer, b"answer", sender)


async def test_full_socket_is_waited_for(loop, no_leaks, short_folder):
    path = os.path.join(short_folder, "peer")
    with bound(socket.AF_UNIX, path) as peer, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                sock.sendto(b"x", path)
                sent += 1
        # Connected, so that room for this peer is reported.
        sock.connect(path)
        sending = await start(loop.sock_sendto(sock, b"last", path))
        received = [(await loop.sock_recvfrom(peer, 10))[0] for _ in range(sent)]
        assert await sending == 4
        assert received == [b"x"] * sent
        assert (await loop.sock_recvfrom(peer, 10))[0] == b"last"


@needs_linux
async def test_netlink_addresses(loop, no_leaks):
    with bound(socket.AF_NETLINK, (0, 0), socket.SOCK_RAW) as sock:
        request = (32).to_bytes(4, sys.byteorder) + (18).to_bytes(2, sys.byteorder) + (0x301).to_bytes(2, sys.byteorder) + bytes(24)
        assert await loop.sock_sendto(sock, request, (0, 0)) == 32
        _, address = await loop.sock_recvfrom(sock, 65536)
        assert address == (0, 0)
        _, address = await loop.sock_recvfrom_into(sock, bytearray(65536))
        assert address == (0, 0)


async def test_same_tuple_means_another_address_on_a_socket_of_another_family(loop, udp):
    left, right = udp
    address = right.getsockname()
    await loop.sock_sendto(left, b"data", address)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        with pytest.raises(OSError):
            await loop.sock_sendto(other, b"data", address)


async def test_hosts_that_are_names_are_resolved(loop, udp, needs_localhost):
    left, right = udp
    for host in "localhost", "127.1":
        await loop.sock_sendto(left, b"data", (host, right.getsockname()[1]))
        assert (await loop.sock_recvfrom(right, 10))[0] == b"data"


@pytest.mark.parametrize(
    "address, error",
    [
        (None, TypeError),
        ("127.0.0.1", TypeError),
        (("127.0.0.1",), TypeError),
        (("127.0.0.1", "1"), TypeError),
        (("127.0.0.1", 65_536), OverflowError),
        (("127.0.0.1", -1), OverflowError),
        (("no such host", 1), socket.gaierror),
    ],
)
async def test_wrong_addresses_are_refused(loop, udp, address, error):
    left, right = udp
    with pytest.raises(error):
        await loop.sock_sendto(left, b"data", address)
    await loop.sock_sendto(left, b"data", right.getsockname())
    assert (await loop.sock_recvfrom(right, 10))[0] == b"data"


@pytest.mark.parametrize(
    "name, arguments, error",
    [
        ("sock_recvfrom", [-1], ValueError),
        ("sock_recvfrom", [None], TypeError),
        ("sock_recvfrom_into", [bytearray(4), 5], ValueError),
        ("sock_recvfrom_into", [bytearray(4), -1], ValueError),
        ("sock_recvfrom_into", [b"read-only"], (TypeError, BufferError)),
        ("sock_recvfrom_into", [5], TypeError),
        ("sock_sendto", ["text", ("127.0.0.1", 9)], TypeError),
        ("sock_sendto", [memoryview(b"0123")[::2], ("127.0.0.1", 9)], (TypeError, BufferError)),
    ],
)
async def test_wrong_arguments_are_refused(loop, udp, name, arguments, error):
    with pytest.raises(error):
        await getattr(loop, name)(udp[0], *arguments)


async def test_errors_of_the_kernel(loop, udp):
    left, right = udp
    address = right.getsockname()
    with pytest.raises(OSError) as caught:
        await loop.sock_sendto(left, bytes(65_536), address)
    assert caught.value.errno == errno.EMSGSIZE
    right.close()
    left.connect(address)
    left.send(b"nobody")
    await settle()
    with pytest.raises(ConnectionRefusedError):
        await loop.sock_recvfrom(left, 10)


async def test_call_that_is_never_awaited_warns(loop, udp):
    left, right = udp
    for call in (
        lambda: loop.sock_recvfrom(left, 10),
        lambda: loop.sock_recvfrom_into(left, bytearray(10)),
        lambda: loop.sock_sendto(left, b"data", right.getsockname()),
    ):
        with pytest.warns(RuntimeWarning, match="was never awaited"):
            call()
            gc.collect()
    with pytest.raises(BlockingIOError):
        right.recv(10)
    await asyncio.sleep(0)
