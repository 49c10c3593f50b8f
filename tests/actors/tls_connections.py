"""TLS connections: the near end is a transport of the loop under test, the far end a TlsPeer or another transport of the loop."""

import asyncio
import os
import socket

from actors.peers import Peer
from actors.protocols import RecordingProtocol
from actors.tls_peers import TlsPeer

NAME = "localhost"


class TlsConnections:
    """Makes TLS connections, each method a kind of them.

    Each returns the protocol of the near end, its transport and the TlsPeer. `contexts` are those of the server and of the client.
    """

    def __init__(self, loop, folder, contexts):
        self._loop = loop
        self._path = os.path.join(folder, "socket")
        self.contexts = contexts
        self._sockets = []
        self._closed_at_the_end = []

    def near(self, protocol):
        """Note a near end, which is aborted at the end."""
        self._sockets.append((protocol.transport, protocol.transport.get_extra_info("socket")))
        return protocol

    def client_peer(self, sock, context=None, **options):
        return self._closing(TlsPeer(self._loop, sock, context or self.contexts[1], **{"server_hostname": NAME, **options}))

    def server_peer(self, sock, context=None, **options):
        return self._closing(TlsPeer(self._loop, sock, context or self.contexts[0], server_side=True, **options))

    def raw_peer(self, sock):
        return self._closing(Peer(self._loop, sock))

    def _closing(self, closed):
        self._closed_at_the_end.append(closed)
        return closed

    async def server(self, factory, **options):
        server = await self._loop.create_server(factory, "127.0.0.1", 0, **{"ssl": self.contexts[0], **options})
        return self._closing(server)

    async def accepted(self, protocol=None, context=None, client_context=None, server_options=(), peer_options=(), **hooks):
        """A connection that a server of the loop accepted."""
        protocol = protocol or RecordingProtocol(**hooks)
        server = await self.server(lambda: protocol, **{"ssl": context or self.contexts[0], **dict(server_options)})
        peer = self.client_peer(socket.create_connection(server.sockets[0].getsockname()), client_context, **dict(peer_options))
        await peer.handshake()
        await protocol.until_connected()
        server.close()
        self.near(protocol)
        return protocol, protocol.transport, peer

    async def connected(self, protocol=None, context=None, server_context=None, **hooks):
        """A connection made by create_connection()."""
        protocol = protocol or RecordingProtocol(**hooks)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            connecting = asyncio.create_task(self.connect(listener.getsockname(), protocol, ssl=context or self.contexts[1]))
            return await self._meet(listener, connecting, protocol, server_context)

    async def unix(self, protocol=None, context=None, server_context=None, **hooks):
        """A connection made by create_unix_connection()."""
        protocol = protocol or RecordingProtocol(**hooks)
        options = {"ssl": context or self.contexts[1], "server_hostname": NAME}
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self._path)
            listener.listen()
            connecting = asyncio.create_task(self._loop.create_unix_connection(lambda: protocol, self._path, **options))
            try:
                return await self._meet(listener, connecting, protocol, server_context)
            finally:
                os.remove(self._path)

    async def upgraded(self, protocol=None, context=None, server_context=None, **hooks):
        """A connection whose near end began in clear and was a client in start_tls()."""
        return await self._upgraded(protocol or RecordingProtocol(**hooks), False, context, server_context)

    async def upgraded_server(self, protocol=None, context=None, client_context=None, **hooks):
        """A connection whose near end began in clear and was a server in start_tls()."""
        return await self._upgraded(protocol or RecordingProtocol(**hooks), True, context, client_context)

    async def _upgraded(self, protocol, server_side, context, peer_context):
        near, far = socket.socketpair()
        transport, _ = await self._loop.create_connection(asyncio.Protocol, sock=near)
        peer = self.client_peer(far, peer_context) if server_side else self.server_peer(far, peer_context)
        context = context or self.contexts[not server_side]
        options = {"server_side": True} if server_side else {"server_hostname": NAME}
        starting = asyncio.create_task(self._loop.start_tls(transport, protocol, context, **options))
        await peer.handshake()
        # start_tls() calls no connection_made().
        protocol.transport = await starting
        self.near(protocol)
        return protocol, protocol.transport, peer

    async def connect(self, address, protocol, **options):
        """Connect a protocol of the loop under test by TLS."""
        options = {"ssl": self.contexts[1], "server_hostname": NAME, **options}
        _, protocol = await self._loop.create_connection(lambda: protocol, *address[:2], **options)
        return self.near(protocol)

    async def connect_by_host(self, host, server, **options):
        """Connect to a host by its name or address, with that as the name to verify."""
        port = server.sockets[0].getsockname()[1]
        protocol = RecordingProtocol()
        await self._loop.create_connection(lambda: protocol, host, port, family=socket.AF_INET, ssl=self.contexts[1], **options)
        return self.near(protocol).transport, protocol

    async def _meet(self, listener, connecting, protocol, server_context):
        listener.setblocking(False)
        sock, _ = await self._loop.sock_accept(listener)
        peer = self.server_peer(sock, server_context)
        await peer.handshake()
        await connecting
        self.near(protocol)
        return protocol, protocol.transport, peer

    async def both(self, client=None, server=None, server_options=(), **options):
        """Two protocols of the loop under test, connected by TLS: that of the client, and that of the server."""
        client, server = client or RecordingProtocol(), server or RecordingProtocol()
        listening = await self.server(lambda: server, **dict(server_options))
        await self.connect(listening.sockets[0].getsockname(), client, **options)
        await server.until_connected()
        listening.close()
        self.near(server)
        return client, server

    def forget(self):
        """Leave the near ends to the test."""
        self._sockets.clear()

    def close(self):
        if not self._loop.is_closed():
            for transport, sock in self._sockets:
                if sock.fileno() != -1:
                    transport.abort()
        for ended in self._closed_at_the_end:
            ended.close()
        for _ in range(100):
            if self._loop.is_closed() or all(sock.fileno() == -1 for _, sock in self._sockets):
                break
            self._loop.run_until_complete(asyncio.sleep(0))
