"""Accepting under strain: many at once, no descriptor left, and listening sockets that somebody closed.

A process that has run out of descriptors must say so, wait about a second and accept again. No connection is lost.
"""

import asyncio
import json
import os
import resource
import socket
import subprocess
import sys

import pytest

from actors.kernel import settle, until
from actors.protocols import RecordingProtocol, RecordingProtocols, until_all_are_lost

# Serves with few descriptors; closes some when the exception handler reports that there are none left.
SHORT_OF_DESCRIPTORS = """
import asyncio, importlib, json, os, resource, sys

CLIENTS = int(sys.argv[2])
loop = importlib.import_module(sys.argv[1]).new_event_loop()
ballast = []
reports = []
greeted = []

def hear(loop, context):
    reports.append((context["message"], type(context.get("exception")).__name__, str(type(context.get("socket")).__name__)))
    while ballast:
        os.close(ballast.pop())

class Greeter(asyncio.Protocol):
    def connection_made(self, transport):
        greeted.append(transport)
        transport.write(b"served")

async def main():
    server = await loop.create_server(Greeter, "127.0.0.1", 0, backlog=100)
    soft = max(map(int, os.listdir("/dev/fd"))) + 2 + CLIENTS
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    try:
        while True:
            ballast.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        os.close(ballast.pop())
        os.close(ballast.pop())
    print(server.sockets[0].getsockname()[1], flush=True)
    while len(greeted) < CLIENTS:
        await asyncio.sleep(0.01)
    server.close()
    for transport in greeted:
        transport.abort()

loop.set_exception_handler(hear)
loop.run_until_complete(main())
loop.run_until_complete(asyncio.sleep(0))
loop.close()
print(json.dumps(reports))
"""


def test_process_out_of_descriptors_reports_it_and_loses_nobody(implementation, tmp_path, no_leaks):
    clients_expected = 20
    command = [sys.executable, "-c", SHORT_OF_DESCRIPTORS, implementation.name, str(clients_expected)]
    clients = []
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            port = int(process.stdout.readline())
            for _ in range(clients_expected):
                clients.append(socket.create_connection(("127.0.0.1", port), timeout=20))
            answers = [client.recv(100) for client in clients]
            output, errors = process.communicate(timeout=20)
        finally:
            process.kill()
            for client in clients:
                client.close()
    assert answers == [b"served"] * clients_expected
    assert (process.returncode, errors) == (0, "")
    reports = json.loads(output)
    assert reports
    assert set(map(tuple, reports)) == {("socket.accept() out of system resource", "OSError", "TransportSocket")}


async def serve_without_descriptors(loop, factory, listener, reported):
    """Return a server that found no descriptor for a connection and reported it; afterwards there are descriptors again."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (listener.fileno(), limits[1]))
    try:
        server = await loop.create_server(factory, sock=listener)
        await until(lambda: reported)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    return server


async def test_out_of_descriptors_is_reported_and_accepting_goes_on_a_second_later(loop, make_peer, reported):
    # Needs no second process: the clients are connected before the descriptors run out.
    protocols = RecordingProtocols()
    listener = socket.create_server(("127.0.0.1", 0))
    peers = [make_peer(socket.create_connection(listener.getsockname())) for _ in range(5)]
    server = await serve_without_descriptors(loop, protocols, listener, reported)
    assert protocols == []
    for peer in peers:
        await peer.send(b"data")
    while len(protocols) < 5:
        await asyncio.sleep(0.01)
    for protocol, peer in zip(protocols, peers):
        await protocol.until_received(4)
        peer.close()
        await protocol.until_lost()
    server.close()
    assert {context["message"] for context in reported} == {"socket.accept() out of system resource"}
    assert {type(context["exception"]) for context in reported} == {OSError}


# asyncio tries again although the server is closed, and reports that it cannot.
@pytest.mark.fastloop_only
async def test_server_closed_while_it_waits_for_descriptors_stays_closed(loop, make_peer, reported, bystanders):
    listener = socket.create_server(("127.0.0.1", 0))
    make_peer(socket.create_connection(listener.getsockname()))
    server = await serve_without_descriptors(loop, RecordingProtocol, listener, reported)
    reported.clear()
    server.close()
    await server.wait_closed()
    bystanders.open()
    # The second after which it would try again.
    await asyncio.sleep(1.1)
    assert reported == []


@pytest.mark.parametrize("count", [1, 50, 99])
async def test_connections_that_wait_are_accepted_in_one_go(serve, no_leaks, count):
    protocols = RecordingProtocols()
    listener = socket.create_server(("127.0.0.1", 0), backlog=100)
    clients = [socket.create_connection(listener.getsockname()) for _ in range(count)]
    await serve(protocols, sock=listener, backlog=100)
    await protocols.until_made()
    await settle()
    assert [protocol.calls for protocol in protocols] == [["connection_made"]] * count
    for client in clients:
        client.close()
    await until_all_are_lost(protocols)


# Descriptors closed behind the loop's back


@pytest.fixture
def give_number_to_nothing():
    """A function that closes a descriptor and gives its number to the null device, so that nobody else gets it."""
    null = os.open(os.devnull, os.O_RDWR)
    yield lambda fd: os.dup2(null, fd)
    os.close(null)


async def assert_others_live(connections):
    protocol, _, peer = await connections.tcp()
    await peer.send(b"others live")
    assert await protocol.until_received(11) == b"others live"


async def test_listening_descriptor_closed_behind_the_loop_neither_crashes_nor_hangs_it(
    serve, connections, reported, give_number_to_nothing
):
    server = await serve(RecordingProtocol)
    give_number_to_nothing(server.sockets[0].fileno())
    await settle()
    await assert_others_live(connections)
    server.close()
    await settle()


@pytest.mark.parametrize("end", ["close", "abort", "write", "data"])
async def test_descriptor_of_a_transport_closed_behind_the_loop_neither_crashes_nor_hangs_it(
    connections, reported, give_number_to_nothing, end
):
    left, right = socket.socketpair()
    protocol, transport, peer = await connections.over(left, right)
    give_number_to_nothing(left.fileno())
    await settle()
    if end == "write":
        for _ in range(3):
            transport.write(b"where does it go?")
            await settle()
    elif end == "data":
        assert await peer.receive_all() == b""
    else:
        getattr(transport, end)()
    await assert_others_live(connections)
    transport.abort()
    await protocol.until_lost()
    assert len(protocol.lost) == 1


async def test_descriptor_closed_behind_the_loop_while_a_duplicate_lives_does_not_hang_it(connections, reported, give_number_to_nothing):
    left, right = socket.socketpair()
    protocol, transport, peer = await connections.over(left, right)
    duplicate = left.dup()
    # The kernel still announces data under a number that is somebody else's now.
    give_number_to_nothing(left.fileno())
    await peer.send(b"data for nobody")
    await settle()
    await assert_others_live(connections)
    if not protocol.lost:
        transport.abort()
    await protocol.until_lost()
    await settle()
    assert duplicate.recv(100) == b"data for nobody"
    duplicate.close()
    await settle()
