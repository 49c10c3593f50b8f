"""A socket or a file that cannot be closed: the exception handler is called once, and the loop keeps running.

asyncio does the same, but its transport then warns that it is unclosed, which fails a test: such tests run on fastloop only.
"""

import os
import pickle
import socket

import pytest

from actors.kernel import until
from actors.protocols import RecordingBufferedProtocol, RecordingProtocol


@pytest.mark.fastloop_only
@pytest.mark.parametrize("method", ["abort", "close"])
async def test_descriptor_that_somebody_else_has_closed(loop, reported, left, method):
    transport, protocol = await loop.create_connection(RecordingProtocol, sock=left)
    os.close(left.fileno())
    getattr(transport, method)()
    assert await protocol.until_lost() is None
    await until(lambda: reported)
    assert [type(context["exception"]) for context in reported] == [OSError]
    left.detach()


class SocketThatFails(socket.socket):
    closings = 0

    def close(self):
        self.closings += 1
        super().close()
        raise ValueError("close")


@pytest.mark.fastloop_only
async def test_close_of_a_sockets_subclass_that_raises(loop, reported, left):
    left = SocketThatFails(fileno=left.detach())
    transport, protocol = await loop.create_connection(RecordingProtocol, sock=left)
    await protocol.close()
    await until(lambda: reported)
    assert [str(context["exception"]) for context in reported] == ["close"]
    assert left.closings == 1


class FileThatFailsOnce:
    closings = 0

    def __init__(self, fd):
        self.fd = fd

    def fileno(self):
        return self.fd

    def close(self):
        self.closings += 1
        if self.closings == 1:
            os.close(self.fd)
            raise ValueError("close")


@pytest.mark.fastloop_only
@pytest.mark.parametrize("connects", ["connect_read_pipe", "connect_write_pipe"])
async def test_close_of_a_pipe_that_raises(loop, reported, connects):
    reading, writing = os.pipe()
    ours, other = (reading, writing) if connects == "connect_read_pipe" else (writing, reading)
    file = FileThatFailsOnce(ours)
    transport, protocol = await getattr(loop, connects)(RecordingProtocol, file)
    await protocol.close()
    await until(lambda: reported)
    os.close(other)
    assert [str(context["exception"]) for context in reported] == ["close"]
    assert file.closings == 1


async def test_close_that_was_replaced_and_raises_at_the_end_of_file(loop, reported, left, right):
    def close():
        del transport.close
        raise ValueError("replaced")

    transport, protocol = await loop.create_connection(RecordingProtocol, sock=left)
    transport.close = close
    right.close()
    await until(lambda: reported)
    await protocol.close()
    assert [str(context["exception"]) for context in reported] == ["replaced"]


async def test_buffer_that_is_read_only_and_has_no_length(loop, reported, left, right):
    protocol = RecordingBufferedProtocol(get_buffer=lambda protocol, size_hint: pickle.PickleBuffer(b"abc"))
    await loop.create_connection(lambda: protocol, sock=left)
    right.send(b"data")
    assert type(await protocol.until_lost()) is TypeError
    assert protocol.calls == ["connection_made", "connection_lost"]
    assert [context["message"] for context in reported] == ["Fatal error: protocol.get_buffer() call failed."]
