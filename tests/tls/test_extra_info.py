"""What a TLS transport says about itself and its connection."""

import asyncio
import gc
import socket
import ssl
import warnings
import weakref


async def test_ssl_object_is_pythons_own(connect_in_every_way, tls):
    _, transport, peer = await connect_in_every_way()
    ssl_object = transport.get_extra_info("ssl_object")
    assert type(ssl_object) is ssl.SSLObject
    assert ssl_object.context is transport.get_extra_info("sslcontext")
    assert ssl_object.context in tls.contexts
    assert ssl_object.server_side is not peer.ssl_object.server_side
    assert ssl_object.version() == peer.ssl_object.version()
    assert ssl_object.cipher() == peer.ssl_object.cipher() == transport.get_extra_info("cipher")
    assert ssl_object.compression() is transport.get_extra_info("compression") is None
    assert ssl_object.getpeercert() == transport.get_extra_info("peercert")


async def test_ssl_object_keeps_answering_while_data_travels(connect):
    protocol, transport, peer = await connect()
    ssl_object = transport.get_extra_info("ssl_object")
    before = ssl_object.cipher(), ssl_object.version(), ssl_object.getpeercert(True), ssl_object.selected_alpn_protocol()
    for size in (1, 100_000):
        protocol.received.clear()
        await peer.send(bytes(size))
        await protocol.until_received(size)
        transport.write(bytes(size))
        assert (await peer.receive_some(1)) == b"\0"
    assert (ssl_object.cipher(), ssl_object.version(), ssl_object.getpeercert(True), ssl_object.selected_alpn_protocol()) == before
    assert ssl_object.pending() == 0
    assert transport.get_extra_info("ssl_object") is ssl_object


async def test_certificate_of_the_server_is_known(tls):
    _, transport, peer = await tls.connected()
    certificate = transport.get_extra_info("peercert")
    assert (("commonName", "localhost"),) in certificate["subject"]
    assert certificate["subjectAltName"] == (("DNS", "localhost"), ("IP Address", "127.0.0.1"))


async def test_client_without_certificate_has_none(tls):
    _, transport, _ = await tls.accepted()
    assert transport.get_extra_info("peercert", "default") is None


async def test_everything_else_is_that_of_the_transport_below(connect):
    _, transport, peer = await connect()
    assert transport.get_extra_info("peername") == peer.sock.getsockname()
    assert transport.get_extra_info("sockname") == peer.sock.getpeername()
    assert transport.get_extra_info("socket").getsockname() == peer.sock.getpeername()
    assert transport.get_extra_info("socket").family == socket.AF_INET
    assert transport.get_extra_info("nonsense") is None
    assert transport.get_extra_info("nonsense", default := object()) is default


async def test_everything_about_tls_is_known_when_the_connection_is_made(connect):
    names = ["ssl_object", "cipher", "sslcontext", "peername", "socket"]
    seen = []
    await connect(connection_made=lambda _, transport: seen.extend(map(transport.get_extra_info, names)))
    assert len(seen) == len(names) and None not in seen


async def test_what_is_known_after_the_end(connect):
    protocol, transport, peer = await connect()
    before = [transport.get_extra_info(name) for name in ("ssl_object", "cipher", "peercert", "sslcontext")]
    address = transport.get_extra_info("peername")
    transport.abort()
    await protocol.until_lost()
    assert [transport.get_extra_info(name) for name in ("ssl_object", "cipher", "peercert", "sslcontext")] == before
    # asyncio's TLS has lost the transport below.
    assert transport.get_extra_info("peername", "gone") in ("gone", address)


async def test_transport_is_one_of_asyncios_kind(connect_in_every_way):
    _, transport, _ = await connect_in_every_way()
    assert isinstance(transport, asyncio.Transport)
    assert not isinstance(transport, asyncio.DatagramTransport)
    assert transport._start_tls_compatible is True


async def test_attributes_can_be_set(connect):
    _, transport, _ = await connect()
    transport.write = transport.anything = written = []
    assert transport.write is transport.anything is written
    del transport.write
    transport.write(b"works again")


async def test_transport_can_be_weakly_referenced_and_hashed(connect):
    protocol, transport, peer = await connect()
    reference = weakref.ref(transport)
    assert reference() is transport
    assert {transport: 1}[transport] == 1
    transport.abort()
    await protocol.until_lost()


async def test_repr_of_a_transport_can_be_taken_at_any_time(connect):
    protocol, transport, _ = await connect(connection_made=lambda _, transport: repr(transport))
    assert "Transport" in repr(transport)
    transport.abort()
    repr(transport)
    await protocol.until_lost()
    repr(transport)


async def test_closed_connection_is_forgotten(tls):
    protocol, transport, peer = await tls.connected()
    await peer.send(b"x")
    await protocol.until_received(1)
    references = [weakref.ref(thing) for thing in (protocol, transport, transport.get_extra_info("ssl_object"))]
    transport.abort()
    await protocol.until_lost()
    tls.forget()
    del protocol, transport
    gc.collect()
    assert [reference() for reference in references] == [None, None, None]


def test_unclosed_transport_says_so(loop, tls):
    async def forget():
        await tls.connected()
        tls.forget()

    loop.run_until_complete(forget())
    loop.close()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        gc.collect()
    assert any("unclosed transport" in str(warning.message) for warning in caught)
