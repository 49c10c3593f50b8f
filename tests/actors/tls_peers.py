"""Far ends of TLS connections: Python's ssl.SSLObject over a Peer, so that a test decides which bytes travel when."""

from actors.peers import Peer

CHUNK_BYTES = 16384


class TlsPeer(Peer):
    """A Peer that speaks TLS; what begins with raw_ goes past it."""

    def __init__(self, loop, sock, context, **options):
        import ssl

        super().__init__(loop, sock)
        self._want_read, self._is_over = ssl.SSLWantReadError, ssl.SSLZeroReturnError
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.ssl_object = context.wrap_bio(self.incoming, self.outgoing, **options)
        # Of ciphertext.
        self.received_bytes = 0

    raw_receive_some = Peer.receive_some

    async def raw_send(self, data):
        await super().send(data)

    async def flush(self):
        if self.outgoing.pending:
            await self.raw_send(self.outgoing.read())

    async def feed(self):
        """Take in what arrives next."""
        if data := await self.raw_receive_some():
            self.received_bytes += len(data)
            self.incoming.write(data)
        else:
            self.incoming.write_eof()

    async def complete(self, operation, *args):
        """Repeat an operation of the SSLObject until it needs no more from the other end."""
        while True:
            try:
                result = operation(*args)
            except self._want_read:
                await self.flush()
                await self.feed()
            else:
                await self.flush()
                return result

    async def handshake(self):
        await self.complete(self.ssl_object.do_handshake)
        return self

    async def receive_some(self, size=CHUNK_BYTES):
        """Return what was sent, at most size bytes, or nothing after the end."""
        try:
            return await self.complete(self.ssl_object.read, size)
        except self._is_over:
            # This end has sent its close_notify, too.
            return b""

    async def receive_all(self):
        """Return what arrives until close_notify; anything else raises."""
        received = bytearray()
        while data := await self.receive_some():
            received += data
        return bytes(received)

    def encrypt(self, data):
        """Return the records of the data."""
        view = memoryview(data)
        while view:
            view = view[self.ssl_object.write(view) :]
        return self.outgoing.read()

    async def send(self, data):
        view = memoryview(data)
        while view:
            await self.raw_send(self.encrypt(view[:CHUNK_BYTES]))
            view = view[CHUNK_BYTES:]

    def close_notify(self):
        """Return the record that ends what this end sends."""
        try:
            self.ssl_object.unwrap()
        except self._want_read:
            pass
        return self.outgoing.read()

    async def send_close_notify(self):
        await self.raw_send(self.close_notify())

    async def unwrap(self):
        """Exchange close_notify with the other end."""
        await self.complete(self.ssl_object.unwrap)
