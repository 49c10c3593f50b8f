"""Thousands of connections, some of which are reset at random while data flows.

The others get every byte, each connection is lost exactly once, and no descriptor is left. The clients are plain blocking
sockets in a thread, so that they share nothing with the loop under test.
"""

import asyncio
import random
import resource
import socket
import struct
import sys

import pytest

from actors.files import pattern
from actors.kernel import until
from actors.peers import reset
from actors.protocols import RecordingBufferedProtocol, RecordingProtocol, RecordingProtocols, echo, until_all_are_lost

ROUNDS = 4
CHUNK = 1500


@pytest.fixture
def most_connections():
    """How many connections, with both ends in this process, the limit on descriptors allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 6000
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    now = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    yield ((wanted if now == resource.RLIM_INFINITY else min(now, wanted)) - 200) // 2
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def receive_exactly(sock, size):
    received = b""
    while len(received) < size and (data := sock.recv(size - len(received))):
        received += data
    return received


def chunk_of(number, round_number):
    return struct.pack(">II", number, round_number) * (CHUNK // 8)


def reset_some_of(clients, chance):
    """Reset some clients at random; return the others."""
    living = {}
    for number, sock in clients.items():
        if chance.random() < 0.15:
            reset(sock)
        else:
            living[number] = sock
    return living


@pytest.mark.time_limit(40)
@pytest.mark.parametrize("count, buffered", [(2000, False), (500, True)], ids=["plain protocols", "buffered protocols"])
async def test_resets_of_some_connections_cost_the_others_nothing(serve, most_connections, count, buffered):
    count = min(count, most_connections)
    chance = random.Random(2024)
    protocols = {}

    def make():
        if buffered:
            return RecordingBufferedProtocol(
                1000, buffer_updated=lambda protocol, size: protocol.transport.write(bytes(protocol.buffer[:size])), connection_made=note
            )
        return RecordingProtocol(data_received=echo, connection_made=note)

    def note(protocol, transport):
        protocols[transport.get_extra_info("peername")] = protocol

    def be_clients(address):
        clients = {number: socket.create_connection(address, timeout=20) for number in range(count)}
        names = {number: sock.getsockname() for number, sock in clients.items()}
        for round_number in range(ROUNDS):
            for number, sock in clients.items():
                sock.sendall(chunk_of(number, round_number))
            clients = reset_some_of(clients, chance)
            for number, sock in clients.items():
                assert receive_exactly(sock, len(chunk_of(0, 0))) == chunk_of(number, round_number)
        for sock in clients.values():
            sock.shutdown(socket.SHUT_WR)
            assert sock.recv(1) == b""
            sock.close()
        return names, set(clients)

    server = await serve(make, backlog=4096)
    names, living = await asyncio.to_thread(be_clients, server.sockets[0].getsockname())
    await until(lambda: len(protocols) >= count)
    await until_all_are_lost(protocols.values())
    server.close()
    assert 0 < len(living) < count
    for number, name in names.items():
        protocol = protocols[name]
        assert len(protocol.lost) == 1
        assert protocol.calls.count("connection_made") == 1
        expected = b"".join(chunk_of(number, round_number) for round_number in range(ROUNDS))
        if number in living:
            assert protocol.received == expected
            assert protocol.lost == [None]
        else:
            assert expected.startswith(protocol.received)
            assert isinstance(protocol.lost[0], ConnectionError | None)


@pytest.mark.time_limit(40)
async def test_resets_while_much_waits_to_be_sent_cost_the_others_nothing(serve, most_connections):
    count = min(150, most_connections)
    chance = random.Random(7)
    data = pattern(400_000)
    protocols = RecordingProtocols(connection_made=lambda protocol, transport: transport.write(data))

    def be_clients(address):
        clients = {number: socket.create_connection(address, timeout=20) for number in range(count)}
        started = {number: receive_exactly(sock, 1000) for number, sock in clients.items()}
        clients = reset_some_of(clients, chance)
        for number, sock in clients.items():
            assert started[number] + receive_exactly(sock, len(data) - 1000) == data
            sock.close()

    server = await serve(protocols, backlog=4096)
    await asyncio.to_thread(be_clients, server.sockets[0].getsockname())
    await until_all_are_lost(protocols)
    assert [len(protocol.lost) for protocol in protocols] == [1] * count
    assert all(isinstance(protocol.lost[0], ConnectionError | None) for protocol in protocols)


@pytest.mark.time_limit(40)
@pytest.mark.skipif(sys.platform != "linux", reason="other systems drop connections that are reset before they are accepted")
async def test_connections_reset_before_during_and_after_accepting_are_each_lost_once(serve):
    protocols = RecordingProtocols()

    def be_clients(address):
        chance = random.Random(1)
        for _ in range(300):
            sock = socket.create_connection(address, timeout=20)
            if chance.random() < 0.5:
                sock.sendall(b"x" * chance.randrange(5000))
            reset(sock)

    server = await serve(protocols, backlog=1000)
    await asyncio.to_thread(be_clients, server.sockets[0].getsockname())
    await protocols.until_made(300)
    await until_all_are_lost(protocols)
    for protocol in protocols:
        assert (protocol.calls[0], protocol.calls[-1], len(protocol.lost)) == ("connection_made", "connection_lost", 1)
