"""A protocol factory that raises: the error reaches the caller, and what the call made or took over is closed by then.

Stream connections are in test_connecting.py, accepted ones in test_servers.py. Versions of asyncio before 2026 leave the files open
(gh-156400), so these tests run on fastloop only.
"""

import asyncio
import gc
import os
import socket

import pytest

from actors.descriptors import open_descriptors
from actors.failures import fail
from actors.kernel import until

pytestmark = pytest.mark.fastloop_only


ADDRESSES = [{"local_addr": ("127.0.0.1", 0)}, {"remote_addr": ("127.0.0.1", 9)}, {"family": socket.AF_INET}]


@pytest.mark.parametrize("addresses", ADDRESSES, ids=str)
async def test_datagram_socket_that_was_made_is_closed(loop, addresses):
    before = open_descriptors().keys()
    with pytest.raises(ZeroDivisionError):
        await loop.create_datagram_endpoint(fail, **addresses)
    assert open_descriptors().keys() == before


async def test_datagram_socket_that_was_given_is_closed(loop):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        with pytest.raises(ZeroDivisionError):
            await loop.create_datagram_endpoint(fail, sock=sock)
        assert sock.fileno() == -1


async def test_datagram_socket_that_is_refused_stays_open(loop):
    with socket.socket() as sock:
        with pytest.raises(ValueError):
            await loop.create_datagram_endpoint(fail, sock=sock)
        assert sock.fileno() != -1


@pytest.mark.parametrize("kind", ["read", "write"])
async def test_pipe_is_closed(loop, kind):
    reading_fd, writing_fd = os.pipe()
    with open(reading_fd, "rb", 0) as reading, open(writing_fd, "wb", 0) as writing:
        pipe, other_end = (reading, writing) if kind == "read" else (writing, reading)
        with pytest.raises(ZeroDivisionError):
            await getattr(loop, f"connect_{kind}_pipe")(fail, pipe)
        assert (pipe.closed, other_end.closed) == (True, False)


@pytest.mark.parametrize("kind", ["read", "write"])
async def test_file_that_is_no_pipe_stays_open(loop, kind, tmp_path):
    with open(tmp_path / "file", "wb+", 0) as file:
        with pytest.raises(ValueError):
            await getattr(loop, f"connect_{kind}_pipe")(asyncio.Protocol, file)
        assert not file.closed


@pytest.mark.parametrize("create", ["create_unix_connection", "connect_accepted_socket"])
async def test_stream_socket_that_was_given_is_closed(loop, create):
    left, right = socket.socketpair()
    with left, right:
        with pytest.raises(ZeroDivisionError):
            await getattr(loop, create)(fail, sock=left)
        assert left.fileno() == -1


@pytest.mark.parametrize("method", ["subprocess_exec", "subprocess_shell"])
async def test_subprocess_is_not_started(loop, method):
    before = open_descriptors().keys()
    with pytest.raises(ZeroDivisionError):
        await getattr(loop, method)(fail, "true")
    assert open_descriptors().keys() == before


def test_exit_closes_the_datagram_socket_too(loop, run_turn, no_leaks):
    def leave():
        raise SystemExit(7)

    # The first run opens what a loop has once.
    run_turn()
    before = open_descriptors().keys()
    with pytest.raises(SystemExit):
        loop.run_until_complete(loop.create_datagram_endpoint(leave, local_addr=("127.0.0.1", 0)))
    assert open_descriptors().keys() == before


async def test_datagram_endpoint_without_failure_is_as_ever(loop):
    received = loop.create_future()

    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, address):
            self.transport.sendto(data, address)

    class Client(asyncio.DatagramProtocol):
        def datagram_received(self, data, address):
            received.set_result(data)

    server, protocol = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    assert type(protocol) is Echo
    client, _ = await loop.create_datagram_endpoint(Client, remote_addr=server.get_extra_info("sockname"))
    client.sendto(b"question")
    assert await received == b"question"
    client.close()
    server.close()


async def test_protocol_without_connection_made_is_refused(loop, make_peer, unclosed_sockets_allowed):
    near, far = socket.socketpair()
    with pytest.raises(AttributeError, match="connection_made"):
        await loop.create_connection(lambda: None, sock=near)
    # What nobody can use is closed, at the latest with its last reference.
    del near
    gc.collect()
    assert await make_peer(far).receive_all() == b""


async def test_accepted_connection_whose_protocol_has_no_connection_made_is_reported_and_closed(
    serve, connect_to, reported, unclosed_sockets_allowed
):
    server = await serve(lambda: None)
    peer = connect_to(server)
    await until(lambda: reported)
    message, error = reported[0]["message"], reported.pop()["exception"]
    assert isinstance(error, AttributeError)
    assert "incoming connection" in message
    del error
    gc.collect()
    assert await peer.receive_all() == b""
