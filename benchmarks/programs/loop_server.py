"""A server on a loop: serve LOOP SERVICE INTERFACE ADDRESS LOOP_COUNT [CERTIFICATE].

Owns: one listener at ADDRESS ("tcp:0", "tls:0", "udp:0" or "unix:PATH") that runs a service of services.py. With more than one loop, each
runs in a thread of its own and has a listener at the same port (TCP only). CERTIFICATE, for TLS: a PEM file with the key, too.
Promise: says {"loop_class", "address"} once it listens, and serves until it is killed.
Started by session.py, which reads the process's CPU time and memory from outside.
"""

import asyncio
import importlib
import resource
import socket
import ssl
import sys
import threading

from benchmarks.loops import LOOPS
from benchmarks.programs import failure_said, say

HOST = "127.0.0.1"
BACKLOG = 4096


def main(arguments):
    loop_name, service_name, interface, address, loop_count, *certificate = arguments
    loop_definition, loop_count = LOOPS[loop_name], int(loop_count)
    with failure_said():
        # The loop comes first: some patch asyncio on import, and the services must see what users see.
        factory = loop_definition.load_factory()
        from benchmarks.programs.services import SERVICES

        service = SERVICES[service_name][interface]
        raise_descriptor_limit()
        settle_allocator()
        if loop_count == 1:
            options = {"ssl": tls_context(*certificate)} if certificate else {}
            run(factory, serve(loop_definition, service, interface, address, **options))
        else:
            serve_in_threads(loop_definition, factory, service, interface, loop_count)


def raise_descriptor_limit():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        # macOS says "unlimited" and then refuses it.
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 10_240), hard))


def settle_allocator():
    # asyncio and others receive into 256 KiB blocks. glibc maps and unmaps each of them (mallopt(3), M_MMAP_THRESHOLD)
    # until the program has freed a larger one, as long-lived programs have. Without this a message costs 15 us more.
    bytearray(16 * 1024 * 1024)


def tls_context(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate)
    return context


def run(factory, coroutine):
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(coroutine)


def serve_in_threads(loop_definition, factory, service, interface, loop_count):
    # A socket that does not listen finds a free port, and keeps it for the others.
    with socket.socket() as place_holder:
        place_holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        place_holder.bind((HOST, 0))
        address, all_listen = f"tcp:{place_holder.getsockname()[1]}", threading.Barrier(loop_count)

        def run_one():
            serving = serve(loop_definition, service, interface, address, all_listen=all_listen, reuse_port=True)
            run(factory, serving)

        for _ in range(loop_count - 1):
            threading.Thread(target=run_one, daemon=True).start()
        run_one()


async def serve(loop_definition, service, interface, address, *, all_listen=None, **options):
    """Serve forever. all_listen: a barrier, where several loops serve at one port."""
    loop = asyncio.get_running_loop()
    loop_class = loop_definition.identify(loop)
    family, _, place = address.partition(":")
    place = (place,) if family == "unix" else (HOST, int(place))
    if interface == "datagrams":
        kept, _ = await loop.create_datagram_endpoint(service, local_addr=place)
        listener = kept.get_extra_info("socket")
    elif interface == "sockets":
        listener, kept = listen_on_socket(loop, service, family, place)
    else:
        start = starter(loop_definition, interface, family)
        server = await start(service, *place, backlog=BACKLOG, **options)
        # The server must stay alive.
        listener, kept = server.sockets[0], server
    if all_listen is None or all_listen.wait() == 0:
        say(loop_class=loop_class, address=address if family == "unix" else f"{family}:{listener.getsockname()[1]}")
    await loop.create_future()
    del kept


def starter(loop_definition, interface, family):
    """Return the function that starts a server."""
    if interface in ("streams", "own_streams"):
        name = "start_unix_server" if family == "unix" else "start_server"
        own = importlib.import_module(loop_definition.module) if interface == "own_streams" else asyncio
        return getattr(own, name, getattr(asyncio, name))
    loop = asyncio.get_running_loop()
    return loop.create_unix_server if family == "unix" else loop.create_server


def listen_on_socket(loop, service, family, place):
    listener = socket.socket(socket.AF_INET if family == "tcp" else socket.AF_UNIX)
    listener.bind(place if family == "tcp" else place[0])
    listener.listen(BACKLOG)
    listener.setblocking(False)
    task = loop.create_task(accept(loop, service, listener))
    # Without it, a loop that lacks sock_accept() would serve nobody and not say why.
    task.add_done_callback(report_failure)
    return listener, task


async def accept(loop, service, listener):
    connections = set()
    while True:
        connection, _ = await loop.sock_accept(listener)
        connection.setblocking(False)
        if connection.family == socket.AF_INET:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = loop.create_task(serve_connection(loop, service, connection))
        connections.add(task)
        task.add_done_callback(connections.discard)
        task.add_done_callback(report_failure)


async def serve_connection(loop, service, connection):
    with connection:
        await service(loop, connection)


def report_failure(task):
    if not task.cancelled() and task.exception() is not None:
        error = task.exception()
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
