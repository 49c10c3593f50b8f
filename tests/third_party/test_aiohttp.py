"""aiohttp's client and server on one loop: over TCP, over TLS and through a Unix socket.

Its connections are asyncio protocols that use the transport's write buffer size, its extra information and its socket options. It
sends files with loop.sendfile(), and connects to names with loop.getaddrinfo() and loop.sock_connect(). Its parsers are in C and
Python. The byte counts here are above every buffer in between.
"""

import asyncio
import contextlib
import hashlib
import io
import random

import pytest

from actors.coroutines import cancel
from actors.kernel import until, until_still

aiohttp = pytest.importorskip("aiohttp", reason="aiohttp is not installed (pip install aiohttp)")
web = pytest.importorskip("aiohttp.web")

pytestmark = pytest.mark.usefixtures("loop")

LARGE_BYTES = 5 << 20


@pytest.fixture(params=["TCP", "TLS", "Unix socket"])
def way(request):
    return request.param


@pytest.fixture
def connected(request, tmp_path):
    """A function that serves handlers in one way and gives a client session for them: an asynchronous context manager."""

    @contextlib.asynccontextmanager
    async def connected(way, handlers, limit=100, **runner_arguments):
        application = web.Application(client_max_size=1 << 30)
        for path, handler in handlers.items():
            application.router.add_route("*", path, handler)
        runner = web.AppRunner(application, access_log=None, **runner_arguments)
        await runner.setup()
        certificate = request.getfixturevalue("certificate") if way == "TLS" else None
        if way == "Unix socket":
            path = str(tmp_path / "socket")
            await web.UnixSite(runner, path).start()
            base, connector = "http://localhost", aiohttp.UnixConnector(path, limit=limit)
        else:
            tls = certificate.server_context() if certificate else None
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
            client_tls = certificate.client_context() if certificate else True
            base = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
            connector = aiohttp.TCPConnector(limit=limit, ssl=client_tls)
        try:
            async with aiohttp.ClientSession(base, connector=connector) as session:
                yield session, runner
        finally:
            await runner.cleanup()

    return connected


async def echo(request):
    return web.Response(body=await request.read(), headers={"X-Method": request.method})


# Requests and responses


async def test_body_of_every_size_comes_back_byte_for_byte(way, connected):
    async with connected(way, {"/": echo}) as (session, _):
        for size_bytes in (0, 1, 1000, 65535, 65536, 65537, LARGE_BYTES):
            body = random.Random(size_bytes).randbytes(size_bytes)
            async with session.post("/", data=io.BytesIO(body)) as response:
                assert (response.status, response.headers["X-Method"]) == (200, "POST")
                assert await response.read() == body


async def test_one_connection_serves_many_requests(way, connected):
    transports = set()

    async def handler(request):
        transports.add(request.transport)
        return web.json_response({"number": int(request.query["number"])})

    async with connected(way, {"/": handler}) as (session, _):
        for number in range(200):
            async with session.get("/", params={"number": number}) as response:
                assert await response.json() == {"number": number}
    assert len(transports) == 1


async def test_response_that_is_streamed_arrives_piece_by_piece(way, connected):
    is_received = asyncio.Event()

    async def handler(request):
        response = web.StreamResponse()
        await response.prepare(request)
        for number in range(50):
            await response.write(f"piece {number}\n".encode())
            # The next piece is written when the client has this one.
            await is_received.wait()
            is_received.clear()
        return response

    async with connected(way, {"/": handler}) as (session, _), session.get("/") as response:
        received = []
        async for line in response.content:
            received.append(line)
            is_received.set()
        assert received == [f"piece {number}\n".encode() for number in range(50)]


async def test_large_bodies_are_streamed_in_both_directions_at_once(way, connected):
    async def handler(request):
        response = web.StreamResponse()
        await response.prepare(request)
        async for piece in request.content.iter_any():
            await response.write(piece)
        return response

    sent_digest, received_digest = hashlib.sha256(), hashlib.sha256()

    async def pieces():
        source = random.Random(1)
        for _ in range(100):
            piece = source.randbytes(source.randrange(200_000))
            sent_digest.update(piece)
            yield piece

    async with connected(way, {"/": handler}) as (session, _), session.post("/", data=pieces()) as response:
        async for piece in response.content.iter_any():
            received_digest.update(piece)
    assert received_digest.digest() == sent_digest.digest()


async def test_writing_waits_while_the_client_takes_nothing(way, connected):
    written, total = 0, 64

    async def handler(request):
        nonlocal written
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(total):
            await response.write(b"x" * (1 << 20))
            written += 1
        return response

    async with connected(way, {"/": handler}) as (session, _), session.get("/") as response:
        await until_still(lambda: written)
        assert written < total
        received = [len(piece) async for piece in response.content.iter_any()]
    assert (sum(received), written) == (total << 20, total)


async def test_file_is_sent_byte_for_byte_and_in_ranges(way, connected, tmp_path):
    content = random.Random(2).randbytes(LARGE_BYTES)
    (tmp_path / "file").write_bytes(content)

    async def handler(request):
        return web.FileResponse(tmp_path / "file")

    async with connected(way, {"/": handler}) as (session, _):
        for _ in range(2):
            async with session.get("/") as response:
                assert await response.read() == content
            async with session.get("/", headers={"Range": "bytes=1000-2000000"}) as response:
                assert response.status == 206
                assert await response.read() == content[1000:2000001]


