"""uvicorn as the HTTP server, with each of its two parsers, h11 and httptools: what it answers, byte for byte, to a client of streams.

Its connections are asyncio protocols that pause reading while the application takes nothing and make the application wait
while the client takes nothing; each request is a task of its own; timers close idle connections; SIGTERM stops the server
after the requests that it serves.
"""

import asyncio
import contextlib
import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading

import pytest

from actors.kernel import until_still

pytest.importorskip("uvicorn", reason="uvicorn is not installed (pip install uvicorn)")

pytestmark = pytest.mark.usefixtures("loop")

LARGE_BYTES = 5 << 20


@pytest.fixture(params=["h11", "httptools"])
def parser(request):
    pytest.importorskip(request.param, reason=f"{request.param} is not installed (pip install {request.param})")
    return request.param


async def read_body(receive):
    pieces, is_more = [], True
    while is_more:
        event = await receive()
        assert event["type"] == "http.request"
        pieces.append(event["body"])
        is_more = event["more_body"]
    return b"".join(pieces)


async def answer(send, body, headers=()):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body)), *headers]})
    await send({"type": "http.response.body", "body": body})


async def echo(scope, receive, send):
    await answer(send, await read_body(receive), [(b"x-path", scope["path"].encode())])


def expected_answer(body, path):
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nx-path: %s\r\n\r\n%s" % (len(body), path, body)


def request_with(body, path, headers=b""):
    return b"POST %s HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n%s\r\n%s" % (path, len(body), headers, body)


@contextlib.asynccontextmanager
async def connection_to(port, **arguments):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **arguments)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def read_head(reader):
    """Read the status line and the headers of a response."""
    lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    headers = dict(line.split(b": ", 1) for line in lines[1:-2])
    return lines[0], {name.lower(): value for name, value in headers.items()}


async def read_chunk(reader):
    size = int(await reader.readline(), 16)
    chunk = await reader.readexactly(size + 2)
    assert chunk.endswith(b"\r\n")
    return chunk[:-2]


async def read_chunked(reader):
    chunks = []
    while chunk := await read_chunk(reader):
        chunks.append(chunk)
    return b"".join(chunks)


# Requests and responses


async def test_one_connection_serves_many_requests_byte_for_byte(parser, serve_asgi):
    async with serve_asgi(echo, http=parser) as (_, port), connection_to(port) as (reader, writer):
        for number in range(200):
            body, path = random.Random(number).randbytes(number * 50), b"/%d" % number
            writer.write(request_with(body, path))
            expected = expected_answer(body, path)
            assert await reader.readexactly(len(expected)) == expected


async def test_requests_sent_without_waiting_are_answered_in_their_order(parser, serve_asgi):
    async with serve_asgi(echo, http=parser) as (_, port), connection_to(port) as (reader, writer):
        bodies = [b"body %d" % number * (number % 40) for number in range(300)]
        writer.writelines(request_with(body, b"/%d" % number) for number, body in enumerate(bodies))
        expected = b"".join(expected_answer(body, b"/%d" % number) for number, body in enumerate(bodies))
        assert await reader.readexactly(len(expected)) == expected


@pytest.mark.parametrize("answers_before", [0, 50])
async def test_streamed_chunk_arrives_before_the_application_holds_the_thread_again(parser, serve_asgi, answers_before):
    chunks = [b"token %d " % number for number in range(5)]
    has_arrived = [threading.Event() for _ in chunks]
    on_time = []

    async def application(scope, receive, send):
        if scope["path"] != "/stream":
            return await echo(scope, receive, send)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for chunk, event in zip(chunks, has_arrived, strict=True):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            # As an application that computes here: nothing else runs on the loop's thread until the client has the chunk.
            on_time.append(event.wait(10))
        await send({"type": "http.response.body", "body": b""})

    def ask(port):
        with socket.create_connection(("127.0.0.1", port)) as client:
            # Answers of headers and body, so that the connection has the habit of them.
            for _ in range(answers_before):
                client.sendall(request_with(b"body", b"/"))
                expected = expected_answer(b"body", b"/")
                received = b""
                while len(received) < len(expected):
                    received += client.recv(len(expected) - len(received))
            client.sendall(request_with(b"", b"/stream"))
            received = b""
            for chunk, event in zip(chunks, has_arrived, strict=True):
                while chunk not in received:
                    received += client.recv(65536)
                event.set()

    async with serve_asgi(application, http=parser) as (_, port):
        for connection in range(3):
            del on_time[:]
            for event in has_arrived:
                event.clear()
            thread = threading.Thread(target=ask, args=(port,))
            thread.start()
            while thread.is_alive():
                await asyncio.sleep(0.001)
            assert on_time == [True] * len(chunks), f"connection {connection}"


