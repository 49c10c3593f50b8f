"""Contexts with OP_ENABLE_KTLS: all is well whether the kernel can encrypt or not. One that can is in `make ktls`."""

import asyncio
import contextlib
import socket

import pytest

from actors.authority import asking_for_certificates, with_version
from actors.coroutines import cancel
from actors.files import pattern
from actors.kernel import start, until
from actors.protocols import RecordingProtocol, echo
from actors.tls import environment_of_others

# These have names in Python 3.12 and later, and nowhere.
OP_ENABLE_KTLS, TCP_ULP = 1 << 3, 31
SUITES = ["TLSv1.3", "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"]
pytestmark = pytest.mark.fastloop_only


@pytest.fixture(scope="session")
def kernel_can_encrypt():
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as sock:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
        except OSError:
            return False
        return True


@pytest.fixture
def kernel_encrypts(tls, tls_engine, kernel_can_encrypt):
    """Whether the kernel must encrypt: what the contexts of the test want."""
    for context in tls.contexts:
        context.options |= OP_ENABLE_KTLS
    return kernel_can_encrypt and tls_engine == "direct"


@pytest.fixture
def file(tmp_path):
    (tmp_path / "file").write_bytes(pattern(3_000_000))
    with (tmp_path / "file").open("rb") as opened:
        yield opened


@pytest.mark.parametrize("suite", SUITES)
async def test_data_files_and_the_end_arrive(kernel_encrypts, tls, connect, loop, file, suite):
    for context in tls.contexts:
        if suite != "TLSv1.3":
            with_version(context, "TLSv1.2").set_ciphers(suite)
    protocol, transport, peer = await connect(data_received=echo)
    assert transport.get_extra_info("tls_kernel") is kernel_encrypts
    await peer.check_echo()

    async def write():
        transport.write(b"before")
        with contextlib.nullcontext() if kernel_encrypts else pytest.raises(RuntimeError, match="native sendfile is not supported"):
            await loop.sendfile(transport, file, fallback=False)
        await loop.sendfile(transport, file, 5, 1000)
        transport.writelines([b"after", bytes(300_000)])
        transport.close()

    _, received = await asyncio.gather(write(), peer.receive_all())
    content = pattern(3_000_000)
    await peer.unwrap()
    assert received == b"before" + content * kernel_encrypts + content[5:1005] + b"after" + bytes(300_000)
    assert await protocol.until_lost() is None


async def test_kernel_encrypts_only_where_it_was_asked_for(tls, connect_in_every_way):
    _, transport, _ = await connect_in_every_way()
    assert transport.get_extra_info("tls_kernel") is False


@pytest.mark.parametrize("way", ["unix", "upgraded"])
async def test_unix_sockets_are_not_for_the_kernel(kernel_encrypts, tls, loop, file, way):
    _, transport, peer = await getattr(tls, way)()
    assert transport.get_extra_info("tls_kernel") is False
    await asyncio.gather(loop.sendfile(transport, file), peer.receive(3_000_000))


async def test_certificate_is_shown_while_the_kernel_is_full(kernel_encrypts, tls, authority, client_certificate, narrow_connect):
    asking_for_certificates(tls.contexts[0], authority)
    for context in tls.contexts:
        with_version(context, "TLSv1.3").post_handshake_auth = True
    client_certificate.load_into(tls.contexts[1])
    protocol, transport, peer = await narrow_connect()
    transport.write(pattern(3_000_000))
    if not peer.ssl_object.server_side:
        transport.get_extra_info("ssl_object").verify_client_post_handshake()
    else:
        peer.ssl_object.verify_client_post_handshake()
        await peer.send(b"who is there?")
        await protocol.until_received(13)
    transport.write(b"the end")
    assert await peer.receive(3_000_007) == pattern(3_000_000) + b"the end"
    await peer.send(b"bye")
    await protocol.until_received(3)
    transport.close()
    assert await peer.receive_all() == b""
    await peer.unwrap()
    server = peer.ssl_object if peer.ssl_object.server_side else transport.get_extra_info("ssl_object")
    assert (("commonName", "client"),) in server.getpeercert()["subject"]


@pytest.mark.parametrize("end", ["close", "cancel"])
async def test_file_that_is_given_up(kernel_encrypts, narrow_connect, loop, file, end):
    protocol, transport, peer = await narrow_connect()
    sending = await start(loop.sendfile(transport, file))
    if end == "cancel":
        await cancel(sending)
        transport.write(b"the end")
    transport.close()
    with contextlib.suppress(asyncio.CancelledError, ConnectionError):
        await sending
    received = await peer.receive_all()
    await peer.unwrap()
    content = received.removesuffix(b"the end")
    assert content == pattern(3_000_000)[: len(content)]
    assert (len(content) < len(received)) == (end == "cancel")
    await protocol.until_lost()


@pytest.mark.parametrize("suite", ["TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"])
async def test_peer_that_wants_new_keys(kernel_encrypts, tls, authority, suite):
    protocol = RecordingProtocol(data_received=echo)
    server = await tls.server(lambda: protocol)
    host, port = server.sockets[0].getsockname()
    process = await asyncio.create_subprocess_exec(
        *("openssl", "s_client", "-connect", f"{host}:{port}", "-CAfile", authority.certificate_path, "-ciphersuites", suite),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=environment_of_others(),
    )  # fmt: skip
    await protocol.until_connected()
    assert protocol.transport.get_extra_info("tls_kernel") is kernel_encrypts
    process.stdin.write(b"hello\n")
    await process.stdout.readuntil(b"\nhello\n")
    # A command of s_client, if a line begins with it.
    process.stdin.write(b"K\n")
    await process.stdout.readuntil(b"KEYUPDATE\n")
    process.stdin.write(b"again\n")
    if kernel_encrypts:
        assert "KeyUpdate" in str(await protocol.until_lost())
    else:
        await process.stdout.readuntil(b"again\n")
        protocol.transport.close()
    await process.communicate()
    await until(lambda: protocol.lost)
    server.close()
