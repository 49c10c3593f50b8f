# /// script
# dependencies = ["httpx"]
# ///
"""requests at the same time over one client"""

import asyncio

import httpx
from checks import check_loop

import fastloop


async def serve(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
    await writer.drain()
    writer.close()


async def main():
    check_loop()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, httpx.AsyncClient() as client:
        answers = await asyncio.gather(*(client.get(f"http://127.0.0.1:{port}/") for _ in range(20)))
    assert {answer.text for answer in answers} == {"hello"}


fastloop.run(main())
