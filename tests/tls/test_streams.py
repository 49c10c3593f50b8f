"""Streams over TLS: asyncio's, and on fastloop its own as well."""

import asyncio
import contextlib
import ssl

import pytest

from actors.authority import with_version
from actors.files import pattern
from actors.kernel import settle

SIZE = 3_000_000


@pytest.fixture(params=["asyncio's", "its own"])
def streams(request, implementation):
    """The module with the functions under test."""
    if request.param == "asyncio's":
        return asyncio
    if implementation.name == "asyncio":
        pytest.skip("these are the same")
    import fastloop

    return fastloop


async def echo(reader, writer):
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError):
        await writer.wait_closed()


@pytest.fixture
def connect(streams, contexts):
    """Serves with a handler, and gives the reader and the writer of a client: an asynchronous context manager."""

    @contextlib.asynccontextmanager
    async def connect(handler=echo, **options):
        served = []

        async def serve(reader, writer):
            served.append(asyncio.current_task())
            await handler(reader, writer)

        server = await streams.start_server(serve, "127.0.0.1", 0, ssl=contexts[0])
        options = {"ssl": contexts[1], "server_hostname": "localhost", **options}
        reader, writer = await streams.open_connection(*server.sockets[0].getsockname(), **options)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError):
                await writer.wait_closed()
            server.close()
            await asyncio.gather(*served)
            await settle()

    return connect


async def test_data_comes_back_both_ways_at_once(connect):
    data = pattern(SIZE)
    async with connect() as (reader, writer):

        async def write():
            for start in range(0, SIZE, 50_000):
                writer.write(data[start : start + 50_000])
                await writer.drain()

        _, received = await asyncio.gather(write(), reader.readexactly(SIZE))
        assert received == data


async def test_lines_and_separators_are_found(connect, contexts, version):
    with_version(contexts[1], version)
    async with connect() as (reader, writer):
        writer.writelines([b"line\n", b"until;", b"exactly"])
        assert await reader.readline() == b"line\n"
        assert await reader.readuntil(b";") == b"until;"
        assert await reader.readexactly(7) == b"exactly"


async def test_end_of_file_is_read_after_the_last_byte(connect):
    async def say(reader, writer):
        writer.write(pattern(SIZE))
        writer.close()
        await writer.wait_closed()

    async with connect(say) as (reader, writer):
        assert await reader.read() == pattern(SIZE)
        assert reader.at_eof()
        assert await reader.read() == b""


async def test_writing_alone_cannot_be_ended(connect):
    async with connect() as (reader, writer):
        assert not writer.can_write_eof()
        with pytest.raises(NotImplementedError):
            writer.write_eof()
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"


async def test_transport_of_the_writer_is_that_of_tls(connect, contexts):
    async with connect() as (_, writer):
        assert type(writer.get_extra_info("ssl_object")) is ssl.SSLObject
        assert writer.get_extra_info("sslcontext") is contexts[1]
        assert writer.transport.get_extra_info("cipher") == writer.get_extra_info("ssl_object").cipher()


async def test_slow_handler_stops_the_writer(connect):
    goes_on = asyncio.Event()

    async def wait(reader, writer):
        await goes_on.wait()
        await echo(reader, writer)

    async with connect(wait) as (reader, writer):
        written = 0
        while True:
            writer.write(bytes(200_000))
            written += 200_000
            draining = asyncio.ensure_future(writer.drain())
            await settle()
            if not draining.done():
                break
            assert written < 200_000_000
        goes_on.set()
        assert await reader.readexactly(written) == bytes(written)
        await draining


@pytest.mark.parametrize("is_small", [True, False])
async def test_upgrade_of_a_stream(streams, contexts, is_small):
    async def upgrade(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()
        await writer.start_tls(contexts[0])
        await echo(reader, writer)

    data = b"secret" if is_small else pattern(SIZE)
    server = await streams.start_server(upgrade, "127.0.0.1", 0)
    reader, writer = await streams.open_connection(*server.sockets[0].getsockname())
    writer.write(b"STARTTLS\n")
    assert await reader.readline() == b"STARTTLS\n"
    await writer.start_tls(contexts[1], server_hostname="localhost")
    assert writer.get_extra_info("sslcontext") is contexts[1]
    writer.write(data)
    _, received = await asyncio.gather(writer.drain(), reader.readexactly(len(data)))
    assert received == data
    writer.close()
    await writer.wait_closed()
    server.close()
    await settle()


async def test_stream_in_tls_is_upgraded_again(streams, contexts):
    async def upgrade(reader, writer):
        assert await reader.readline() == b"again\n"
        await writer.start_tls(contexts[0])
        await echo(reader, writer)

    server = await streams.start_server(upgrade, "127.0.0.1", 0, ssl=contexts[0])
    options = {"ssl": contexts[1], "server_hostname": "localhost"}
    reader, writer = await streams.open_connection(*server.sockets[0].getsockname(), **options)
    writer.write(b"again\n")
    await writer.drain()
    await writer.start_tls(contexts[1], server_hostname="localhost")
    writer.write(b"deep")
    assert await reader.readexactly(4) == b"deep"
    writer.close()
    await writer.wait_closed()
    server.close()
    await settle()


async def test_refused_certificate_is_raised(streams, contexts, other_authority):
    other = other_authority.issue()
    server = await streams.start_server(echo, "127.0.0.1", 0, ssl=other.server_context())
    with pytest.raises(ssl.SSLCertVerificationError):
        await streams.open_connection(*server.sockets[0].getsockname(), ssl=contexts[1], server_hostname="localhost")
    server.close()
    await settle()


async def test_reader_is_told_that_the_connection_was_reset(streams, contexts):
    async def reset(reader, writer):
        await reader.readexactly(1)
        writer.transport.abort()

    server = await streams.start_server(reset, "127.0.0.1", 0, ssl=contexts[0])
    options = {"ssl": contexts[1], "server_hostname": "localhost"}
    reader, writer = await streams.open_connection(*server.sockets[0].getsockname(), **options)
    writer.write(b"xx")
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    server.close()
    await settle()


async def test_cancelled_read_loses_nothing(connect):
    async with connect() as (reader, writer):
        reading = asyncio.ensure_future(reader.readexactly(5))
        await settle()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"


async def test_many_clients_are_served_at_once(streams, contexts):
    server = await streams.start_server(echo, "127.0.0.1", 0, ssl=contexts[0])
    options = {"ssl": contexts[1], "server_hostname": "localhost"}

    async def talk(number):
        reader, writer = await streams.open_connection(*server.sockets[0].getsockname(), **options)
        for _ in range(5):
            writer.write(b"%05d" % number)
            assert await reader.readexactly(5) == b"%05d" % number
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*map(talk, range(30)))
    server.close()
    await settle()
