"""Peers that send anything but what they should: a clean error each time, reported once, and nothing is left.

The seed is fixed, so that a failure can be repeated; FASTLOOP_TLS_FUZZ=600 makes the random tests run for so many seconds, with
other seeds, and FASTLOOP_TLS_CUT=1000 cuts so many connections.
"""

import asyncio
import contextlib
import gc
import os
import random
import socket
import ssl
import time

import pytest

from actors.authority import with_version
from actors.files import pattern
from actors.kernel import settle
from actors.protocols import RecordingBufferedProtocol, RecordingProtocol, echo
from actors.tls_peers import TlsPeer

ROUNDS = 40
FUZZ_S = float(os.environ.get("FASTLOOP_TLS_FUZZ", 0))
CUT = int(os.environ.get("FASTLOOP_TLS_CUT", 60))
VERSIONS = ["TLSv1.2", "TLSv1.3"]
# By the kind of record.
ALERT, HANDSHAKE, DATA = 21, 22, 23


def seeds():
    """Seeds of the rounds of one test, all in one if its length is given in seconds."""
    yield from range(ROUNDS)
    seed, end = ROUNDS, time.monotonic() + FUZZ_S
    while time.monotonic() < end:
        yield seed
        seed += 1


def record(kind, content, version=0x0303, length=None):
    return bytes([kind, version >> 8, version & 255]) + (len(content) if length is None else length).to_bytes(2, "big") + content


def records_of(data):
    """Divide the bytes of one direction into its records."""
    found = []
    while data:
        size = 5 + int.from_bytes(data[3:5], "big")
        found.append(data[:size])
        data = data[size:]
    return found


# What hostile peers do with the bytes that they should send.


def random_bytes(generator, data):
    return generator.randbytes(generator.randrange(1, 2000))


def corrupted(generator, data):
    changed = bytearray(data)
    for _ in range(generator.randrange(1, 4)):
        changed[generator.randrange(len(changed))] ^= 1 << generator.randrange(8)
    return bytes(changed)


def truncated(generator, data):
    return data[: generator.randrange(len(data))]


def with_bytes_between(generator, data):
    position = generator.randrange(len(data) + 1)
    return data[:position] + generator.randbytes(generator.randrange(1, 30)) + data[position:]


def without_bytes(generator, data):
    position = generator.randrange(len(data))
    return data[:position] + data[position + generator.randrange(1, 30) :]


def oversized(generator, data):
    return record(generator.choice([HANDSHAKE, DATA]), generator.randbytes(20_000), length=generator.choice([20_000, 16_641, 65_535]))


def record_of_no_kind(generator, data):
    return record(generator.choice([0, 19, 24, 99, 255]), generator.randbytes(generator.randrange(100))) + data


def empty_records(generator, data):
    return record(generator.choice([ALERT, HANDSHAKE, DATA]), b"") * generator.randrange(1, 100) + data


def alert(generator, data):
    return record(ALERT, bytes([generator.choice([1, 2, 3]), generator.choice([0, 10, 20, 40, 42, 80, 86, 90, 100, 112, 255])])) + data


def records_twice(generator, data):
    return data + data


def records_in_another_order(generator, data):
    records = records_of(data)
    generator.shuffle(records)
    return b"".join(records)


def handshake_of_another_time(generator, data):
    # HelloRequest, ClientHello, ServerHello, NewSessionTicket, Certificate, Finished, KeyUpdate.
    kind = generator.choice([0, 1, 2, 4, 11, 20, 24])
    content = generator.randbytes(generator.randrange(50))
    return record(HANDSHAKE, bytes([kind]) + len(content).to_bytes(3, "big") + content) + data


def plain_text(generator, data):
    return b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


MUTATIONS = [
    random_bytes,
    corrupted,
    truncated,
    with_bytes_between,
    without_bytes,
    oversized,
    record_of_no_kind,
    empty_records,
    alert,
    records_twice,
    records_in_another_order,
    handshake_of_another_time,
    plain_text,
]


