"""ConnectMethods: what asyncio's connecting leaves open is closed.

Owns: during one create_connection(), the sockets that were connected and have no transport yet.
Promises: a call that fails or is cancelled, at whatever moment, closes what it opened and nothing else; one that succeeds leaves
  no other socket than its own. Everything else is asyncio's.
Driven by: the task that connects.
"""

import asyncio
from functools import wraps


class ConnectMethods:
    """The part of the loop that makes connections."""

    # So that inspect.signature() shows the options, which differ from Python to Python.
    @wraps(asyncio.BaseEventLoop.create_connection, assigned=(), updated=())
    async def create_connection(self, protocol_factory, host=None, port=None, **options):
        """Connect to host and port, or take over the socket sock; returns (transport, protocol).

        The options are those of the running Python's asyncio. Raises OSError if no address can be connected to.
        """
        attempt = _Attempt(self)
        transport = None
        try:
            transport, protocol = await asyncio.BaseEventLoop.create_connection(attempt, protocol_factory, host, port, **options)
            return transport, protocol
        finally:
            attempt.close_sockets(but=transport)

    async def _create_connection_transport(self, sock, protocol_factory, *args, **options):
        def make_protocol():
            try:
                return protocol_factory()
            except BaseException:
                # Older versions of asyncio forget the socket.
                sock.close()
                raise

        return await super()._create_connection_transport(sock, make_protocol, *args, **options)


class _Attempt:
    """Stands for the loop during one create_connection(), and knows the sockets that it has connected.

    When several addresses are tried at once, asyncio loses a socket that has won while the task is cancelled.
    """

    def __init__(self, loop):
        self._loop = loop
        self._sockets = []
        # An address that was tried at the same time may still be connected to.
        self._is_over = False

    def __getattr__(self, name):
        return getattr(self._loop, name)

    async def _connect_sock(self, *args, **options):
        sock = await self._loop._connect_sock(*args, **options)
        if self._is_over:
            sock.close()
            raise asyncio.CancelledError
        self._sockets.append(sock)
        return sock

    def close_sockets(self, but):
        self._is_over = True
        own = None if but is None else but.get_extra_info("socket").fileno()
        for sock in self._sockets:
            if but is None or sock.fileno() != own:
                sock.close()
        self._sockets.clear()
