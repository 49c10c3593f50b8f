"""A TCP server and a client, written as protocols: the loop calls them when something happens."""

import fastloop as asyncio


class ShoutingServer(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        print(f"server: received {data.decode()!r}")
        self.transport.write(data.upper())
        self.transport.close()


class Client(asyncio.Protocol):
    def __init__(self, message, finished):
        self.message = message
        self.finished = finished

    def connection_made(self, transport):
        print(f"client: sending {self.message!r}")
        transport.write(self.message.encode())

    def data_received(self, data):
        print(f"client: received {data.decode()!r}")

    def connection_lost(self, error):
        print(f"client: connection closed, error: {error}")
        self.finished.set_result(None)


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(ShoutingServer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    finished = loop.create_future()
    await loop.create_connection(lambda: Client("hello", finished), host, port)
    await finished
    server.close()
    await server.wait_closed()


loop = asyncio.new_event_loop()
loop.run_until_complete(main())
loop.close()
