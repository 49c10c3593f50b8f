"""resume_writing() and the end of the connection: it may come before connection_lost(), but never after the connection is lost."""

import pytest

from actors.kernel import settle

# More than the kernel keeps for a connection whose buffer is narrow.
MUCH = 1_000_000


def assert_not_resumed_when_lost(protocol):
    pauses = [name for name in protocol.calls if name in ("pause_writing", "resume_writing", "connection_lost")]
    assert pauses == ["pause_writing", "connection_lost"]


ENDS = {
    "reset by the peer": lambda transport, peer: peer.reset(),
    "left by the peer": lambda transport, peer: peer.close(),
    "aborted": lambda transport, peer: transport.abort(),
    "closed and then reset": lambda transport, peer: (transport.close(), peer.reset()),
    "closed and then aborted": lambda transport, peer: (transport.close(), transport.abort()),
    "failed by a library": lambda transport, peer: transport._fatal_error(ConnectionAbortedError()),
}


@pytest.mark.parametrize("end", ENDS)
async def test_connection_that_is_lost_while_writing_is_paused(connect_and_fill, end):
    protocol, transport, peer = await connect_and_fill()
    ENDS[end](transport, peer)
    await protocol.until_lost()
    transport.set_write_buffer_limits(high=10 * MUCH, low=5 * MUCH)
    transport.write(b"too late")
    await settle()
    assert_not_resumed_when_lost(protocol)


async def test_connection_that_is_aborted_by_pause_writing(narrow_connect):
    protocol, transport, _ = await narrow_connect(pause_writing=lambda protocol: protocol.transport.abort())
    transport.write(bytes(MUCH))
    await protocol.until_lost()
    await settle()
    assert_not_resumed_when_lost(protocol)


# asyncio loses it twice: at once, and again in the next turn, which fails.
@pytest.mark.fastloop_only
async def test_connection_that_is_aborted_by_resume_writing(connect_and_fill):
    protocol, transport, peer = await connect_and_fill(resume_writing=lambda protocol: protocol.transport.abort())
    await peer.receive(MUCH)
    await protocol.until_lost()
    await settle()
    assert protocol.calls[-3:] == ["pause_writing", "resume_writing", "connection_lost"]


async def test_connection_lost_by_received_data_while_writing_is_paused(connect_and_fill):
    protocol, transport, peer = await connect_and_fill(data_received=lambda protocol, data: protocol.transport.abort())
    # The kernel reports both in one batch: something to read, and room to write.
    peer.sock.send(b"x")
    while True:
        try:
            if not peer.sock.recv(1 << 20):
                break
        except (BlockingIOError, ConnectionError):
            break
    await protocol.until_lost()
    await settle()
    assert protocol.calls.index("connection_lost") == len(protocol.calls) - 1