async def test_form_with_a_file_arrives_with_every_part(way, connected):
    content = random.Random(3).randbytes(1 << 20)

    async def handler(request):
        fields = await request.post()
        uploaded = fields["upload"]
        with uploaded.file:
            assert uploaded.file.read() == content
        return web.json_response([fields["name"], uploaded.filename, uploaded.content_type])

    async with connected(way, {"/": handler}) as (session, _):
        form = aiohttp.FormData({"name": "välue"})
        form.add_field("upload", content, filename="f.bin", content_type="application/x-test")
        async with session.post("/", data=form) as response:
            assert await response.json() == ["välue", "f.bin", "application/x-test"]


async def test_body_is_sent_when_the_server_says_continue(way, connected):
    async with connected(way, {"/": echo}) as (session, _):
        async with session.put("/", data=b"x" * 300_000, expect100=True) as response:
            assert await response.read() == b"x" * 300_000


async def test_handler_that_fails_answers_500_and_the_server_goes_on(way, connected):
    async def handler(request):
        raise LookupError("not there")

    async with connected(way, {"/": handler, "/echo": echo}) as (session, _):
        async with session.get("/") as response:
            assert response.status == 500
        async with session.post("/echo", data=b"after") as response:
            assert await response.read() == b"after"


@pytest.mark.usefixtures("needs_localhost")
async def test_name_is_resolved_and_connected_to(connected):
    async with connected("TCP", {"/": echo}) as (_, runner):
        async with aiohttp.ClientSession() as session:
            async with session.post(f"http://localhost:{runner.addresses[0][1]}/", data=b"by name") as response:
                assert await response.read() == b"by name"


async def test_certificate_that_is_not_trusted_is_refused(connected):
    ssl = pytest.importorskip("ssl", reason="this Python has no TLS")
    async with connected("TLS", {"/": echo}) as (session, runner):
        async with aiohttp.ClientSession() as strict:
            with pytest.raises(aiohttp.ClientConnectorCertificateError) as caught:
                await strict.get(f"https://127.0.0.1:{runner.addresses[0][1]}/")
            assert isinstance(caught.value.certificate_error, ssl.SSLCertVerificationError)
        async with session.post("/", data=b"trusted") as response:
            assert await response.read() == b"trusted"


# Concurrency and cancellation


async def test_many_requests_at_once_get_their_own_answers(way, connected):
    async with connected(way, {"/": echo}, limit=50) as (session, _):

        async def talk(number):
            body = random.Random(number).randbytes(number * 100)
            async with session.post("/", data=body) as response:
                return await response.read() == body

        assert all(await asyncio.gather(*map(talk, range(400))))


async def test_cancelled_request_cancels_its_handler(way, connected):
    is_started = asyncio.Event()
    handler_ended = asyncio.get_running_loop().create_future()

    async def handler(request):
        is_started.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            handler_ended.set_result("cancelled")
            raise

    async with connected(way, {"/": handler}, handler_cancellation=True) as (session, _):
        requesting = asyncio.create_task(session.get("/"))
        await is_started.wait()
        await cancel(requesting)
        assert await handler_ended == "cancelled"


async def test_request_past_its_time_limit_is_given_up_and_its_connection_closed(way, connected):
    is_disconnected = asyncio.Event()

    async def handler(request):
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            is_disconnected.set()

    async with connected(way, {"/": handler, "/echo": echo}, handler_cancellation=True) as (session, _):
        with pytest.raises(TimeoutError):
            await session.get("/", timeout=aiohttp.ClientTimeout(total=0.05))
        await is_disconnected.wait()
        async with session.post("/echo", data=b"next") as response:
            assert await response.read() == b"next"


async def test_server_that_is_cleaned_up_finishes_the_request_that_it_serves(way, connected):
    is_started, may_end = asyncio.Event(), asyncio.Event()

    async def handler(request):
        is_started.set()
        await may_end.wait()
        return web.Response(text="finished")

    async with connected(way, {"/": handler}) as (session, runner):
        requesting = asyncio.create_task(session.get("/"))
        await is_started.wait()
        cleaning_up = asyncio.create_task(runner.cleanup())
        await until(lambda: not runner.sites)
        may_end.set()
        async with await requesting as response:
            assert await response.text() == "finished"
        await cleaning_up
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get("/")


# Web sockets


async def test_web_socket_carries_messages_both_ways_and_closes(way, connected):
    closed_with = asyncio.get_running_loop().create_future()

    async def handler(request):
        server_side = web.WebSocketResponse(max_msg_size=0)
        await server_side.prepare(request)
        async for message in server_side:
            if message.type is aiohttp.WSMsgType.BINARY:
                await server_side.send_bytes(message.data)
            else:
                await server_side.send_str(message.data)
        closed_with.set_result(server_side.close_code)
        return server_side

    async with connected(way, {"/": handler}) as (session, _):
        async with session.ws_connect("/", max_msg_size=0, compress=15) as connection:
            for size_bytes in (0, 125, 126, 65536, LARGE_BYTES):
                data = random.Random(size_bytes).randbytes(size_bytes // 100) * 100
                await connection.send_bytes(data)
                assert await connection.receive_bytes() == data
            for number in range(500):
                await connection.send_str(f"number {number}")
            assert [await connection.receive_str() for _ in range(500)] == [f"number {number}" for number in range(500)]
            await connection.close(code=4001)
        assert await closed_with == 4001
