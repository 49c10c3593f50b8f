"""Connections over which a slow reader is soon noticed."""

import socket

# Smaller buffers make TCP on loopback crawl.
NARROW = 131_072


def connecting_narrowly(connect):
    """Return a function like connect, but the kernel buffers little of what the transport writes."""

    async def connect_narrowly(*args, **hooks):
        protocol, transport, peer = await connect(*args, **hooks)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, NARROW)
        # A buffer whose size was set does not grow by itself.
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW)
        return protocol, transport, peer

    return connect_narrowly
