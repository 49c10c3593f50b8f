"""Protocols that record their callbacks, in order."""

import asyncio


class Recorder:
    """Records the callbacks; RecordingProtocol(name=function) calls function(protocol, ...) after recording."""

    def __init__(self, **hooks):
        self.hooks = hooks
        self.transport = None
        # Names of the callbacks; data that arrives in several pieces counts once.
        self.calls = []
        self.received = bytearray()
        # The argument of each connection_lost().
        self.lost = []
        self._waiters = []

    def _record(self, name, *args):
        if name not in ("data_received", "buffer_updated") or self.calls[-1:] != [name]:
            self.calls.append(name)
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()
        if name in self.hooks:
            return self.hooks[name](self, *args)

    async def until(self, condition):
        """Wait until condition(), which is checked after each callback."""
        while not condition():
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    async def until_connected(self):
        await self.until(lambda: self.transport is not None)

    async def until_called(self, name):
        await self.until(lambda: name in self.calls)

    async def until_received(self, size):
        await self.until(lambda: len(self.received) >= size or self.lost)
        return bytes(self.received)

    async def until_lost(self):
        """Wait for connection_lost() and for the turn after it, in which the socket is closed; return its argument."""
        await self.until(lambda: self.lost)
        await asyncio.sleep(0)
        return self.lost[0]

    async def close(self):
        """Close the transport and wait until_lost()."""
        self.transport.close()
        return await self.until_lost()

    def connection_made(self, transport):
        self.transport = transport
        return self._record("connection_made", transport)

    def connection_lost(self, error):
        self.lost.append(error)
        return self._record("connection_lost", error)

    def pause_writing(self):
        return self._record("pause_writing")

    def resume_writing(self):
        return self._record("resume_writing")

    def eof_received(self):
        return self._record("eof_received")


class RecordingProtocol(Recorder, asyncio.Protocol):
    """A protocol that records its callbacks."""

    def data_received(self, data):
        assert type(data) is bytes
        self.received += data
        return self._record("data_received", data)


class RecordingBufferedProtocol(Recorder, asyncio.BufferedProtocol):
    """A protocol with its own buffer that records its callbacks."""

    def __init__(self, buffer_size=4096, **hooks):
        super().__init__(**hooks)
        self.buffer = bytearray(buffer_size)

    def get_buffer(self, size_hint):
        assert type(size_hint) is int
        if "get_buffer" in self.hooks:
            return self.hooks["get_buffer"](self, size_hint)
        return memoryview(self.buffer)

    def buffer_updated(self, size):
        self.received += self.buffer[:size]
        return self._record("buffer_updated", size)


class RecordingDatagramProtocol(Recorder, asyncio.DatagramProtocol):
    """A protocol of datagrams that records its callbacks."""

    def __init__(self, **hooks):
        super().__init__(**hooks)
        # (data, address) of each datagram.
        self.datagrams = []
        self.errors = []

    def datagram_received(self, data, address):
        assert type(data) is bytes
        self.datagrams.append((data, address))
        return self._record("datagram_received", data, address)

    def error_received(self, error):
        self.errors.append(error)
        return self._record("error_received", error)

    async def until_datagrams(self, count=1):
        await self.until(lambda: len(self.datagrams) >= count)
        return [data for data, _ in self.datagrams]


class RecordingProtocols(list):
    """The protocols that it made: a factory for servers. The hooks are those of RecordingProtocol."""

    def __init__(self, **hooks):
        super().__init__()
        self._hooks = hooks

    def __call__(self):
        self.append(RecordingProtocol(**self._hooks))
        return self[-1]

    async def until_made(self, count=1):
        while len(self) < count:
            await asyncio.sleep(0)


async def until_all_are_lost(protocols):
    for protocol in protocols:
        await protocol.until_lost()


def echo(protocol, data):
    """A hook for data_received: answer with the same."""
    protocol.transport.write(data)
