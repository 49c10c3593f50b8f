# /// script
# dependencies = ["twisted"]
# ///
"""its asyncio reactor on fastloop: a server, a client, a timer"""

import fastloop

from twisted.internet import asyncioreactor  # isort: skip

loop = fastloop.new_event_loop()
asyncioreactor.install(loop)

from twisted.internet import endpoints, protocol, reactor, task  # noqa: E402
from twisted.internet.defer import Deferred, ensureDeferred  # noqa: E402


class Echo(protocol.Protocol):
    def dataReceived(self, data):
        self.transport.write(data)


class Client(protocol.Protocol):
    def __init__(self):
        self.received = Deferred()

    def dataReceived(self, data):
        self.received.callback(data)


async def main():
    assert reactor._asyncioEventloop is loop
    port = await endpoints.TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(protocol.Factory.forProtocol(Echo))
    point = endpoints.TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
    client = await endpoints.connectProtocol(point, Client())
    client.transport.write(b"hello")
    assert await client.received == b"hello"
    await task.deferLater(reactor, 0.01, lambda: None)
    client.transport.loseConnection()
    await port.stopListening()


task.react(lambda reactor: ensureDeferred(main()))
