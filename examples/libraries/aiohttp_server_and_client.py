# /// script
# dependencies = ["aiohttp"]
# ///
"""a server, and a client that talks to it over HTTP and a WebSocket"""

from aiohttp import ClientSession, web
from checks import check_loop, name_of_the_loop

import fastloop


async def answer(request):
    return web.Response(text=name_of_the_loop())


async def echo(request):
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data)
    return socket


async def main():
    check_loop()
    app = web.Application()
    app.add_routes([web.get("/", answer), web.get("/echo", echo)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0]
    async with ClientSession(f"http://{host}:{port}") as session:
        async with session.get("/") as response:
            assert await response.text() == "fastloop"
        async with session.ws_connect("/echo") as socket:
            await socket.send_str("hello")
            assert (await socket.receive_str()) == "hello"
    await runner.cleanup()


fastloop.run(main())
