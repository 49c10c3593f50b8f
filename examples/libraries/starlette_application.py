# /// script
# dependencies = ["starlette", "uvicorn>=0.36", "websockets"]
# ///
"""HTTP and a WebSocket, served by uvicorn in a program of your own"""

import asyncio

import uvicorn
import websockets
from checks import check_server, free_port, name_of_the_loop
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute

import fastloop


async def answer(request):
    return PlainTextResponse(name_of_the_loop())


async def echo(socket):
    await socket.accept()
    await socket.send_text(await socket.receive_text())
    await socket.close()


async def main():
    port = free_port()
    app = Starlette(routes=[Route("/", answer), WebSocketRoute("/echo", echo)])
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    serving = asyncio.create_task(server.serve())
    await asyncio.to_thread(check_server, port)
    async with websockets.connect(f"ws://127.0.0.1:{port}/echo") as socket:
        await socket.send("hello")
        assert await socket.recv() == "hello"
    server.should_exit = True
    await serving


fastloop.run(main())
