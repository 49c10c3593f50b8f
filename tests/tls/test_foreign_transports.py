"""TLS over a transport of another library, which need not behave as asyncio's do."""

import asyncio
import ssl

import pytest

from actors.kernel import settle, start
from actors.protocols import RecordingProtocol

pytestmark = pytest.mark.fastloop_only


class AbruptTransport(asyncio.Transport):
    """Tells its protocol of the end in the very call that causes it, as often as it is called."""

    _start_tls_compatible = True

    def __init__(self):
        super().__init__()
        self.written = bytearray()
        self.protocol = None
        self.has_ended = False

    def set_protocol(self, protocol):
        self.protocol = protocol

    def is_closing(self):
        return self.has_ended

    def pause_reading(self):
        pass

    resume_reading = pause_reading

    def write(self, data):
        self.written += data

    def abort(self):
        self.has_ended = True
        self.protocol.connection_lost(None)

    close = abort


async def begin(loop, context, protocol):
    below = AbruptTransport()
    task = await start(loop.start_tls(below, protocol, context, server_hostname="localhost"))
    await settle()
    # The client's first record has gone out.
    assert below.written[:1] == b"\x16"
    return below, task


async def test_end_in_the_middle_of_a_call(loop, contexts):
    protocol = RecordingProtocol()
    below, task = await begin(loop, contexts[1], protocol)
    below.protocol.data_received(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(ssl.SSLError):
        await task
    await settle()
    assert (below.has_ended, protocol.calls) == (True, ["connection_lost"])


async def test_whatever_is_told_after_the_end_is_ignored(loop, contexts):
    protocol = RecordingProtocol()
    below, task = await begin(loop, contexts[1], protocol)
    below.abort()
    transport = await task
    tls_protocol = below.protocol
    for _ in range(2):
        tls_protocol.connection_lost(None)
        tls_protocol.data_received(b"data")
        tls_protocol.eof_received()
        tls_protocol.pause_writing()
        tls_protocol.resume_writing()
        transport.write(b"data")
        transport.resume_reading()
        transport.close()
        transport.abort()
    with pytest.raises(RuntimeError):
        tls_protocol.connection_made(below)
    await settle()
    assert (transport.is_closing(), protocol.calls) == (True, [])


async def test_transport_that_is_closing_fails_at_once(loop, contexts):
    below = AbruptTransport()
    below.has_ended = True
    with pytest.raises(ConnectionResetError):
        await loop.start_tls(below, RecordingProtocol(), contexts[1], server_hostname="localhost")
