"""Real clients and servers over TLS, with each engine: curl, openssl, aiohttp, httpx, PostgreSQL through asyncpg, and Redis.

What these libraries do without TLS is tested in the files of their names.
"""

import asyncio
import contextlib
import io
import random
import shutil
import ssl
import urllib.parse

import pytest

from actors.tls import environment_of_others

pytestmark = pytest.mark.usefixtures("tls_engine", "loop")

LARGE_BYTES = 3 << 20
VERSIONS = ["1.2", "1.3"]


@pytest.fixture
def contexts(certificate):
    return certificate.server_context(), certificate.client_context()


@contextlib.asynccontextmanager
async def running(*command, **options):
    """Run a program that reads and writes pipes until the block ends."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"the command {command[0]} is not installed")
    pipes = {name: asyncio.subprocess.PIPE for name in ("stdin", "stdout", "stderr")}
    process = await asyncio.create_subprocess_exec(*map(str, command), **{**pipes, **options}, env=environment_of_others())
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


@contextlib.asynccontextmanager
async def serving(handler, context):
    """Serve with streams over TLS; gives the port."""
    tasks = []

    async def handle(reader, writer):
        tasks.append(asyncio.current_task())
        with contextlib.suppress(ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            await handler(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError):
            await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.gather(*tasks)


# curl and openssl


async def answer_http(reader, writer):
    """Send each body back."""
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        size = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
        if b"100-continue" in head.lower():
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(size)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + body)
        await writer.drain()


@pytest.mark.parametrize("version", VERSIONS)
async def test_curl_gets_its_body_back(contexts, certificate, version, tmp_path):
    body = random.Random(1).randbytes(LARGE_BYTES)
    (tmp_path / "body").write_bytes(body)
    async with serving(answer_http, contexts[0]) as port:
        url = f"https://localhost:{port}/"
        command = ["curl", "--silent", "--show-error", "--noproxy", "*", "--cacert", certificate.certificate_path]
        command += ["--resolve", f"localhost:{port}:127.0.0.1", f"--tlsv{version}", "--tls-max", version]
        # Twice, on one connection.
        transfers = [text for name in ("first", "second") for text in ("--output", tmp_path / name, url)]
        async with running(*command, "--data-binary", f"@{tmp_path / 'body'}", *transfers) as process:
            output, errors = await process.communicate()
        assert (process.returncode, output, errors) == (0, b"", b"")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes() == body


async def test_curl_refuses_a_certificate_that_it_does_not_trust(contexts, tmp_path):
    async with serving(answer_http, contexts[0]) as port:
        async with running("curl", "--silent", "--show-error", "--noproxy", "*", f"https://127.0.0.1:{port}/") as process:
            _, errors = await process.communicate()
        assert process.returncode == 60 and b"certificate" in errors


@pytest.mark.parametrize("version", VERSIONS)
async def test_openssl_as_a_client_gets_its_lines_back(contexts, certificate, version):
    async def echo(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()

    lines = b"".join(b"line %d\n" % number for number in range(10_000))
    async with serving(echo, contexts[0]) as port:
        command = ["openssl", "s_client", "-quiet", "-verify_return_error", "-CAfile", certificate.certificate_path]
        command += ["-connect", f"127.0.0.1:{port}", "-servername", "localhost", f"-tls{version.replace('.', '_')}"]
        async with running(*command) as process:

            async def write():
                for start in range(0, len(lines), 1000):
                    process.stdin.write(lines[start : start + 1000])
                    await process.stdin.drain()

            _, received = await asyncio.gather(write(), process.stdout.readexactly(len(lines)))
            assert received == lines
            process.kill()
            await process.wait()


@pytest.mark.parametrize("version", VERSIONS)
async def test_openssl_as_a_server_reverses_lines(contexts, certificate, version, monkeypatch):
    command = ["openssl", "s_server", "-rev", "-accept", "127.0.0.1:0", f"-tls{version.replace('.', '_')}"]
    command += ["-cert", certificate.certificate_path, "-key", certificate.key_path]
    async with running(*command) as process:
        # It says "ACCEPT 127.0.0.1:12345".
        line = await process.stdout.readline()
        while not line.startswith(b"ACCEPT"):
            assert line
            line = await process.stdout.readline()
        port = int(line.rsplit(b":", 1)[1])
        for _ in range(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=contexts[1], server_hostname="localhost")
            for number in range(100):
                writer.write(b"%d backwards\n" % number)
                assert await reader.readline() == (b"%d backwards" % number)[::-1] + b"\n"
            writer.close()
            await writer.wait_closed()


# Libraries


async def test_aiohttp_sends_bodies_both_ways(contexts):
    aiohttp = pytest.importorskip("aiohttp", reason="aiohttp is not installed (pip install aiohttp)")
    web = pytest.importorskip("aiohttp.web")

    async def echo(request):
        return web.Response(body=await request.read())

    application = web.Application(client_max_size=1 << 30)
    application.router.add_post("/", echo)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=contexts[0]).start()
    base = f"https://127.0.0.1:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession(base, connector=aiohttp.TCPConnector(ssl=contexts[1])) as session:

        async def post(size):
            body = random.Random(size).randbytes(size)
            async with session.post("/", data=io.BytesIO(body)) as response:
                assert await response.read() == body

        for size in (0, 1, 16_383, 16_384, 16_385, LARGE_BYTES):
            await post(size)
        await asyncio.gather(*map(post, range(1, 200_000, 10_000)))
    await runner.cleanup()


@pytest.mark.usefixtures("needs_localhost")
async def test_httpx_sends_bodies_both_ways(serve_asgi, certificate):
    httpx = pytest.importorskip("httpx", reason="httpx is not installed (pip install httpx)")
    pytest.importorskip("anyio", reason="anyio is not installed (pip install anyio)")

    async def echo(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        is_more = True
        while is_more:
            event = await receive()
            is_more = event["more_body"]
            await send({"type": "http.response.body", "body": event["body"], "more_body": is_more})

    configuration = {"ssl_certfile": certificate.certificate_path, "ssl_keyfile": certificate.key_path}
    async with serve_asgi(echo, http="h11", **configuration) as (_, port):
        async with httpx.AsyncClient(trust_env=False, timeout=None, verify=certificate.client_context()) as session:
            for size in (0, 1, 16_384, 65_537, LARGE_BYTES):
                body = random.Random(size).randbytes(size)
                assert (await session.post(f"https://localhost:{port}/", content=body)).content == body


# Servers


@pytest.fixture
def postgresql_url(postgresql):
    """The URL of the server, whose certificate and name are verified."""

    def url(mode="verify-full", root=None):
        options = urllib.parse.urlencode({"sslmode": mode, "sslrootcert": root or postgresql.certificate.certificate_path})
        password = urllib.parse.quote(postgresql.password)
        return f"postgresql://{postgresql.user}:{password}@127.0.0.1:{postgresql.port}/postgres?{options}"

    return url


async def test_asyncpg_verifies_the_server(postgresql_url):
    asyncpg = pytest.importorskip("asyncpg", reason="asyncpg is not installed (pip install asyncpg)")
    connection = await asyncpg.connect(postgresql_url())
    assert await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    for size in (0, 1, 16_384, LARGE_BYTES):
        body = random.Random(size).randbytes(size)
        assert await connection.fetchval("SELECT $1::bytea", body) == body
    rows = await connection.fetch("SELECT n, repeat('x', n % 100) FROM generate_series(1, 20000) AS n")
    assert [tuple(row) for row in rows] == [(n, "x" * (n % 100)) for n in range(1, 20_001)]
    await connection.close()


async def test_asyncpg_refuses_a_server_that_it_does_not_trust(postgresql_url, tmp_path_factory):
    asyncpg = pytest.importorskip("asyncpg", reason="asyncpg is not installed (pip install asyncpg)")
    from actors.tls import make_certificate

    other = make_certificate(tmp_path_factory.mktemp("other"))
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncpg.connect(postgresql_url(root=other.certificate_path))


async def test_redis_keeps_values(redis_tls_server, certificate):
    redis_asyncio = pytest.importorskip("redis.asyncio", reason="redis-py is not installed (pip install redis)")
    options = {"ssl": True, "ssl_ca_certs": str(certificate.certificate_path), "socket_timeout": None}
    async with redis_asyncio.Redis(host="127.0.0.1", port=redis_tls_server.port, **options) as client:
        values = {f"key {size}": random.Random(size).randbytes(size) for size in (0, 1, 16_383, 16_385, 65_537, LARGE_BYTES)}
        for key, value in values.items():
            assert await client.set(key, value)
        assert await client.mget(list(values)) == list(values.values())
        pipeline = client.pipeline()
        for number in range(1000):
            pipeline.rpush("list", number)
        await pipeline.execute()
        assert await client.lrange("list", 0, -1) == [b"%d" % number for number in range(1000)]
        await client.flushall()