class Attack:
    """One hostile peer against one connection of the loop under test."""

    def __init__(self, loop, contexts, is_server, generator):
        self._loop = loop
        self._contexts = contexts
        self._is_server = is_server
        self._generator = generator
        protocol_class = generator.choice([RecordingProtocol, RecordingBufferedProtocol])
        self.protocol = protocol_class(**({"data_received": echo} if protocol_class is RecordingProtocol else {}))
        self.error = None

    async def _connect(self, sock):
        """Make the connection of the loop under test; keep its error."""
        options = {"ssl_handshake_timeout": 20, "ssl_shutdown_timeout": 1}
        try:
            if self._is_server:
                await self._loop.connect_accepted_socket(lambda: self.protocol, sock, ssl=self._contexts[0], **options)
            else:
                options.update(ssl=self._contexts[1], server_hostname="localhost")
                await self._loop.create_connection(lambda: self.protocol, sock=sock, **options)
        except (ssl.SSLError, ConnectionError) as error:
            self.error = error

    def _peer(self, sock):
        if self._is_server:
            return TlsPeer(self._loop, sock, self._contexts[1], server_hostname="localhost")
        return TlsPeer(self._loop, sock, self._contexts[0], server_side=True)

    async def run(self, behave):
        near, far = socket.socketpair()
        connecting = asyncio.ensure_future(self._connect(near))
        peer = self._peer(far)
        try:
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                await behave(peer, self._generator)
        finally:
            peer.close()
            await connecting
        if self.protocol.transport is not None:
            # Whatever the peer did, it is gone.
            await self.protocol.until_lost()
        await settle()
        self._check(near)
        with contextlib.suppress(AttributeError):
            del self.protocol.transport

    def _check(self, near):
        protocol = self.protocol
        assert near.fileno() == -1
        assert protocol.calls.count("connection_made") == protocol.calls.count("connection_lost") <= 1
        assert protocol.calls.count("eof_received") <= 1
        assert [error for error in protocol.lost if not isinstance(error, (ssl.SSLError, ConnectionError, type(None)))] == []
        # The caller got an error, or a protocol.
        assert (self.error is None) == ("connection_made" in protocol.calls)


def live_ssl_objects():
    gc.collect()
    return sum(type(thing) is ssl.SSLObject for thing in gc.get_objects())


@pytest.fixture(params=["server", "client"])
def attack(request, loop, issued, reported):
    """A coroutine function that lets a peer behave once for each seed; checks that nothing is reported and nothing left."""

    async def attack_with(behave, version=None, rounds=None):
        contexts = [with_version(context, version or "TLSv1.3") for context in (issued.server_context(), issued.client_context())]
        before = live_ssl_objects()
        for seed in seeds() if rounds is None else range(rounds):
            generator = random.Random(seed)
            if version is None:
                for context in contexts:
                    with_version(context, VERSIONS[seed % 2])
            made = Attack(loop, contexts, request.param == "server", generator)
            try:
                await made.run(behave)
            except BaseException as error:
                error.add_note(f"seed {seed}")
                raise
            assert reported == [], f"seed {seed}"
            del made
        assert live_ssl_objects() <= before

    return attack_with


pytestmark = pytest.mark.time_limit(20 + 2 * FUZZ_S)


async def shake_hands_and_spoil(peer, mutate, generator, flight):
    """Shake hands, but send one flight as the mutation makes it."""
    number = 0
    while True:
        try:
            peer.ssl_object.do_handshake()
            is_done = True
        except ssl.SSLWantReadError:
            is_done = False
        if peer.outgoing.pending:
            data = peer.outgoing.read()
            await peer.raw_send(mutate(generator, data) if number == flight else data)
            number += 1
        if is_done:
            return
        if number > flight:
            # The handshake cannot end; the other end must.
            peer.send_end()
            while await peer.raw_receive_some():
                pass
            return
        await peer.feed()


@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda mutate: mutate.__name__)
async def test_spoilt_handshake_ends_the_connection(attack, mutate):
    async def behave(peer, generator):
        await shake_hands_and_spoil(peer, mutate, generator, generator.randrange(2))
        with contextlib.suppress(OSError):
            peer.send_end()

    await attack(behave)


@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda mutate: mutate.__name__)
async def test_spoilt_data_ends_the_connection(attack, mutate):
    async def behave(peer, generator):
        await peer.handshake()
        await peer.send(b"good data")
        data = b"".join(peer.encrypt(generator.randbytes(generator.choice([1, 100, 16_384]))) for _ in range(generator.randrange(1, 5)))
        await peer.raw_send(mutate(generator, data))
        await peer.send(b"more data")
        peer.send_end()
        while await peer.raw_receive_some():
            pass

    await attack(behave)


