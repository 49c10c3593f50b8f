"""One owner for each descriptor: a transport closes its own exactly once, and never another one.

After each end other sockets take the freed numbers, so that a second close would hit one of them. Also what keeps a connection
open: duplicates, child processes, and loops and transports that are dropped.
"""

import asyncio
import contextlib
import fcntl
import gc
import os
import socket
import subprocess
import sys
import warnings
import weakref

import pytest

from actors.kernel import settle
from actors.protocols import RecordingProtocol


async def end_connection(how, transport, peer):
    if how == "both":
        transport.write(bytes(10_000_000))
        transport.close()
        transport.abort()
    elif how == "peer":
        peer.close()
    elif how == "reset":
        transport.write(b"never read")
        await asyncio.sleep(0)
        peer.reset()
    elif how == "error":
        transport.get_protocol().hooks["data_received"] = lambda protocol, data: 1 / 0
        await peer.send(b"data")
    else:
        getattr(transport, how)()


@pytest.mark.parametrize("end", ["close", "abort", "both", "peer", "reset", "error"])
async def test_transport_closes_its_descriptor_exactly_once(connect, bystanders, reported, end):
    protocol, transport, peer = await connect()
    sock = transport.get_extra_info("socket")
    fd = sock.fileno()
    await end_connection(end, transport, peer)
    await protocol.until_lost()
    # The number is free until somebody else takes it.
    assert sock.fileno() == -1
    with pytest.raises(OSError):
        os.fstat(fd)
    bystanders.open()
    assert fd in bystanders.numbers()
    transport.abort() if end != "both" else transport.close()
    transport.close()
    transport.pause_reading()
    transport.resume_reading()
    await settle()
    bystanders.check()


@pytest.mark.parametrize("held", ["socket", "transport", "both"])
async def test_what_is_held_after_the_end_holds_no_descriptor(connections, bystanders, held):
    left, right = socket.socketpair()
    protocol, transport, peer = await connections.over(left, right)
    fd = left.fileno()
    kept = {"socket": [transport.get_extra_info("socket")], "transport": [transport], "both": [left, transport]}[held]
    await protocol.close()
    assert await peer.receive_all() == b""
    bystanders.open()
    assert fd in bystanders.numbers()
    del transport, left
    gc.collect()
    await settle()
    kept.clear()
    gc.collect()
    await settle()
    bystanders.check()


async def test_transport_keeps_the_very_socket_that_it_was_given(connections, bystanders):
    left, right = socket.socketpair()
    fd = left.fileno()
    protocol, transport, _ = await connections.over(left, right)
    assert transport.get_extra_info("socket").fileno() == left.fileno() == fd
    await protocol.close()
    assert left.fileno() == -1
    bystanders.open()
    left.close()


async def test_socket_closed_by_its_former_owner_is_not_closed_again(connections, bystanders, reported):
    left, right = socket.socketpair()
    protocol, transport, _ = await connections.over(left, right)
    left.close()
    bystanders.open()
    transport.abort()
    await protocol.until_lost()
    await settle()
    bystanders.check()


async def test_server_closes_its_descriptors_exactly_once(loop, bystanders):
    server = await loop.create_server(RecordingProtocol, ["127.0.0.1", "0.0.0.0"], 0)
    sockets = server.sockets
    numbers = {sock.fileno() for sock in sockets}
    server.close()
    bystanders.open()
    assert numbers <= bystanders.numbers()
    server.close()
    await server.wait_closed()
    del server
    gc.collect()
    await settle()
    bystanders.check()
    assert [sock.fileno() for sock in sockets] == [-1, -1]


# Numbers in use


async def test_descriptor_of_a_transport_cannot_be_watched(connect):
    protocol, transport, peer = await connect()
    sock = transport.get_extra_info("socket")
    loop = asyncio.get_running_loop()
    for file in sock, sock.fileno():
        for call in loop.add_reader, loop.add_writer:
            with pytest.raises(RuntimeError, match="is used by transport"):
                call(file, int)
        for call in loop.remove_reader, loop.remove_writer:
            with pytest.raises(RuntimeError, match="is used by transport"):
                call(file)
    await peer.send(b"still read")
    assert await protocol.until_received(10) == b"still read"


async def test_number_of_a_closed_transport_can_be_watched_by_its_next_owner(connect, make_peer):
    protocol, transport, _ = await connect()
    fd = transport.get_extra_info("socket").fileno()
    await protocol.close()
    pair = socket.socketpair()
    peers = {end.fileno(): make_peer(end) for end in pair}
    assert fd in peers
    other = next(peer for number, peer in peers.items() if number != fd)
    await other.send(b"data")
    assert await peers[fd].receive(4) == b"data"


async def test_number_of_a_closed_transport_can_be_used_by_the_next_transport(connections):
    numbers = set()
    for number in range(20):
        left, right = socket.socketpair()
        protocol, transport, peer = await connections.over(left, right)
        numbers.add(left.fileno())
        await peer.send(b"%d" % number)
        assert await protocol.until_received(len(b"%d" % number)) == b"%d" % number
        transport.abort() if number % 2 else transport.close()
        await protocol.until_lost()
        peer.close()
    assert len(numbers) < 5


# Others that hold the connection


