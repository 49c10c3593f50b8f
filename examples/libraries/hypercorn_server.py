# /// script
# dependencies = ["hypercorn"]
# ///
"""serve(), in a program of your own"""

import asyncio

from checks import application, check_server, free_port
from hypercorn.asyncio import serve
from hypercorn.config import Config

import fastloop


async def main():
    port = free_port()
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    stop = asyncio.Event()
    server = asyncio.create_task(serve(application, config, shutdown_trigger=stop.wait))
    await asyncio.to_thread(check_server, port)
    stop.set()
    await server


fastloop.run(main())