async def test_connection_is_closed_after_the_answer_when_the_client_asks_for_that(parser, serve_asgi):
    async with serve_asgi(echo, http=parser) as (_, port), connection_to(port) as (reader, writer):
        writer.write(request_with(b"last", b"/", b"Connection: close\r\n"))
        response = await reader.read()
        assert response.endswith(b"\r\n\r\nlast")


async def test_connection_without_requests_is_closed_after_the_keep_alive_time(parser, serve_asgi):
    async with serve_asgi(echo, http=parser, timeout_keep_alive=0.05) as (_, port), connection_to(port) as (reader, writer):
        writer.write(request_with(b"only", b"/"))
        assert await reader.read() == expected_answer(b"only", b"/")


# Streams and large bodies


async def test_pieces_of_a_streamed_response_arrive_as_they_are_sent(parser, serve_asgi):
    is_received = asyncio.Event()

    async def stream(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(50):
            await send({"type": "http.response.body", "body": b"piece %d" % number, "more_body": True})
            # The next piece is sent when the client has this one.
            await is_received.wait()
            is_received.clear()
        await send({"type": "http.response.body"})

    async with serve_asgi(stream, http=parser) as (_, port), connection_to(port) as (reader, writer):
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            status, headers = await read_head(reader)
            assert (status, headers[b"transfer-encoding"]) == (b"HTTP/1.1 200 OK", b"chunked")
            for number in range(50):
                assert await read_chunk(reader) == b"piece %d" % number
                is_received.set()
            assert await read_chunk(reader) == b""


@pytest.mark.parametrize("way", ["TCP", "TLS"])
async def test_large_body_comes_back_byte_for_byte(parser, serve_asgi, request, way):
    body = random.Random(1).randbytes(LARGE_BYTES)
    configuration, client = {}, {}
    if way == "TLS":
        certificate = request.getfixturevalue("certificate")
        configuration = {"ssl_certfile": certificate.certificate_path, "ssl_keyfile": certificate.key_path}
        client = {"ssl": certificate.client_context()}
    async with serve_asgi(echo, http=parser, **configuration) as (_, port), connection_to(port, **client) as (reader, writer):
        for _ in range(2):
            writer.write(request_with(body, b"/large"))
            expected = expected_answer(body, b"/large")
            assert await reader.readexactly(len(expected)) == expected


async def test_chunked_bodies_are_streamed_in_both_directions_at_once(parser, serve_asgi):
    async def stream_back(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        is_more = True
        while is_more:
            event = await receive()
            is_more = event["more_body"]
            await send({"type": "http.response.body", "body": event["body"], "more_body": is_more})

    sent_digest = hashlib.sha256()

    async def send_chunks(writer):
        source = random.Random(2)
        writer.write(b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(100):
            chunk = source.randbytes(source.randrange(1, 100_000))
            sent_digest.update(chunk)
            writer.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    async with serve_asgi(stream_back, http=parser) as (_, port), connection_to(port) as (reader, writer):
        sending = asyncio.create_task(send_chunks(writer))
        await read_head(reader)
        received = await read_chunked(reader)
        await sending
        assert hashlib.sha256(received).digest() == sent_digest.digest()


async def test_application_waits_while_the_client_takes_nothing(parser, serve_asgi):
    sent, total = 0, 64

    async def stream(scope, receive, send):
        nonlocal sent
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % (total << 20))]})
        for number in range(total):
            await send({"type": "http.response.body", "body": b"x" * (1 << 20), "more_body": number < total - 1})
            sent += 1

    async with serve_asgi(stream, http=parser) as (_, port), connection_to(port) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        await read_head(reader)
        await until_still(lambda: sent)
        assert sent < total
        assert len(await reader.readexactly(total << 20)) == total << 20
        assert sent == total


async def test_client_waits_while_the_application_takes_nothing(parser, serve_asgi):
    is_reading = asyncio.Event()

    async def take_later(scope, receive, send):
        await is_reading.wait()
        await answer(send, b"%d" % len(await read_body(receive)))

    async with serve_asgi(take_later, http=parser) as (_, port), connection_to(port) as (reader, writer):
        writer.write(request_with(b"x" * (32 << 20), b"/"))
        draining = asyncio.create_task(writer.drain())
        for _ in range(500):
            await asyncio.sleep(0)
        assert not draining.done()
        is_reading.set()
        await draining
        await read_head(reader)
        assert await reader.readexactly(8) == b"33554432"


# Disconnection and shutdown


