"""fastloop's own streams: open_connection(), start_server() and what they make.

Owns: the classes that programs see. The hot halves are in Cython, in streams/. The rest is asyncio's own code, which these
  classes inherit, so isinstance() against asyncio's classes holds and every version of Python keeps its details.
Promises: they work on any loop. Over fastloop's transports, received data does not pass through a method of the protocol.
"""

import asyncio
import socket

from fastloop.streams.stream_protocol import StreamProtocolCore, complete_protocol_class
from fastloop.streams.stream_reader import StreamReaderCore, complete_reader_class
from fastloop.streams.stream_writer import StreamWriterCore, complete_writer_class

__all__ = ["StreamReader", "StreamReaderProtocol", "StreamWriter", "open_connection", "start_server"]

DEFAULT_LIMIT = 64 * 1024
# Before Python 3.13 the protocol of a server's connection keeps the writer.
PROTOCOL_KEEPS_WRITER = hasattr(asyncio.StreamReaderProtocol, "_replace_writer")


@complete_reader_class
class StreamReader(StreamReaderCore, asyncio.StreamReader):
    """What was received from a stream: read(), readexactly(), readuntil(), readline() and `async for` over its lines.

    StreamReader(limit=65536, loop=None). A separator later than limit is an error, and above twice the limit of unread bytes
    the transport is paused. Follows asyncio.StreamReader. Use it in the loop's thread only.
    """


@complete_writer_class
class StreamWriter(StreamWriterCore, asyncio.StreamWriter):
    """The way to send on a stream: write(), drain(), close() and so on. Follows asyncio.StreamWriter."""


@complete_protocol_class
class StreamReaderProtocol(StreamProtocolCore, asyncio.StreamReaderProtocol):
    """Connects a transport with a StreamReader, and with client_connected_cb if a server made it."""

    def connection_made(self, transport):
        """A server's connection gets its writer, and client_connected_cb is called."""
        callback, self._client_connected_cb = self._client_connected_cb, None
        try:
            super().connection_made(transport)
        finally:
            self._client_connected_cb = callback
        # asyncio's method has aborted a connection whose stream is gone already.
        if callback is None or self._transport is None:
            return
        reader = self._stream_reader
        writer = StreamWriter(transport, self, reader, self._loop)
        if PROTOCOL_KEEPS_WRITER:
            self._stream_writer = writer
        try:
            self._serve(callback, reader, writer)
        finally:
            self._strong_reader = None

    def _serve(self, callback, reader, writer):
        # As in Python 3.14. Others only log what a plain callback raises, and leave the connection open.
        transport = self._transport
        try:
            result = callback(reader, writer)
        except Exception as error:
            self._connection_failed(transport, error)
            return
        if asyncio.iscoroutine(result):
            self._task = self._loop.create_task(result)
            self._task.add_done_callback(lambda task: self._client_is_served(transport, task))

    def _client_is_served(self, transport, task):
        if task.cancelled():
            transport.close()
        elif task.exception() is not None:
            self._connection_failed(transport, task.exception())

    def _connection_failed(self, transport, error):
        context = {"message": "Unhandled exception in client_connected_cb", "exception": error, "transport": transport}
        self._loop.call_exception_handler(context)
        transport.close()


def _new_reader(limit):
    return StreamReader(limit=limit, loop=asyncio.get_running_loop())


async def _connected(connect, limit, *address, **options):
    reader = _new_reader(limit)
    protocol = StreamReaderProtocol(reader, loop=reader._loop)
    transport, _ = await connect(lambda: protocol, *address, **options)
    return reader, StreamWriter(transport, protocol, reader, reader._loop)


def _protocol_factory(client_connected_cb, limit):
    loop = asyncio.get_running_loop()
    return lambda: StreamReaderProtocol(_new_reader(limit), client_connected_cb, loop=loop)


async def open_connection(host=None, port=None, *, limit=DEFAULT_LIMIT, **kwds):
    """Connect to host and port. Returns (StreamReader, StreamWriter).

    limit: of the reader. The other options are those of loop.create_connection(), such as ssl. Raises OSError.
    """
    return await _connected(asyncio.get_running_loop().create_connection, limit, host, port, **kwds)


async def start_server(client_connected_cb, host=None, port=None, *, limit=DEFAULT_LIMIT, **kwds):
    """Serve at host and port: call client_connected_cb(reader, writer) for each connection. Returns an asyncio.Server.

    client_connected_cb: a plain function, or a coroutine function, which then runs as a task. What it raises goes to the
    loop's exception handler, and the connection is closed. The other options are those of loop.create_server().
    """
    factory = _protocol_factory(client_connected_cb, limit)
    return await asyncio.get_running_loop().create_server(factory, host, port, **kwds)


if hasattr(socket, "AF_UNIX"):
    __all__ += ["open_unix_connection", "start_unix_server"]

    async def open_unix_connection(path=None, *, limit=DEFAULT_LIMIT, **kwds):
        """Connect to the Unix socket at path. See open_connection()."""
        return await _connected(asyncio.get_running_loop().create_unix_connection, limit, path, **kwds)

    async def start_unix_server(client_connected_cb, path=None, *, limit=DEFAULT_LIMIT, **kwds):
        """Serve at the Unix socket path. See start_server()."""
        factory = _protocol_factory(client_connected_cb, limit)
        return await asyncio.get_running_loop().create_unix_server(factory, path, **kwds)
