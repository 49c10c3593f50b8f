"""TlsMethods: TLS connections, and connections that become TLS.

Owns: nothing.
Promises: what asyncio's TLS promises, by fastloop's TLS transports.
Driven by: asyncio's create_connection() and the like, the servers that accept TLS connections, and the program.
"""

from asyncio import constants, streams

from fastloop.net.plain_sockets import has_own_accept

try:
    import ssl
except ImportError:
    # A Python without TLS.
    ssl = None


def make_tls_transport(*arguments):
    """Make a transport. Its modules are loaded with the first one, because most programs that import fastloop need none of them."""
    from fastloop.tls import tls_protocol

    return tls_protocol.make_tls_transport(*arguments)


class TlsMethods:
    """The part of the loop that makes TLS transports."""

    def _make_ssl_transport(
        self,
        rawsock,
        protocol,
        sslcontext,
        waiter=None,
        *,
        server_side=False,
        server_hostname=None,
        extra=None,
        server=None,
        ssl_handshake_timeout=constants.SSL_HANDSHAKE_TIMEOUT,
        ssl_shutdown_timeout=constants.SSL_SHUTDOWN_TIMEOUT,
        context=None,
    ):
        self._ensure_fd_no_transport(rawsock)
        transport, tls_protocol = make_tls_transport(
            self, protocol, sslcontext, waiter, server_side, server_hostname, True, ssl_handshake_timeout, ssl_shutdown_timeout
        )
        # asyncio's own method serves sockets with methods of their own. It takes a context only since Python 3.15.
        options = {} if context is None else {"context": context}
        self._make_socket_transport(rawsock, tls_protocol, extra=extra, server=server, **options)
        return transport

    def _start_serving(self, protocol_factory, sock, sslcontext=None, server=None, backlog=100, *timeouts, **options):
        if sslcontext is None or has_own_accept(sock):
            return super()._start_serving(protocol_factory, sock, sslcontext, server, backlog, *timeouts, **options)

        def make_protocol():
            return make_tls_transport(self, protocol_factory(), sslcontext, None, True, None, True, *timeouts)[1]

        super()._start_serving(make_protocol, sock, None, server, backlog, **options)

    async def start_tls(
        self,
        transport,
        protocol,
        sslcontext,
        *,
        server_side=False,
        server_hostname=None,
        ssl_handshake_timeout=None,
        ssl_shutdown_timeout=None,
    ):
        """Encrypt a connection from here on. Return the transport that protocol must use from now on.

        What a StreamReader of a server has buffered already belongs to the handshake. If the handshake fails, the connection
        is closed. Raises TypeError unless sslcontext is an ssl.SSLContext and transport can be encrypted.
        """
        if ssl is None:
            raise RuntimeError("Python ssl module is not available")
        if not isinstance(sslcontext, ssl.SSLContext):
            raise TypeError(f"sslcontext is expected to be an instance of ssl.SSLContext, got {sslcontext!r}")
        if not getattr(transport, "_start_tls_compatible", False):
            raise TypeError(f"transport {transport!r} is not supported by start_tls()")
        waiter = self.create_future()
        tls_transport, tls_protocol = make_tls_transport(
            self, protocol, sslcontext, waiter, server_side, server_hostname, False, ssl_handshake_timeout, ssl_shutdown_timeout
        )
        # No data may come before connection_made().
        transport.pause_reading()
        if server_side:
            tls_protocol.feed(buffered_by(protocol))
        transport.set_protocol(tls_protocol)
        connection_made = self.call_soon(tls_protocol.connection_made, transport)
        resume_reading = self.call_soon(transport.resume_reading)
        try:
            await waiter
        except BaseException:
            transport.close()
            connection_made.cancel()
            resume_reading.cancel()
            raise
        return tls_transport


def buffered_by(protocol):
    """Take what the protocol's StreamReader has buffered."""
    reader = getattr(protocol, "_stream_reader", None) if isinstance(protocol, streams.StreamReaderProtocol) else None
    if reader is None:
        return b""
    buffered = bytes(reader._buffer)
    reader._buffer.clear()
    return buffered