async def test_spoilt_data_is_never_delivered(tls, version):
    with_version(tls.contexts[1], version)
    good = pattern(50_000)
    for seed in range(ROUNDS):
        generator = random.Random(seed)
        protocol, transport, peer = await tls.accepted()
        records = [peer.encrypt(good[start : start + 1000]) for start in range(0, 50_000, 1000)]
        spoilt = generator.randrange(50)
        # What is encrypted, not the header.
        position = generator.randrange(5, len(records[spoilt]))
        records[spoilt] = bytes(byte ^ (index == position) for index, byte in enumerate(records[spoilt]))
        with contextlib.suppress(ConnectionError):
            await peer.raw_send(b"".join(records))
        error = await protocol.until_lost()
        assert isinstance(error, ssl.SSLError)
        assert good[: spoilt * 1000].startswith(protocol.received)
        peer.close()


async def test_handshake_may_arrive_byte_by_byte(attack, version):
    async def behave(peer, generator):
        while True:
            try:
                peer.ssl_object.do_handshake()
                break
            except ssl.SSLWantReadError:
                for byte in peer.outgoing.read():
                    await peer.raw_send(bytes([byte]))
                    await asyncio.sleep(0)
                await peer.feed()
        for byte in peer.outgoing.read() + peer.encrypt(b"x") + peer.close_notify():
            await peer.raw_send(bytes([byte]))
            await asyncio.sleep(0)
        while await peer.raw_receive_some():
            pass

    await attack(behave, version, rounds=3)


@pytest.mark.parametrize("end", ["close", "reset", "send_end"])
async def test_connection_may_end_at_every_point_of_the_handshake(attack, version, end):
    """After each byte of what the peer says, with steps."""

    async def behave(peer, generator):
        left = limits.pop()
        while True:
            try:
                peer.ssl_object.do_handshake()
                is_done = True
            except ssl.SSLWantReadError:
                is_done = False
            data = peer.outgoing.read()
            await peer.raw_send(data[:left])
            left -= len(data)
            if left <= 0 or is_done:
                break
            await peer.feed()
        await settle()
        getattr(peer, end)()
        if end == "send_end":
            while await peer.raw_receive_some():
                pass

    limits = [1, 2, 4, 5, 6, *range(7, 1200, 41)]
    await attack(behave, version, rounds=len(limits))


async def test_connections_that_are_cut_at_random_moments(tls, loop, reported):
    """Both ends are the loop's; a proxy of plain sockets between them cuts the connection after so many bytes."""
    before = live_ssl_objects()
    servers, clients = [], []

    def made(protocols):
        protocols.append(RecordingProtocol(data_received=echo))
        return protocols[-1]

    async def cut(seed):
        generator = random.Random(seed)
        near, front = socket.socketpair()
        back, far = socket.socketpair()
        left = [generator.choice([generator.randrange(5000), generator.randrange(200_000)])]
        front, back = tls.raw_peer(front), tls.raw_peer(back)

        async def copy(source, target):
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                while left[0] > 0 and (data := await source.receive_some(4096)):
                    await target.send(data[: left[0]])
                    left[0] -= len(data)
            for peer in source, target:
                peer.reset() if generator.random() < 0.5 and peer.sock.fileno() != -1 else peer.close()

        copying = [asyncio.ensure_future(copy(front, back)), asyncio.ensure_future(copy(back, front))]
        serving = asyncio.ensure_future(loop.connect_accepted_socket(lambda: made(servers), far, ssl=tls.contexts[0]))
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            client, _ = await loop.create_connection(lambda: made(clients), sock=near, ssl=tls.contexts[1], server_hostname="localhost")
            client.write(pattern(generator.randrange(1, 100_000)))
        done, pending = await asyncio.wait(copying, return_when=asyncio.FIRST_COMPLETED)
        for copier in pending:
            copier.cancel()
        await asyncio.gather(*copying, serving, return_exceptions=True)

    for start in range(0, CUT, 20):
        await asyncio.gather(*map(cut, range(start, min(start + 20, CUT))))
    for protocol in servers + clients:
        if protocol.transport is not None:
            await protocol.until_lost()
    await settle()
    assert {type(context.get("exception")) for context in reported} == set()
    assert all(protocol.calls.count("connection_lost") == protocol.calls.count("connection_made") for protocol in servers + clients)
    servers.clear(), clients.clear()
    del protocol
    assert live_ssl_objects() <= before
