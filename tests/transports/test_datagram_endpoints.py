"""create_datagram_endpoint(): its options, and every family of sockets; what the addresses look like, and who closes what.

How datagrams are received and sent is in test_datagram_transport.py and test_datagram_sending.py.
"""

import asyncio
import contextlib
import os
import socket
import sys

import pytest

from actors.kernel import settle

ANY = ("127.0.0.1", 0)


def has_ipv6():
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.bind(("::1", 0))
        return True
    return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="there is no IPv6 here")
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux has these sockets")


async def exchange(first, second, *, first_address, second_address=None):
    """Send one datagram each way. first and second are (transport, protocol)."""
    first[0].sendto(b"there", second_address)
    await second[1].until_datagrams()
    second[0].sendto(b"back", second[1].datagrams[0][1])
    await first[1].until_datagrams()
    assert second[1].datagrams == [(b"there", first_address)]
    assert first[1].datagrams == [(b"back", second[0].get_extra_info("sockname"))]


async def test_ipv4_with_local_and_remote_address(endpoint):
    server = await endpoint(local_addr=ANY)
    address = server[0].get_extra_info("sockname")
    client = await endpoint(local_addr=ANY, remote_addr=address)
    assert client[0].get_extra_info("peername") == address
    assert (client[0]._address, server[0]._address) == (address, None)
    assert server[0].get_extra_info("peername", "none") is None
    await exchange(client, server, first_address=client[0].get_extra_info("sockname"))


@needs_ipv6
async def test_ipv6_addresses_have_flow_information_and_scope(endpoint):
    server, client = [await endpoint(local_addr=("::1", 0), family=socket.AF_INET6) for _ in range(2)]
    address = server[0].get_extra_info("sockname")
    assert len(address) == 4
    await exchange(client, server, first_address=client[0].get_extra_info("sockname"), second_address=address)
    # Shorter forms of the same address.
    for length in 2, 3:
        client[0].sendto(b"%d" % length, address[:length])
    assert (await server[1].until_datagrams(3))[1:] == [b"2", b"3"]


def link_local_address():
    """An address of this machine with its zone, and the number of the interface; skips where there is none."""
    with contextlib.suppress(OSError), open("/proc/net/if_inet6") as lines:
        for digits, index, _, scope, _, name in map(str.split, lines):
            if scope == "20":
                return f"{socket.inet_ntop(socket.AF_INET6, bytes.fromhex(digits))}%{name}", int(index, 16)
    pytest.skip("no interface has a link-local address")


@needs_ipv6
async def test_zone_of_a_link_local_address_is_kept(endpoint):
    host, index = link_local_address()
    server, server_protocol = await endpoint(local_addr=(host, 0), family=socket.AF_INET6)
    client, client_protocol = await endpoint(local_addr=(host, 0), family=socket.AF_INET6)
    own, address = client.get_extra_info("sockname"), server.get_extra_info("sockname")
    assert own[3] == index
    # In numbers, and as a name, which the socket module resolves.
    for target in address, (host, address[1]):
        client.sendto(b"there", target)
        await server_protocol.until(lambda: server_protocol.datagrams)
        server.sendto(b"back", server_protocol.datagrams.pop()[1])
        await client_protocol.until(lambda: client_protocol.datagrams)
        assert client_protocol.datagrams.pop() == (b"back", address)


@needs_ipv6
async def test_ipv4_addresses_on_a_dual_stack_socket_are_mapped(endpoint, udp_peer):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", 0))
    transport, protocol = await endpoint(sock=sock)
    udp_peer.sendto(b"four", ("127.0.0.1", transport.get_extra_info("sockname")[1]))
    await protocol.until_datagrams()
    sender = ("::ffff:127.0.0.1", udp_peer.getsockname()[1], 0, 0)
    assert protocol.datagrams == [(b"four", sender)]
    transport.sendto(b"answer", sender)
    assert udp_peer.recv(100) == b"answer"


