"""What the servers of the benchmarks do with a connection, once for each of asyncio's interfaces.

Owns: the user code that is measured: plain asyncio, the same for every loop.
Services: echo; answer and large_answer (one answer of two writes to each request); download and upload (bulk under flow control);
echo_lines and echo_exactly (a request is read line by line, or by its size); flood (datagrams).
Interfaces: protocol (Protocol), buffered (BufferedProtocol), streams, own_streams (of the loop's own package, asyncio's if it has
none), sockets (loop.sock_recv, one task a connection), datagrams.
Run by loop_server.py; load_client.c and datagram_client.c are the other side.
"""

import asyncio

READ_SIZE = 64 * 1024
CHUNK = bytes(READ_SIZE)
# Eight bytes, big-endian, begin a bulk transfer: how many follow.
HEAD_SIZE = 8
PATTERN = bytes(range(256))
# What echo_lines and echo_exactly take for a request.
REQUEST_SIZE = 1024
LINES_IN_REQUEST = 100
ANSWERED_DATAGRAMS = 32
HEADERS_SIZE, BODY_SIZE, LARGE_BODY_SIZE = 200, 1024, 65536
_ANSWER = (PATTERN * (LARGE_BODY_SIZE // len(PATTERN) + 1))[: HEADERS_SIZE + LARGE_BODY_SIZE]
HEADERS, BODY, LARGE_BODY = _ANSWER[:HEADERS_SIZE], _ANSWER[HEADERS_SIZE:][:BODY_SIZE], _ANSWER[HEADERS_SIZE:]


class _Protocol(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport


class EchoProtocol(_Protocol):
    """Write back what arrives."""

    def data_received(self, data):
        self.transport.write(data)


class BufferedEchoProtocol(asyncio.BufferedProtocol):
    """Write back what arrives in a buffer that the connection keeps."""

    def connection_made(self, transport):
        self.transport = transport
        self.buffer = memoryview(bytearray(READ_SIZE))

    def get_buffer(self, size_hint):
        return self.buffer

    def buffer_updated(self, count):
        # A copy: a transport may keep what it was given, and the buffer is about to be used again.
        self.transport.write(bytes(self.buffer[:count]))


async def echo_stream(reader, writer):
    while data := await reader.read(READ_SIZE):
        writer.write(data)
        await writer.drain()
    writer.close()


async def echo_lines(reader, writer):
    while line := await reader.readline():
        lines = [line]
        for _ in range(LINES_IN_REQUEST - 1):
            lines.append(await reader.readline())
        writer.write(b"".join(lines))
        await writer.drain()
    writer.close()


async def echo_exactly(reader, writer):
    try:
        while True:
            writer.write(await reader.readexactly(REQUEST_SIZE))
            await writer.drain()
    except asyncio.IncompleteReadError:
        writer.close()


async def echo_socket(loop, connection):
    while data := await loop.sock_recv(connection, READ_SIZE):
        await loop.sock_sendall(connection, data)


class AnswerProtocol(_Protocol):
    """Answer each request, headers and body written separately. A request is short and arrives in one piece."""

    body = BODY

    def data_received(self, data):
        self.transport.write(HEADERS)
        self.transport.write(self.body)


class LargeAnswerProtocol(AnswerProtocol):
    body = LARGE_BODY


async def answer_stream(reader, writer, body=BODY):
    while await reader.read(READ_SIZE):
        writer.write(HEADERS)
        writer.write(body)
        await writer.drain()
    writer.close()


async def large_answer_stream(reader, writer):
    await answer_stream(reader, writer, LARGE_BODY)


class DownloadProtocol(_Protocol):
    """Send as much as was asked for, as fast as the transport takes it."""

    remaining = 0
    is_paused = False

    def data_received(self, data):
        self.remaining = int.from_bytes(data, "big")
        self._send()

    def pause_writing(self):
        self.is_paused = True

    def resume_writing(self):
        self.is_paused = False
        self._send()

    def _send(self):
        while self.remaining and not self.is_paused:
            chunk = CHUNK if self.remaining >= READ_SIZE else CHUNK[: self.remaining]
            # The count comes first: a transport may call back inside write().
            self.remaining -= len(chunk)
            self.transport.write(chunk)


async def download_stream(reader, writer):
    while head := await reader.read(HEAD_SIZE):
        remaining = int.from_bytes(head, "big")
        while remaining:
            chunk = CHUNK if remaining >= READ_SIZE else CHUNK[:remaining]
            writer.write(chunk)
            remaining -= len(chunk)
            await writer.drain()
    writer.close()


class UploadProtocol(_Protocol):
    """Take what was announced and acknowledge it."""

    remaining = 0

    def data_received(self, data):
        if self.remaining:
            self.remaining -= len(data)
        else:
            self.remaining = int.from_bytes(data[:HEAD_SIZE], "big") - len(data[HEAD_SIZE:])
        if self.remaining == 0:
            self.transport.write(b"\n")


async def upload_stream(reader, writer):
    while head := await reader.read(HEAD_SIZE):
        remaining = int.from_bytes(head, "big")
        while remaining:
            remaining -= len(await reader.read(READ_SIZE))
        writer.write(b"\n")
    writer.close()


class EchoDatagrams(asyncio.DatagramProtocol):
    """Send back what arrives."""

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.transport.sendto(data, address)


class CountDatagrams(asyncio.DatagramProtocol):
    """Answer the last of every 32 datagrams, so that the client knows how far it may go."""

    unanswered = 0

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.unanswered += 1
        if self.unanswered == ANSWERED_DATAGRAMS:
            self.unanswered = 0
            self.transport.sendto(b"\n", address)


SERVICES = {
    "echo": {
        "datagrams": EchoDatagrams,
        "protocol": EchoProtocol,
        "buffered": BufferedEchoProtocol,
        "streams": echo_stream,
        "own_streams": echo_stream,
        "sockets": echo_socket,
    },
    "flood": {"datagrams": CountDatagrams},
    "echo_lines": {"streams": echo_lines, "own_streams": echo_lines},
    "echo_exactly": {"streams": echo_exactly, "own_streams": echo_exactly},
    "answer": {"protocol": AnswerProtocol, "streams": answer_stream},
    "large_answer": {"protocol": LargeAnswerProtocol, "streams": large_answer_stream},
    "download": {"protocol": DownloadProtocol, "streams": download_stream, "own_streams": download_stream},
    "upload": {"protocol": UploadProtocol, "streams": upload_stream, "own_streams": upload_stream},
}
