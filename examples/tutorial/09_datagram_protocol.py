"""Two UDP endpoints: datagrams have an address, and no connection."""

import fastloop as asyncio


class Responder(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        print(f"responder: {data.decode()!r}")
        self.transport.sendto(data[::-1], address)


class Asker(asyncio.DatagramProtocol):
    def __init__(self, answer):
        self.answer = answer

    def datagram_received(self, data, address):
        print(f"asker: {data.decode()!r}")
        self.answer.set_result(data)

    def connection_lost(self, error):
        print(f"asker: closed, error: {error}")


async def main():
    loop = asyncio.get_running_loop()
    responder, _ = await loop.create_datagram_endpoint(Responder, local_addr=("127.0.0.1", 0))
    address = responder.get_extra_info("sockname")
    answer = loop.create_future()
    asker, _ = await loop.create_datagram_endpoint(lambda: Asker(answer), remote_addr=address)
    asker.sendto(b"stressed")
    print(f"main: {(await answer).decode()!r}")
    asker.close()
    responder.close()
    await asyncio.sleep(0)


loop = asyncio.new_event_loop()
loop.run_until_complete(main())
loop.close()
