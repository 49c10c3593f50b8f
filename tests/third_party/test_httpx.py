"""httpx's asynchronous client, which runs on anyio, against uvicorn in the same loop.

httpx opens its connections through anyio's streams and keeps them in a pool; here it talks HTTP/1.1 in clear and over TLS, and
gives requests up in the middle.
"""

import asyncio
import random

import pytest

from actors.coroutines import cancel

httpx = pytest.importorskip("httpx", reason="httpx is not installed (pip install httpx)")
pytest.importorskip("anyio", reason="anyio is not installed (pip install anyio)")
pytest.importorskip("uvicorn", reason="uvicorn is not installed (pip install uvicorn)")

pytestmark = pytest.mark.usefixtures("loop")


async def echo(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-client", b"%d" % scope["client"][1])]})
    is_more = True
    while is_more:
        event = await receive()
        is_more = event["more_body"]
        await send({"type": "http.response.body", "body": event["body"], "more_body": is_more})


def client(**arguments):
    # What the environment says about proxies is not for the loopback interface.
    return httpx.AsyncClient(trust_env=False, timeout=None, **arguments)


async def test_bodies_of_many_requests_come_back_byte_for_byte_on_one_connection(serve_asgi):
    ports = set()
    async with serve_asgi(echo, http="h11") as (_, port), client() as session:
        for size_bytes in (0, 1, 1000, 65536, 65537, 5 << 20):
            body = random.Random(size_bytes).randbytes(size_bytes)
            response = await session.post(f"http://127.0.0.1:{port}/", content=body)
            assert response.content == body
            ports.add(response.headers["x-client"])
    assert len(ports) == 1


@pytest.mark.usefixtures("needs_localhost")
async def test_body_is_streamed_both_ways_over_tls(serve_asgi, certificate):
    pieces = [random.Random(number).randbytes(number * 1000) for number in range(100)]

    async def content():
        for piece in pieces:
            yield piece

    configuration = {"ssl_certfile": certificate.certificate_path, "ssl_keyfile": certificate.key_path}
    async with serve_asgi(echo, http="h11", **configuration) as (_, port):
        async with client(verify=certificate.client_context()) as session:
            async with session.stream("POST", f"https://localhost:{port}/", content=content()) as response:
                assert b"".join([piece async for piece in response.aiter_raw()]) == b"".join(pieces)


async def test_many_requests_share_a_bounded_pool(serve_asgi):
    async with serve_asgi(echo, http="h11") as (_, port):
        async with client(limits=httpx.Limits(max_connections=10)) as session:
            bodies = [random.Random(number).randbytes(number * 100) for number in range(200)]
            responses = await asyncio.gather(*[session.post(f"http://127.0.0.1:{port}/", content=body) for body in bodies])
    assert [response.content for response in responses] == bodies
    assert len({response.headers["x-client"] for response in responses}) <= 10


async def test_request_that_is_cancelled_closes_its_connection_and_the_next_one_is_answered(serve_asgi):
    is_started = asyncio.Event()
    disconnected = asyncio.get_running_loop().create_future()

    async def application(scope, receive, send):
        if scope["path"] == "/echo":
            return await echo(scope, receive, send)
        await receive()
        is_started.set()
        disconnected.set_result(await receive())

    async with serve_asgi(application, http="h11") as (_, port), client() as session:
        requesting = asyncio.create_task(session.get(f"http://127.0.0.1:{port}/silent"))
        await is_started.wait()
        await cancel(requesting)
        assert await disconnected == {"type": "http.disconnect"}
        assert (await session.post(f"http://127.0.0.1:{port}/echo", content=b"next")).content == b"next"


async def test_response_that_does_not_come_in_time_raises_read_timeout(serve_asgi):
    async def application(scope, receive, send):
        while (await receive())["type"] != "http.disconnect":
            pass

    async with serve_asgi(application, http="h11") as (_, port), client() as session:
        with pytest.raises(httpx.ReadTimeout):
            await session.get(f"http://127.0.0.1:{port}/", timeout=0.05)