async def test_application_learns_that_the_client_is_gone(parser, serve_asgi):
    learned = asyncio.get_running_loop().create_future()

    async def wait_for_the_end(scope, receive, send):
        await read_body(receive)
        learned.set_result(await receive())

    async with serve_asgi(wait_for_the_end, http=parser) as (_, port):
        async with connection_to(port) as (_, writer):
            writer.write(request_with(b"and gone", b"/"))
            await writer.drain()
        assert await learned == {"type": "http.disconnect"}


async def test_sigterm_lets_the_request_that_is_served_end_and_then_stops_the_server(parser, serve_asgi):
    events, is_started, may_end = [], asyncio.Event(), asyncio.Event()

    async def application(scope, receive, send):
        if scope["type"] == "lifespan":
            for _ in range(2):
                events.append((await receive())["type"])
                await send({"type": f"{events[-1]}.complete"})
            return
        is_started.set()
        await may_end.wait()
        await answer(send, b"finished")

    signals = []
    former = signal.signal(signal.SIGTERM, lambda number, frame: signals.append(number))
    try:
        async with serve_asgi(application, http=parser, lifespan="on") as (server, port):
            async with connection_to(port) as (reader, writer), connection_to(port) as (idle_reader, idle_writer):
                writer.write(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
                await is_started.wait()
                os.kill(os.getpid(), signal.SIGTERM)
                # The idle connection is closed at once, the other after its answer.
                assert await idle_reader.read() == b""
                may_end.set()
                assert (await reader.read()).endswith(b"finished")
    finally:
        signal.signal(signal.SIGTERM, former)
    assert events == ["lifespan.startup", "lifespan.shutdown"]
    # uvicorn raises it again for others that wait for it.
    assert signals == [signal.SIGTERM]


APPLICATION_THAT_NAMES_ITS_LOOP = """
import asyncio

async def application(scope, receive, send):
    kind = type(asyncio.get_running_loop())
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": f"{kind.__module__}.{kind.__qualname__}".encode()})
"""


async def test_command_line_serves_on_the_loop_that_it_names(parser, implementation, tmp_path):
    async def loop_that_serves():
        reader, writer = await asyncio.open_unix_connection(tmp_path / "socket")
        writer.write(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        await read_head(reader)
        body = await read_chunked(reader)
        writer.close()
        await writer.wait_closed()
        return body.decode()

    (tmp_path / "application.py").write_text(APPLICATION_THAT_NAMES_ITS_LOOP)
    loop_name = "asyncio" if implementation.name == "asyncio" else "fastloop:new_event_loop"
    command = [sys.executable, "-m", "uvicorn", "application:application", "--app-dir", tmp_path, "--uds", "socket"]
    command += ["--loop", loop_name, "--http", parser, "--lifespan", "off", "--no-access-log"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE) as process:
        try:
            while b"Uvicorn running on" not in (line := process.stderr.readline()):
                assert line, "uvicorn ended before it served"
            kind = implementation.EventLoop
            assert await loop_that_serves() == f"{kind.__module__}.{kind.__qualname__}"
            process.terminate()
            assert b"Finished server process" in process.communicate(timeout=30)[1]
        finally:
            process.kill()


# Concurrency and web sockets


async def test_many_connections_at_once_get_their_own_answers(parser, serve_asgi):
    async def talk(port, number):
        async with connection_to(port) as (reader, writer):
            for turn in range(5):
                body, path = random.Random(number).randbytes(number * 100 + turn), b"/%d/%d" % (number, turn)
                writer.write(request_with(body, path))
                expected = expected_answer(body, path)
                assert await reader.readexactly(len(expected)) == expected

    async with serve_asgi(echo, http=parser) as (_, port):
        await asyncio.gather(*[talk(port, number) for number in range(100)])


async def test_connection_upgraded_to_a_web_socket_carries_messages_both_ways(parser, serve_asgi):
    websockets_client = pytest.importorskip("websockets.asyncio.client", reason="websockets is not installed (pip install websockets)")

    async def echo_messages(scope, receive, send):
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept", "subprotocol": scope["subprotocols"][0]})
        while (event := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "bytes": event.get("bytes"), "text": event.get("text")})
        closed.set_result((event["code"], event["reason"]))

    closed = asyncio.get_running_loop().create_future()
    async with serve_asgi(echo_messages, http=parser, ws="websockets-sansio") as (_, port):
        url = f"ws://127.0.0.1:{port}/"
        async with websockets_client.connect(url, proxy=None, subprotocols=["echo"], max_size=None) as connection:
            assert connection.subprotocol == "echo"
            messages = ["text ä", b"\0\xff", random.Random(3).randbytes(100_000), *map(str, range(200))]
            for message in messages:
                await connection.send(message)
                assert await connection.recv() == message
            await connection.close(4002, "done")
        assert await closed == (4002, "done")