async def test_unix_addresses(endpoint, short_folder):
    paths = [os.path.join(short_folder, name) for name in ("first", "second")]
    first, second = [await endpoint(local_addr=path, family=socket.AF_UNIX) for path in paths]
    await exchange(first, second, first_address=paths[0], second_address=paths[1])


async def test_stale_unix_path_is_replaced(endpoint, short_folder):
    path = os.path.join(short_folder, "stale")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stale:
        stale.bind(path)
    transport, _ = await endpoint(local_addr=path, family=socket.AF_UNIX)
    assert transport.get_extra_info("sockname") == path


@needs_linux
async def test_abstract_unix_addresses(endpoint):
    names = [f"\0fastloop-{os.getpid()}-{number}" for number in range(2)]
    first, second = [await endpoint(local_addr=name, family=socket.AF_UNIX) for name in names]
    shown = [name.encode() for name in names]
    await exchange(first, second, first_address=shown[0], second_address=names[1])


async def test_unix_endpoint_with_a_remote_address_and_no_own(endpoint, short_folder):
    path = os.path.join(short_folder, "server")
    server, server_protocol = await endpoint(local_addr=path, family=socket.AF_UNIX)
    client, _ = await endpoint(remote_addr=path, family=socket.AF_UNIX)
    assert client.get_extra_info("peername") == path
    client.sendto(b"nameless")
    await server_protocol.until_datagrams()
    assert server_protocol.datagrams == [(b"nameless", None)]


async def test_pair_without_addresses_receives(endpoint, unix_datagram_pair):
    left, right = unix_datagram_pair
    transport, protocol = await endpoint(sock=left)
    right.send(b"data")
    await protocol.until_datagrams()
    assert protocol.datagrams == [(b"data", None)]
    assert transport.get_extra_info("sockname") == transport.get_extra_info("peername") == ""


@pytest.mark.fastloop_only
async def test_pair_without_addresses_sends(endpoint, unix_datagram_pair):
    # asyncio asks for an address here, which such a socket has not, and ends the transport.
    left, right = unix_datagram_pair
    transport, protocol = await endpoint(sock=left)
    transport.sendto(b"data")
    assert right.recv(100) == b"data"
    assert protocol.lost == protocol.errors == []


@pytest.fixture
def adopt(endpoint):
    """A coroutine function that makes an endpoint of a socket; older Pythons accept fewer types."""

    async def create(sock):
        try:
            return await endpoint(sock=sock)
        except ValueError:
            sock.close()
            pytest.skip("this Python accepts sockets of type SOCK_DGRAM only")

    return create


@needs_linux
async def test_netlink_sockets_have_addresses_of_their_own(adopt):
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 0)
    sock.bind((0, 0))
    transport, protocol = await adopt(sock)
    # RTM_GETLINK with NLM_F_REQUEST and NLM_F_DUMP: the kernel answers with the list of interfaces.
    request = (32).to_bytes(4, sys.byteorder) + (18).to_bytes(2, sys.byteorder) + (0x301).to_bytes(2, sys.byteorder) + bytes(24)
    transport.sendto(request, (0, 0))
    data = (await protocol.until_datagrams())[0]
    assert protocol.datagrams[0][1] == (0, 0)
    assert data[4:6] == (16).to_bytes(2, sys.byteorder)
    assert transport.get_extra_info("sockname")[0] > 0


@needs_linux
async def test_raw_sockets(adopt):
    try:
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
    except PermissionError:
        pytest.skip("raw sockets are not allowed here")
    sock.bind(("127.0.0.1", 0))
    transport, protocol = await adopt(sock)
    # The header of a UDP datagram to port 9, without a checksum.
    datagram = (7).to_bytes(2, "big") + (9).to_bytes(2, "big") + (12).to_bytes(2, "big") + b"\0\0data"
    transport.sendto(datagram, ("127.0.0.1", 0))
    await protocol.until(lambda: any(data.endswith(datagram) for data, _ in protocol.datagrams))
    assert {address for _, address in protocol.datagrams} == {("127.0.0.1", 0)}


