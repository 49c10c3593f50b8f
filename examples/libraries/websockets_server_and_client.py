# /// script
# dependencies = ["websockets"]
# ///
"""a server and a client, large messages, compression"""

import websockets
from checks import check_loop

import fastloop


async def echo(connection):
    async for message in connection:
        await connection.send(message)


async def main():
    check_loop()
    async with websockets.serve(echo, "127.0.0.1", 0, max_size=None) as server:
        port = server.sockets[0].getsockname()[1]
        async with websockets.connect(f"ws://127.0.0.1:{port}", max_size=None) as connection:
            for message in ("hello", b"x" * 5_000_000):
                await connection.send(message)
                assert await connection.recv() == message


fastloop.run(main())
