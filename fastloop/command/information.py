"""What --info prints: what somebody needs who wants to help.

Owns: nothing.
Promises: the TLS engine is that of a connection of this very process, which sends itself data.
"""

import asyncio
import os
import platform
import socket
import sys

import fastloop


def print_information():
    """Print versions, and what fastloop uses here."""
    loop = fastloop.new_event_loop()
    backend = loop._poller_name
    loop.close()
    print(f"fastloop    {fastloop.__version__}, {os.path.dirname(fastloop.__file__)}")
    print(f"backend     {backend}")
    print(f"TLS engine  {_tls_engine()}")
    print(f"Python      {platform.python_implementation()} {sys.version}")
    print(f"system      {platform.platform()}")


def _tls_engine():
    try:
        import ssl
    except ImportError:
        return "none, because this Python has no ssl"
    # What programs use. It asks for a key log if the environment does.
    context = ssl.create_default_context()
    try:
        engine = fastloop.run(_engine_of_a_connection(context, ssl))
    except (OSError, RuntimeError, ValueError) as error:
        return f"none works: {error}; {ssl.OPENSSL_VERSION}"
    return f"{engine}{_reason(engine, context)}; {ssl.OPENSSL_VERSION}"


def _reason(engine, context):
    if engine == "direct":
        return ""
    from fastloop.tls.tls_session import reason_for_memory_bio

    return f", because {reason_for_memory_bio(context)}"


async def _engine_of_a_connection(context, ssl):
    """Return the engine of a client that has received data. There is no certificate, because none is needed inside of a process."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for each in (context, server_context):
        each.minimum_version = each.maximum_version = ssl.TLSVersion.TLSv1_2
        each.set_ciphers("aNULL:@SECLEVEL=0")
    client_socket, server_socket = socket.socketpair()
    loop = asyncio.get_running_loop()
    (reader, writer), (server, _) = await asyncio.gather(
        fastloop.open_connection(sock=client_socket, ssl=context, server_hostname=""),
        loop.connect_accepted_socket(asyncio.Protocol, server_socket, ssl=server_context),
    )
    server.write(b"proof")
    await reader.readexactly(5)
    server.abort()
    writer.transport.abort()
    return writer.get_extra_info("tls_engine")
