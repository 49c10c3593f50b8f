"""ConnectMethods: asyncio's ways to connect and to listen, without the sockets that they leave open.

Owns: during one create_connection(), the sockets that were connected and have no transport yet.
Promises: a call that fails or is cancelled, at any moment, closes what it opened and nothing else. One that succeeds
  leaves no other socket than its own. If the protocol factory fails, what the call was given is closed too, because a
  transport would have owned it. Everything else is asyncio's.
Driven by: the task that connects.
"""

import asyncio
import contextlib
import traceback
from functools import wraps


class ConnectMethods:
    """The part of the loop that makes connections and servers."""

    # So that inspect.signature() shows the options, which differ from Python to Python.
    @wraps(asyncio.BaseEventLoop.create_connection, assigned=(), updated=())
    async def create_connection(self, protocol_factory, host=None, port=None, **options):
        """Connect to host and port, or take over the socket sock. Returns (transport, protocol).

        The options are those of the running Python's asyncio. Raises OSError if no address can be connected to.
        """
        attempt = _Attempt(self)
        transport = None
        try:
            transport, protocol = await asyncio.BaseEventLoop.create_connection(attempt, protocol_factory, host, port, **options)
            return transport, protocol
        finally:
            attempt.close_sockets(but=transport)

    @wraps(asyncio.BaseEventLoop.create_server, assigned=(), updated=())
    async def create_server(self, *args, start_serving=True, **options):
        """Listen on host and port, or on the socket sock. Returns an asyncio.Server.

        The options are those of the running Python's asyncio.
        """
        server = await super().create_server(*args, start_serving=False, **options)
        return await _serving(server) if start_serving else server

    @wraps(asyncio.SelectorEventLoop.create_unix_server, assigned=(), updated=())
    async def create_unix_server(self, *args, start_serving=True, **options):
        """Listen on a Unix socket at path, or on the socket sock. Returns an asyncio.Server."""
        server = await super().create_unix_server(*args, start_serving=False, **options)
        return await _serving(server) if start_serving else server

    async def _create_connection_transport(self, sock, protocol_factory, *args, **options):
        return await super()._create_connection_transport(sock, _closing_if_it_fails(protocol_factory, sock), *args, **options)

    @wraps(asyncio.BaseEventLoop.create_datagram_endpoint, assigned=(), updated=())
    async def create_datagram_endpoint(self, protocol_factory, local_addr=None, remote_addr=None, **options):
        """Make a datagram socket, or take over the socket sock. Returns (transport, protocol).

        The options are those of the running Python's asyncio. Raises OSError if no address can be bound or connected to.
        """
        endpoint = _Endpoint(self, protocol_factory)
        return await asyncio.BaseEventLoop.create_datagram_endpoint(endpoint, endpoint.make_protocol, local_addr, remote_addr, **options)

    async def connect_read_pipe(self, protocol_factory, pipe):
        """Read from pipe, a non-blocking file object, which is closed with the transport. Returns (transport, protocol)."""
        return await super().connect_read_pipe(_closing_if_it_fails(protocol_factory, pipe), pipe)

    async def connect_write_pipe(self, protocol_factory, pipe):
        """Write to pipe, a non-blocking file object, which is closed with the transport. Returns (transport, protocol)."""
        return await super().connect_write_pipe(_closing_if_it_fails(protocol_factory, pipe), pipe)


async def _serving(server):
    try:
        await server.start_serving()
        return server
    except BaseException:
        # asyncio would keep accepting, for a caller that cannot stop it.
        with contextlib.suppress(Exception):
            server.close()
        raise


def _closing_if_it_fails(protocol_factory, file):
    def make_protocol():
        try:
            return protocol_factory()
        except BaseException:
            # Many versions of asyncio leave it open.
            file.close()
            raise

    return make_protocol


class _Attempt:
    """Takes the place of the loop during one create_connection(), and knows the sockets that were connected.

    When several addresses are tried at once, asyncio loses a socket that connects while the task is cancelled. The race
    also leaves reference cycles behind, of exceptions with their frames and of nested functions. They are broken here.
    Newer versions of asyncio do most of that themselves.
    """

    def __init__(self, loop):
        self._loop = loop
        self._sockets = []
        self._errors = []
        # From here on another address, tried at the same time, may still connect.
        self._is_over = False
        self._racer_count = 0
        self._racer = None

    def __getattr__(self, name):
        return getattr(self._loop, name)

    async def _connect_sock(self, *args, **options):
        try:
            sock = await self._loop._connect_sock(*args, **options)
            if self._is_over:
                sock.close()
                raise asyncio.CancelledError
            self._sockets.append(sock)
            return sock
        except BaseException as error:
            self._errors.append(error)
            raise
        finally:
            # One of the arguments is a list of all errors.
            del args, options

    def create_task(self, coroutine, **options):
        """The race calls this for each address. Its nested function, which makes the coroutines, refers to itself."""
        variables = coroutine.cr_frame.f_locals
        self._racer = variables.get(coroutine.__name__)
        if type(variables) is dict:
            # A copy, which older Pythons keep with the frame.
            variables.clear()
        task = self._loop.create_task(coroutine, **options)
        self._racer_count += 1
        task.add_done_callback(self._racer_is_done)
        return task

    def _racer_is_done(self, task):
        self._racer_count -= 1
        if self._is_over and self._racer_count == 0:
            # asyncio's own callback of the task may still need what is cleared.
            self._loop.call_soon(self._break_cycles)

    def close_sockets(self, but):
        self._is_over = True
        # None if its connection is lost already.
        own = None if but is None else but.get_extra_info("socket")
        for sock in self._sockets:
            if (own is None or sock.fileno() != own.fileno()) and not self._belongs_to_transport(sock):
                sock.close()
        self._sockets.clear()
        self._break_cycles()

    def _belongs_to_transport(self, sock):
        """A TLS transport whose handshake is cancelled closes it, and sends what is left before."""
        try:
            self._loop._ensure_fd_no_transport(sock.fileno())
        except RuntimeError:
            return True
        except ValueError:
            # It is no real socket.
            return False
        return False

    def _break_cycles(self):
        if not self._is_over or self._racer_count > 0:
            return
        while self._errors:
            # The traceback keeps its lines.
            traceback.clear_frames(self._errors.pop().__traceback__)
        racer, self._racer = self._racer, None
        for cell in getattr(racer, "__closure__", None) or ():
            cell.cell_contents = None


class _Endpoint:
    """Takes the place of the loop during one create_datagram_endpoint().

    asyncio calls the protocol factory while nobody else knows the socket. So what the factory raises is kept until
    asyncio passes on the socket, which can then be closed.
    """

    def __init__(self, loop, protocol_factory):
        self._loop = loop
        self._protocol_factory = protocol_factory
        self._error = None

    def __getattr__(self, name):
        return getattr(self._loop, name)

    def make_protocol(self):
        try:
            return self._protocol_factory()
        except BaseException as error:
            self._error = error

    def _make_datagram_transport(self, sock, *args, **options):
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
            return self._loop._make_datagram_transport(sock, *args, **options)
        except BaseException:
            sock.close()
            raise
        finally:
            # It refers to this frame.
            del error
