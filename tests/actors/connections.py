"""Connections: the near end is a transport of the loop under test, the far end a Peer."""

import asyncio
import os
import socket

from actors.peers import Peer
from actors.protocols import RecordingProtocol


def tcp_pair():
    """Two connected TCP sockets: the one that connected and the one that was accepted."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connected = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
    return connected, accepted


class Connections:
    """Makes connections, each method a kind of them.

    Each returns the protocol of the near end, its transport and the Peer. The protocol is the one that is given, or else a
    RecordingProtocol with these hooks.
    """

    def __init__(self, loop, folder):
        self._loop = loop
        self._path = os.path.join(folder, "socket")
        self._transports = []
        self._peers = []
        self._servers = []

    async def _connected_to(self, listener, protocol, connecting):
        with listener:
            await connecting
            sock, _ = listener.accept()
        return self._keep(protocol, sock)

    def _keep(self, protocol, sock):
        peer = Peer(self._loop, sock)
        self._transports.append(protocol.transport)
        self._peers.append(peer)
        return protocol, protocol.transport, peer

    async def tcp(self, protocol=None, **hooks):
        """A connection made by create_connection()."""
        protocol = protocol or RecordingProtocol(**hooks)
        listener = socket.create_server(("127.0.0.1", 0))
        connecting = self._loop.create_connection(lambda: protocol, *listener.getsockname())
        return await self._connected_to(listener, protocol, connecting)

    async def unix(self, protocol=None, **hooks):
        """A connection made by create_unix_connection()."""
        protocol = protocol or RecordingProtocol(**hooks)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self._path)
        listener.listen()
        connecting = self._loop.create_unix_connection(lambda: protocol, self._path)
        try:
            return await self._connected_to(listener, protocol, connecting)
        finally:
            os.remove(self._path)

    async def accepted(self, protocol=None, **hooks):
        """A connection accepted by the server of create_server()."""
        protocol = protocol or RecordingProtocol(**hooks)
        server = await self._loop.create_server(lambda: protocol, "127.0.0.1", 0)
        self._servers.append(server)
        sock = socket.create_connection(server.sockets[0].getsockname())
        self._peers.append(Peer(self._loop, sock))
        await protocol.until_connected()
        server.close()
        return self._keep(protocol, sock)

    async def over(self, near, far, protocol=None, **hooks):
        """A connection over a pair of sockets that exists."""
        protocol = protocol or RecordingProtocol(**hooks)
        self._peers.append(Peer(self._loop, far))
        await self._loop.create_connection(lambda: protocol, sock=near)
        return protocol, protocol.transport, self._peers[-1]

    def close(self):
        def are_closed():
            return all(transport.get_extra_info("socket").fileno() == -1 for transport in self._transports)

        if not self._loop.is_closed():
            for transport in self._transports:
                if transport.get_extra_info("socket").fileno() != -1:
                    transport.abort()
        for ended in (*self._peers, *self._servers):
            ended.close()
        for _ in range(100):
            if self._loop.is_closed() or are_closed():
                break
            self._loop.run_until_complete(asyncio.sleep(0))
