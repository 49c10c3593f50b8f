"""create_connection() and the methods like it: what they connect to and how they fail.

What a cancelled one leaves behind is tested in test_cancelled_connecting.py.
"""

import contextlib
import errno
import os
import socket
import sys

import pytest

from actors.failures import fail
from actors.protocols import RecordingProtocol


@pytest.fixture
def made():
    """The protocol of the connection under test."""
    return RecordingProtocol()


@pytest.fixture
def assert_reaches(made, make_peer):
    """A coroutine function that checks that connecting reaches the listener, and closes the connection."""

    async def check(connecting, listener):
        transport, protocol = await connecting
        assert protocol is made
        assert made.calls == ["connection_made"]
        assert made.transport is transport
        accepted, _ = listener.accept()
        peer = make_peer(accepted)
        transport.write(b"question")
        assert await peer.receive(8) == b"question"
        await peer.send(b"answer")
        assert await made.until_received(6) == b"answer"
        assert await made.close() is None

    return check


# What it connects to


async def test_connection_to_an_address(loop, made, listener, assert_reaches):
    await assert_reaches(loop.create_connection(lambda: made, *listener.getsockname()), listener)


@pytest.mark.usefixtures("needs_localhost")
async def test_connection_to_a_name(loop, made, listener, assert_reaches):
    port = listener.getsockname()[1]
    await assert_reaches(loop.create_connection(lambda: made, "localhost", port, family=socket.AF_INET), listener)


async def test_connection_with_a_connected_socket(loop, made, listener, assert_reaches):
    sock = socket.create_connection(listener.getsockname())
    fd = sock.fileno()
    connecting = loop.create_connection(lambda: made, sock=sock)
    await assert_reaches(connecting, listener)
    assert fd != -1
    # The transport owns this very object and has closed it.
    assert sock.fileno() == -1


async def test_connection_with_protocol_and_flags_of_the_address(loop, made, listener, assert_reaches):
    options = {"family": socket.AF_INET, "proto": socket.IPPROTO_TCP, "flags": socket.AI_NUMERICHOST}
    await assert_reaches(loop.create_connection(lambda: made, *listener.getsockname(), **options), listener)


async def test_connection_from_a_local_address(loop, made, listener):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    transport, _ = await loop.create_connection(lambda: made, *listener.getsockname(), local_addr=("127.0.0.1", port))
    assert transport.get_extra_info("sockname") == ("127.0.0.1", port)
    accepted, address = listener.accept()
    assert address == ("127.0.0.1", port)
    # Reset, so that the port does not stay in TIME_WAIT.
    accepted.close()
    await made.close()


