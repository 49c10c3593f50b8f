"""TlsMethods: TLS connections, by asyncio's SSLProtocol over fastloop's stream transports.

Owns: nothing.
Promises: what asyncio's TLS promises.
Driven by: asyncio's create_connection() and the like, and the servers that accept TLS connections.
"""

from asyncio import constants, sslproto


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
        ssl_protocol = sslproto.SSLProtocol(
            self,
            protocol,
            sslcontext,
            waiter,
            server_side,
            server_hostname,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )
        # asyncio's own method serves sockets with methods of their own. It takes a context only since Python 3.15.
        options = {} if context is None else {"context": context}
        self._make_socket_transport(rawsock, ssl_protocol, extra=extra, server=server, **options)
        return ssl_protocol._app_transport
