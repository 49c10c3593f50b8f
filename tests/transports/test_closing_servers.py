"""How servers end: close(), wait_closed(), serve_forever(), and the clients that they still have.

wait_closed() does what the running version of Python does: it waits for the clients from Python 3.12 on.
"""

import asyncio
import sys

import pytest

from actors.coroutines import cancel
from actors.files import pattern
from actors.kernel import settle, start
from actors.protocols import RecordingProtocol, until_all_are_lost

since_3_13 = pytest.mark.skipif(sys.version_info < (3, 13), reason="new in Python 3.13")


async def test_closed_server_refuses_clients_and_keeps_those_it_has(serve, connect_to, connect_and_check, accepted):
    server = await serve()
    address = server.sockets[0].getsockname()
    peer = await connect_and_check(server)
    server.close()
    server.close()
    with pytest.raises(ConnectionRefusedError):
        connect_to(address)
    await peer.check_echo()
    peer.close()
    await until_all_are_lost(accepted)


async def test_server_can_be_closed_by_the_protocol_it_accepts(serve, connect_to):
    protocol = RecordingProtocol(connection_made=lambda protocol, transport: server.close())
    server = await serve(lambda: protocol)
    peer = connect_to(server)
    await protocol.until_connected()
    await peer.send(b"data")
    await protocol.until_received(4)
    peer.close()
    await protocol.until_lost()


async def test_wait_closed_returns_when_a_server_without_clients_is_closed(serve):
    server = await serve()
    waiting = [asyncio.ensure_future(server.wait_closed()) for _ in range(3)]
    await asyncio.sleep(0)
    server.close()
    await asyncio.gather(*waiting)
    await server.wait_closed()


async def test_wait_closed_waits_for_the_close(serve):
    server = await serve()
    waiting = await start(server.wait_closed())
    server.close()
    await waiting


async def test_wait_closed_waits_for_the_clients_since_python_3_12(serve, connect_and_check, accepted):
    server = await serve()
    peer = await connect_and_check(server)
    server.close()
    waiting = asyncio.ensure_future(server.wait_closed())
    await settle()
    assert waiting.done() is (sys.version_info < (3, 12))
    assert accepted[0].lost == []
    peer.close()
    await waiting
    await until_all_are_lost(accepted)


async def test_wait_closed_called_early_waits_for_close_and_clients(serve, connect_and_check, accepted):
    server = await serve()
    await connect_and_check(server)
    waiting = asyncio.ensure_future(server.wait_closed())
    await asyncio.sleep(0)
    server.close()
    await settle()
    assert not waiting.done()
    accepted[0].transport.abort()
    await waiting
    await until_all_are_lost(accepted)


async def test_context_manager_closes_the_server(serve, connect_and_check, accepted):
    async with await serve() as server:
        peer = await connect_and_check(server)
        peer.close()
        await until_all_are_lost(accepted)
    assert server.sockets == ()
    assert server.is_serving() is False


@since_3_13
async def test_close_clients_sends_what_was_written_before(serve, connect_and_check, accepted):
    server = await serve()
    peers = [await connect_and_check(server) for _ in range(3)]
    data = pattern(3_000_000)
    for protocol in accepted:
        protocol.transport.write(data)
    server.close()
    server.close_clients()
    for peer in peers:
        assert await peer.receive_all() == data
    await server.wait_closed()
    assert [protocol.lost for protocol in accepted] == [[None]] * 3
    server.close_clients()


@since_3_13
async def test_abort_clients_waits_for_nobody(serve, connect_and_check, accepted):
    server = await serve()
    for _ in range(3):
        await connect_and_check(server)
    for protocol in accepted:
        protocol.transport.write(bytes(10_000_000))
    server.close()
    server.abort_clients()
    await server.wait_closed()
    assert [protocol.lost for protocol in accepted] == [[None]] * 3
    await until_all_are_lost(accepted)
    server.abort_clients()


# Serving forever


async def test_serve_forever_serves_and_is_cancelled_by_close(serve, connect_and_check, accepted):
    server = await serve(start_serving=False)
    serving = await start(server.serve_forever())
    assert server.is_serving()
    peer = await connect_and_check(server)
    peer.close()
    await until_all_are_lost(accepted)
    server.close()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert server.sockets == ()


async def test_cancelled_serve_forever_closes_the_server(serve):
    server = await serve()
    serving = await start(server.serve_forever())
    await cancel(serving)
    assert server.sockets == ()
    assert server.is_serving() is False


async def test_serve_forever_of_a_closed_server_or_a_second_time_is_refused(serve):
    server = await serve()
    serving = await start(server.serve_forever())
    with pytest.raises(RuntimeError, match="is already being awaited on serve_forever"):
        await server.serve_forever()
    server.close()
    with pytest.raises(asyncio.CancelledError):
        await serving
    with pytest.raises(RuntimeError, match="is closed"):
        await server.serve_forever()
