"""QUIC by aioquic, client and server on the loop under test: handshakes with a real certificate, and streams in both directions.

QUIC is datagrams and timers: what is lost or late shows as a repeated packet, and what is wrong as a broken connection.
"""

import asyncio
import contextlib
import random

import pytest

aioquic = pytest.importorskip("aioquic.asyncio", reason="aioquic is not installed (pip install aioquic)")
configuration = pytest.importorskip("aioquic.quic.configuration")

pytestmark = pytest.mark.usefixtures("loop")

PROTOCOL = "echo"


async def echo(reader, writer):
    writer.write(await reader.read())
    writer.write_eof()


@pytest.fixture
def serve(certificate):
    """A function that serves echo: an asynchronous context manager that gives the port."""

    @contextlib.asynccontextmanager
    async def serving(**options):
        server_configuration = configuration.QuicConfiguration(is_client=False, alpn_protocols=[PROTOCOL])
        server_configuration.load_cert_chain(certificate.certificate_path, certificate.key_path)
        handlers = set()

        def handle(reader, writer):
            handlers.add(task := asyncio.ensure_future(echo(reader, writer)))
            task.add_done_callback(handlers.discard)

        server = await aioquic.serve("127.0.0.1", 0, configuration=server_configuration, stream_handler=handle, **options)
        try:
            yield server._transport.get_extra_info("sockname")[1]
        finally:
            server.close()

    return serving


@pytest.fixture
def connect(certificate):
    def connecting(port, **options):
        client = configuration.QuicConfiguration(alpn_protocols=[PROTOCOL], server_name="localhost")
        client.load_verify_locations(cafile=str(certificate.certificate_path))
        return aioquic.connect("127.0.0.1", port, configuration=client, local_port=0, **options)

    return connecting


async def ask(client, data):
    reader, writer = await client.create_stream()
    writer.write(data)
    writer.write_eof()
    return await reader.read()


@pytest.mark.parametrize("retry", [False, True], ids=["", "address validated first"])
def test_streams_echo_what_they_get(run, serve, connect, retry):
    async def main():
        async with serve(retry=retry) as port, connect(port) as client:
            await client.ping()
            data = [random.Random(size).randbytes(size) for size in (1, 1200, 65_536, 300_000)]
            assert await asyncio.gather(*(ask(client, each) for each in data)) == data

    run(main())


def test_many_clients_at_once(run, serve, connect):
    async def talk(port, number):
        async with connect(port) as client:
            return await ask(client, b"%d" % number * 1000)

    async def main():
        async with serve() as port:
            answers = await asyncio.gather(*(talk(port, number) for number in range(10)))
            assert answers == [b"%d" % number * 1000 for number in range(10)]

    run(main())


def test_server_with_another_name_is_refused(run, serve, certificate):
    async def main():
        client = configuration.QuicConfiguration(alpn_protocols=[PROTOCOL], server_name="other.example")
        client.load_verify_locations(cafile=str(certificate.certificate_path))
        async with serve() as port:
            with pytest.raises(ConnectionError):
                async with aioquic.connect("127.0.0.1", port, configuration=client):
                    pytest.fail("it was accepted")

    run(main())


def test_nobody_answers(run, connect, logged_errors):
    # aioquic itself leaves an exception that nobody retrieves.
    async def main():
        with pytest.raises((ConnectionError, TimeoutError)):
            async with asyncio.timeout(0.5), connect(9):
                pytest.fail("somebody has answered")

    run(main())