@needs_linux
async def test_packets_keep_their_boundaries(adopt):
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with right:
        _, protocol = await adopt(left)
        for data in b"one", b"two":
            right.send(data)
        assert await protocol.until_datagrams(2) == [b"one", b"two"]


async def test_socket_without_any_address(endpoint):
    transport, protocol = await endpoint(family=socket.AF_INET)
    assert transport.get_extra_info("sockname") == ("0.0.0.0", 0)
    assert protocol.calls == ["connection_made"]


async def test_protocol_number_and_flags_are_passed_on(endpoint):
    transport, _ = await endpoint(local_addr=("127.0.0.1", 0), proto=socket.IPPROTO_UDP, flags=socket.AI_NUMERICHOST)
    assert transport.get_extra_info("socket").proto == socket.IPPROTO_UDP


async def test_name_is_looked_up(endpoint, needs_localhost):
    transport, _ = await endpoint(local_addr=("localhost", 0), family=socket.AF_INET)
    assert transport.get_extra_info("sockname")[0] == "127.0.0.1"


async def test_two_endpoints_share_a_port_if_they_may(endpoint):
    first, _ = await endpoint(local_addr=ANY, reuse_port=True)
    address = first.get_extra_info("sockname")
    second, _ = await endpoint(local_addr=address, reuse_port=True)
    assert second.get_extra_info("sockname") == address
    with pytest.raises(OSError, match="in use"):
        await endpoint(local_addr=address)


async def test_endpoint_that_may_broadcast_is_not_connected(endpoint, udp_peer):
    address = udp_peer.getsockname()
    transport, _ = await endpoint(remote_addr=address, allow_broadcast=True)
    assert transport.get_extra_info("peername") is None
    assert transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST)
    transport.sendto(b"one")
    transport.sendto(b"two", address)
    assert [udp_peer.recv(100) for _ in range(2)] == [b"one", b"two"]
    with pytest.raises(ValueError, match="Invalid address"):
        transport.sendto(b"three", ("127.0.0.1", 1))


@pytest.mark.parametrize(
    "options, error",
    [
        ({}, ValueError),
        ({"local_addr": "127.0.0.1"}, TypeError),
        ({"local_addr": ("127.0.0.1", 0), "family": socket.AF_INET6}, OSError),
        ({"local_addr": 5, "family": socket.AF_UNIX}, TypeError),
        ({"local_addr": ("192.0.2.1", 0)}, OSError),
    ],
)
async def test_wrong_options_are_refused_and_nothing_is_left(endpoint, options, error):
    with pytest.raises(error):
        await endpoint(**options)


async def test_stream_socket_and_options_beside_a_socket_are_refused(endpoint, udp_peer):
    with socket.socket() as stream, pytest.raises(ValueError, match="[Ss]ocket was expected"):
        await endpoint(sock=stream)
    with pytest.raises(ValueError, match="can not be used"):
        await endpoint(sock=udp_peer, local_addr=ANY)


async def test_socket_in_use_is_refused(loop, endpoint):
    transport, _ = await endpoint(local_addr=ANY)
    for use in loop.add_reader, loop.remove_reader:
        with pytest.raises(RuntimeError, match="is used by transport"):
            use(*[transport.get_extra_info("socket"), *([print] if use == loop.add_reader else [])])


async def test_what_is_known_stays_known_after_the_end(endpoint, udp_peer):
    transport, protocol = await endpoint(remote_addr=udp_peer.getsockname())
    name = transport.get_extra_info("sockname")
    assert isinstance(transport, asyncio.Transport)
    assert transport._sock.fileno() == transport._sock_fd >= 0
    assert await protocol.close() is None
    assert transport.get_extra_info("sockname") == name
    assert transport.get_extra_info("peername") == udp_peer.getsockname()
    assert transport.get_extra_info("socket").fileno() == -1
    assert transport.get_extra_info("other", 5) == 5
    assert (transport._sock, transport._loop, transport.get_protocol()) == (None, None, None)
    await settle()