async def test_connection_to_a_unix_socket(loop, made, short_folder, assert_reaches):
    path = os.path.join(short_folder, "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        await assert_reaches(loop.create_unix_connection(lambda: made, path), listener)


@pytest.mark.parametrize("create", ["create_connection", "create_unix_connection", "connect_accepted_socket"])
async def test_connection_with_an_end_of_a_pair(loop, made, make_peer, create):
    left, right = socket.socketpair()
    peer = make_peer(right)
    # A blocking socket becomes non-blocking.
    transport, protocol = await getattr(loop, create)(lambda: made, sock=left)
    assert protocol is made
    assert left.gettimeout() == 0
    transport.write(b"data")
    assert await peer.receive(4) == b"data"
    await made.close()


async def test_accepted_socket_gets_a_transport(loop, made, make_peer, listener):
    peer = make_peer(socket.create_connection(listener.getsockname()))
    accepted, address = listener.accept()
    transport, protocol = await loop.connect_accepted_socket(lambda: made, accepted)
    assert protocol is made
    assert transport.get_extra_info("peername") == address
    await peer.send(b"data")
    await made.until_received(4)
    transport.close()
    assert await peer.receive_all() == b""


@pytest.mark.parametrize("delay", [None, 0.001, 10], ids=["in turn", "happy eyeballs, soon", "happy eyeballs, late"])
async def test_next_address_is_tried_when_one_refuses(loop, made, listener, assert_reaches, resolve_to, refusing_addresses, delay):
    resolve_to(*refusing_addresses, listener.getsockname())
    await assert_reaches(loop.create_connection(lambda: made, "some.host", 1, happy_eyeballs_delay=delay), listener)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a full listener refuses")
async def test_happy_eyeballs_do_not_wait_for_an_address_that_does_not_answer(
    loop, made, listener, assert_reaches, resolve_to, refusing_addresses, unresponsive_address
):
    resolve_to(unresponsive_address, refusing_addresses[0], unresponsive_address, listener.getsockname())
    connecting = loop.create_connection(lambda: made, "some.host", 1, happy_eyeballs_delay=0.01)
    await assert_reaches(connecting, listener)


# How it fails


async def test_refusal_names_the_address(loop, refusing_addresses):
    with pytest.raises(ConnectionRefusedError) as caught:
        await loop.create_connection(RecordingProtocol, *refusing_addresses[0])
    assert caught.value.errno == errno.ECONNREFUSED
    assert f"Connect call failed {refusing_addresses[0]}" in str(caught.value)


async def test_refusals_by_several_addresses_are_told_together(loop, resolve_to, refusing_addresses):
    resolve_to(*refusing_addresses)
    for options in {}, {"happy_eyeballs_delay": 10}:
        with pytest.raises(OSError, match="^Multiple exceptions: ") as caught:
            await loop.create_connection(RecordingProtocol, "some.host", 1, **options)
        positions = [str(caught.value).index(f"Connect call failed {address}") for address in refusing_addresses]
        assert positions == sorted(positions)
        del caught


async def test_refusals_that_say_the_same_are_told_once(loop, resolve_to, refusing_addresses):
    resolve_to(refusing_addresses[0], refusing_addresses[0])
    with pytest.raises(ConnectionRefusedError) as caught:
        await loop.create_connection(RecordingProtocol, "some.host", 1)
    assert str(caught.value).count("Connect call failed") == 1


@pytest.mark.skipif(sys.version_info < (3, 12), reason="new in Python 3.12")
async def test_all_errors_are_told_as_a_group(loop, resolve_to, refusing_addresses):
    resolve_to(*refusing_addresses)
    with pytest.raises(ExceptionGroup, match="create_connection failed") as caught:
        await loop.create_connection(RecordingProtocol, "some.host", 1, all_errors=True)
    assert [type(error) for error in caught.value.exceptions] == [ConnectionRefusedError] * 3


@pytest.mark.parametrize("options, order", [({}, [0, 1, 2]), ({"interleave": 1}, [0, 2, 1]), ({"interleave": 2}, [0, 1, 2])])
async def test_interleave_mixes_the_families(loop, resolve_to, refusing_addresses, options, order):
    with contextlib.ExitStack() as opened:
        try:
            sock = opened.enter_context(socket.socket(socket.AF_INET6))
            sock.bind(("::1", 0))
        except OSError:
            pytest.skip("needs IPv6")
        addresses = [*refusing_addresses[:2], sock.getsockname()]
        resolve_to(*addresses)
        with pytest.raises(OSError, match="Multiple exceptions") as caught:
            await loop.create_connection(RecordingProtocol, "some.host", 1, **options)
        positions = [str(caught.value).index(f"Connect call failed {addresses[index]}") for index in order]
        assert positions == sorted(positions)


async def test_names_without_addresses_are_refused(loop, resolve_to):
    resolve_to()
    with pytest.raises(OSError, match="getaddrinfo\\(\\) returned empty list"):
        await loop.create_connection(RecordingProtocol, "some.host", 1)


async def test_error_of_the_resolver_is_raised(loop, monkeypatch):
    async def getaddrinfo(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "no such host")

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
    with pytest.raises(socket.gaierror, match="no such host"):
        await loop.create_connection(RecordingProtocol, "some.host", 1)


async def test_local_address_in_use_is_named(loop, listener):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="error while attempting to bind on address") as caught:
            await loop.create_connection(RecordingProtocol, *listener.getsockname(), local_addr=taken.getsockname())
        assert str(taken.getsockname()[1]) in str(caught.value)


async def test_arguments_that_contradict_each_other_are_refused(loop):
    create = loop.create_connection
    stream, datagram = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
    with stream, datagram:
        with pytest.raises(ValueError, match="can not be specified at the same time"):
            await create(RecordingProtocol, "127.0.0.1", 1, sock=stream)
        with pytest.raises(ValueError, match="host and port was not specified and no sock"):
            await create(RecordingProtocol)
        with pytest.raises(ValueError, match="A Stream Socket was expected"):
            await create(RecordingProtocol, sock=datagram)
        with pytest.raises(ValueError, match="A Stream Socket was expected"):
            await loop.connect_accepted_socket(RecordingProtocol, datagram)
        with pytest.raises(ValueError, match="server_hostname is only meaningful with ssl"):
            await create(RecordingProtocol, sock=stream, server_hostname="localhost")
        with pytest.raises(ValueError, match="You must set server_hostname"):
            await create(RecordingProtocol, sock=stream, ssl=True)
        for name in "ssl_handshake_timeout", "ssl_shutdown_timeout":
            for any_create in create, loop.connect_accepted_socket:
                with pytest.raises(ValueError, match=f"{name} is only meaningful with ssl"):
                    await any_create(RecordingProtocol, sock=stream, **{name: 1})
        assert stream.fileno() != -1
        assert datagram.fileno() != -1


async def test_wrapped_sockets_are_refused(loop, tls_contexts):
    left, right = socket.socketpair()
    with right, tls_contexts[1].wrap_socket(left, server_hostname="localhost", do_handshake_on_connect=False) as wrapped:
        for create in loop.create_connection, loop.create_server, loop.connect_accepted_socket:
            with pytest.raises(TypeError, match="SSLSocket"):
                await create(RecordingProtocol, sock=wrapped)


async def test_exception_of_the_factory_is_raised(loop, listener, unclosed_sockets_allowed):
    with pytest.raises(ZeroDivisionError):
        await loop.create_connection(fail, *listener.getsockname())


# Older versions of asyncio leave it to the collector, and warn.
@pytest.mark.fastloop_only
async def test_exception_of_the_factory_leaves_no_socket_open(loop, listener):
    with pytest.raises(ZeroDivisionError):
        await loop.create_connection(fail, *listener.getsockname())
    accepted, _ = listener.accept()
    with accepted:
        assert accepted.recv(10) == b""