async def test_duplicate_of_the_socket_outlives_the_transport(loop, connections):
    left, right = socket.socketpair()
    first, transport, peer = await connections.over(left, right)
    duplicate = transport.get_extra_info("socket").dup()
    await first.close()
    # Data that arrives now is not for the closed transport, though the kernel knows the same connection.
    await peer.send(b"for the duplicate")
    await settle()
    assert first.received == b""
    _, second = await loop.create_connection(RecordingProtocol, sock=duplicate)
    assert await second.until_received(17) == b"for the duplicate"
    await second.close()
    assert await peer.receive_all() == b""


async def test_child_process_that_holds_the_connection_keeps_it_open(connect, bystanders):
    protocol, transport, peer = await connect()
    fd = transport.get_extra_info("socket").fileno()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=[fd]) as child:
        transport.write(b"farewell")
        assert await protocol.close() is None
        bystanders.open()
        assert await peer.receive(8) == b"farewell"
        await settle()
        with pytest.raises(BlockingIOError):
            peer.sock.recv(1)
        child.stdin.close()
        child.wait(20)
    assert await peer.receive_all() == b""


async def test_child_process_inherits_no_connection(connect):
    protocol, transport, peer = await connect()
    assert os.get_inheritable(transport.get_extra_info("socket").fileno()) is False
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, close_fds=False) as child:
        await protocol.close()
        assert await peer.receive_all() == b""
        child.stdin.close()


async def test_forked_child_that_ends_harms_no_connection(connect):
    protocol, transport, peer = await connect()
    with warnings.catch_warnings():
        # pytest's own watchdog is a thread, too.
        warnings.filterwarnings("ignore", ".*multi-threaded.*", DeprecationWarning)
        child = os.fork()
    if child == 0:
        # The child's copies of the descriptors close with it.
        os._exit(0)
    os.waitpid(child, 0)
    transport.write(b"still here")
    assert await peer.receive(10) == b"still here"
    await peer.send(b"here too")
    assert await protocol.until_received(8) == b"here too"


# Dropped ones


async def connect_and_forget(loop, protocol, sock, is_reading, size=0):
    transport, _ = await loop.create_connection(lambda: protocol, sock=sock)
    transport.write(bytes(size))
    if not is_reading:
        transport.pause_reading()
    return weakref.ref(transport)


@contextlib.contextmanager
def unclosed_transport_expected():
    """Fail without a warning of an unclosed transport; its socket may warn, too."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
        gc.collect()
        messages = [str(warning.message) for warning in caught]
        # A warning holds its source.
        caught.clear()
        gc.collect()
    assert any("unclosed transport" in message for message in messages), messages
    assert all("unclosed" in message for message in messages), messages


def test_transport_dropped_while_it_does_not_read_warns_and_closes(loop, run, make_peer):
    left, right = socket.socketpair()
    peer = make_peer(right)
    with unclosed_transport_expected():
        weak_transport = run(connect_and_forget(loop, asyncio.Protocol(), left, is_reading=False))
        del left
    assert weak_transport() is None
    assert run(peer.receive_all()) == b""


def test_transport_dropped_where_warnings_are_errors_leaves_its_number_to_others(loop, run, make_peer, monkeypatch):
    unraisable = []
    monkeypatch.setattr(sys, "unraisablehook", lambda info: unraisable.append(info.exc_type))
    reader, writer = os.pipe()
    left, right = socket.socketpair()
    peer = make_peer(right)
    fd = left.fileno()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        weak_transport = run(connect_and_forget(loop, asyncio.Protocol(), left, is_reading=False))
        del left
        gc.collect()
    assert weak_transport() is None
    assert set(unraisable) == {ResourceWarning}
    assert run(peer.receive_all()) == b""
    reports = []
    number = fcntl.fcntl(reader, fcntl.F_DUPFD_CLOEXEC, fd)
    try:
        assert number == fd
        loop.add_reader(number, lambda: reports.append(os.read(number, 10)))
        os.write(writer, b"data")
        run(settle())
        assert loop.remove_reader(number) is True
    finally:
        for opened in (reader, writer, number):
            os.close(opened)
    assert reports == [b"data"]


def test_transport_that_reads_lives_without_references(loop, run, make_peer):
    left, right = socket.socketpair()
    peer = make_peer(right)
    received = []

    class Receiver(asyncio.Protocol):
        def data_received(self, data):
            received.append(data)

    weak_transport = run(connect_and_forget(loop, Receiver(), left, is_reading=True))
    del left
    gc.collect()
    run(peer.send(b"data"))
    run(settle())
    assert received == [b"data"]
    weak_transport().close()
    run(peer.receive_all())


@pytest.mark.parametrize("is_reading", [True, False])
@pytest.mark.parametrize("size", [0, 10_000_000])
def test_loop_closed_with_open_transports_leaves_them_to_the_collector(new_loop, no_leaks, is_reading, size):
    loop = new_loop()
    left, right = socket.socketpair()
    with right:
        with unclosed_transport_expected():
            weak_transport = loop.run_until_complete(connect_and_forget(loop, asyncio.Protocol(), left, is_reading, size))
            loop.close()
            del left
        assert weak_transport() is None
        while right.recv(1_000_000):
            pass


def test_loop_closed_with_a_server_leaves_its_socket_to_the_owner(new_loop, no_leaks):
    loop = new_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = loop.run_until_complete(loop.create_server(asyncio.Protocol, sock=listener))
        loop.close()
        assert server.sockets[0].fileno() == listener.fileno() != -1
        socket.create_connection(listener.getsockname()).close()
        listener.accept()[0].close()
