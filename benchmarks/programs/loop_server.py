"""A server on an event loop, in a process of its own: python loop_server.py LOOP SERVICE INTERFACE ADDRESS [LOOP_COUNT].

Owns: one listener at ADDRESS ("tcp:0" or "unix:PATH") that runs a service of services.py. With more than one loop, each runs in a
  thread of its own and has a listener at the same port (Protocol only).
Promise: prints one JSON line once it listens, {"loop_class", "address"}; serves until it is killed.
Started by server_session.py, which reads the process's CPU time and memory from outside.
"""

import asyncio
import json
import pathlib
import socket
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from load_client import raise_descriptor_limit  # noqa: E402

from loops import LOOPS  # noqa: E402 (found through the line above)

HOST = "127.0.0.1"
BACKLOG = 4096


def settle_allocator():
    # asyncio and others receive into 256 KiB blocks. glibc maps and unmaps each of them (mallopt(3), M_MMAP_THRESHOLD)
    # until the program has freed a larger one, as long-lived programs have. Without this a message costs 15 us more.
    bytearray(16 * 1024 * 1024)


async def listen(interface, service, family, place):
    """Begin to serve; return the address and what must stay alive."""
    loop = asyncio.get_running_loop()
    if interface == "sockets":
        return listen_on_socket(loop, service, family, place)
    if interface == "streams":
        if family == "unix":
            server = await asyncio.start_unix_server(service, place, backlog=BACKLOG)
        else:
            server = await asyncio.start_server(service, HOST, int(place), backlog=BACKLOG)
    elif family == "unix":
        server = await loop.create_unix_server(service, place, backlog=BACKLOG)
    else:
        server = await loop.create_server(service, HOST, int(place), backlog=BACKLOG)
    port = server.sockets[0].getsockname()[1] if family == "tcp" else None
    return address_of(family, place, port), server


def listen_on_socket(loop, service, family, place):
    listener = socket.socket(socket.AF_INET if family == "tcp" else socket.AF_UNIX)
    listener.bind((HOST, int(place)) if family == "tcp" else place)
    listener.listen(BACKLOG)
    listener.setblocking(False)
    task = loop.create_task(accept(loop, service, listener))
    # Without it, a loop that lacks sock_accept() would serve nobody and not say why.
    task.add_done_callback(report_failure)
    port = listener.getsockname()[1] if family == "tcp" else None
    return address_of(family, place, port), task


def address_of(family, place, port):
    return f"tcp:{port}" if family == "tcp" else f"unix:{place}"


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


async def serve(loop_definition, service, interface, address):
    family, _, place = address.partition(":")
    address, kept = await listen(interface, service, family, place)
    loop_class = loop_definition.identify(asyncio.get_running_loop())
    print(json.dumps({"loop_class": loop_class, "address": address}), flush=True)
    await asyncio.get_running_loop().create_future()
    del kept


async def serve_beside(loop_definition, service, port, all_listen):
    """One of several loops at the same port."""
    loop_class = loop_definition.identify(asyncio.get_running_loop())
    server = await asyncio.get_running_loop().create_server(service, HOST, port, backlog=BACKLOG, reuse_port=True)
    if all_listen.wait() == 0:
        print(json.dumps({"loop_class": loop_class, "address": address_of("tcp", None, port)}), flush=True)
    await server.serve_forever()


def serve_in_threads(loop_definition, factory, service, loop_count):
    # A socket that does not listen finds a free port, and keeps it for the others.
    with socket.socket() as place_holder:
        place_holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        place_holder.bind((HOST, 0))
        port, all_listen = place_holder.getsockname()[1], threading.Barrier(loop_count)

        def run():
            with asyncio.Runner(loop_factory=factory) as runner:
                runner.run(serve_beside(loop_definition, service, port, all_listen))

        for _ in range(loop_count - 1):
            threading.Thread(target=run, daemon=True).start()
        run()


def main():
    loop_name, service_name, interface, address, *rest = sys.argv[1:]
    loop_count = int(rest[0]) if rest else 1
    loop_definition = LOOPS[loop_name]
    # The loop comes first: some patch asyncio on import, and the services are to see what users see.
    factory = loop_definition.load_factory()
    from services import SERVICES

    raise_descriptor_limit()
    settle_allocator()
    if loop_count > 1:
        serve_in_threads(loop_definition, factory, SERVICES[service_name][interface], loop_count)
        return
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve(loop_definition, SERVICES[service_name][interface], interface, address))


if __name__ == "__main__":
    main()
