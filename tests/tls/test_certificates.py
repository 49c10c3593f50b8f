"""Certificates that are refused, by the client and by the server; certificates that clients show, at once or when asked later."""

import asyncio
import contextlib
import socket
import ssl

import pytest

from actors.authority import asking_for_certificates, with_version
from actors.kernel import settle, until
from actors.protocols import RecordingProtocol, echo

# By case: the name to verify, the code and the message of the error.
REFUSED = {
    "wrong name": ("elsewhere", 62, "Hostname mismatch, certificate is not valid for 'elsewhere'."),
    "wrong address": ("127.0.0.2", 64, "IP address mismatch, certificate is not valid for '127.0.0.2'."),
    "expired": ("localhost", 10, "certificate has expired"),
    "unknown issuer": ("localhost", 20, "unable to get local issuer certificate"),
    "revoked": ("localhost", 23, "certificate revoked"),
    "no list of revocations": ("localhost", 3, "unable to get certificate CRL"),
    "signed by itself": ("localhost", 18, "self-signed certificate"),
}


@pytest.fixture(scope="session")
def expired(authority):
    return authority.issue(is_expired=True)


@pytest.fixture(scope="session")
def revoked(authority):
    return authority.issue()


@pytest.fixture(scope="session")
def revocations(authority, revoked):
    return authority.revoke(revoked)


@pytest.fixture(scope="session")
def of_unknown_issuer(other_authority):
    return other_authority.issue()


def checking_revocations(context, *revocations):
    context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    for path in revocations:
        context.load_verify_locations(path)
    return context


@pytest.fixture(params=REFUSED)
def refused(request, tls, authority):
    """Contexts that do not accept each other; gives the name to verify, the code and the message."""
    get = request.getfixturevalue
    server, client = tls.contexts
    match request.param:
        case "expired":
            server = get("expired").server_context()
        case "unknown issuer":
            server = get("of_unknown_issuer").server_context()
        case "revoked":
            server = get("revoked").server_context()
            checking_revocations(client, get("revocations"))
        case "no list of revocations":
            checking_revocations(client)
        case "signed by itself":
            server = get("certificate").server_context()
    tls.contexts = server, client
    return REFUSED[request.param]


def check(error, code, message):
    assert type(error) is ssl.SSLCertVerificationError
    assert isinstance(error, ssl.SSLError) and isinstance(error, ValueError)
    assert (error.verify_code, error.verify_message.replace("self signed", "self-signed")) == (code, message)
    assert (error.reason, error.library, error.errno) == ("CERTIFICATE_VERIFY_FAILED", "SSL", 1)
    assert str(error).startswith("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")


# Certificates of servers


async def test_client_refuses_the_certificate(tls, refused, reported, version):
    name, code, message = refused
    with_version(tls.contexts[1], version)
    server_protocol, client_protocol = RecordingProtocol(), RecordingProtocol()
    server = await tls.server(lambda: server_protocol)
    with pytest.raises(ssl.SSLCertVerificationError) as raised:
        await tls.connect(server.sockets[0].getsockname(), client_protocol, server_hostname=name)
    check(raised.value, code, message)
    await settle()
    assert (client_protocol.calls, server_protocol.calls, reported) == ([], [], [])


async def test_client_refuses_the_certificate_in_start_tls(tls, loop, refused, reported, pair):
    name, code, message = refused
    before, protocol = RecordingProtocol(), RecordingProtocol()
    transport, _ = await loop.create_connection(lambda: before, sock=pair[0])
    peer = tls.server_peer(pair[1].dup())
    starting = asyncio.create_task(loop.start_tls(transport, protocol, tls.contexts[1], server_hostname=name))
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        await peer.handshake()
        await peer.receive_some()
    with pytest.raises(ssl.SSLCertVerificationError) as raised:
        await starting
    check(raised.value, code, message)
    await settle()
    # The protocol is told, as if the connection had been made.
    assert (protocol.calls, before.calls, reported) == (["connection_lost"], ["connection_made"], [])
    assert protocol.lost == [raised.value]
    assert transport.is_closing()


async def test_client_that_verifies_nothing_accepts_every_certificate(tls, refused):
    tls.contexts[1].check_hostname = False
    tls.contexts[1].verify_mode = ssl.CERT_NONE
    client, _ = await tls.both(server_hostname=refused[0])
    assert client.transport.get_extra_info("peercert") == {}


async def test_certificate_that_is_not_revoked_is_accepted(tls, revocations):
    checking_revocations(tls.contexts[1], revocations)
    await tls.both()


async def test_server_goes_on_after_a_refusal(tls, refused, reported, authority):
    accepted = RecordingProtocol(data_received=echo)
    server = await tls.server(lambda: accepted)
    address = server.sockets[0].getsockname()
    for _ in range(3):
        with pytest.raises(ssl.SSLCertVerificationError):
            await tls.connect(address, RecordingProtocol(), server_hostname=refused[0])
    tls.contexts[1].check_hostname = False
    tls.contexts[1].verify_mode = ssl.CERT_NONE
    client = await tls.connect(address, RecordingProtocol())
    client.transport.write(b"hello")
    assert await client.until_received(5) == b"hello"
    tls.near(accepted)


async def test_refusal_keeps_nothing_alive(tls, loop, of_unknown_issuer):
    """The error is kept; the connection is not."""
    tls.contexts = of_unknown_issuer.server_context(), tls.contexts[1]
    server = await tls.server(RecordingProtocol)
    errors = []
    for _ in range(5):
        with pytest.raises(ssl.SSLCertVerificationError) as raised:
            await tls.connect(server.sockets[0].getsockname(), RecordingProtocol())
        errors.append(raised.value)
    assert len({id(error) for error in errors}) == 5


# Certificates of clients


@pytest.mark.parametrize("mode", ["CERT_REQUIRED", "CERT_OPTIONAL"])
async def test_client_shows_its_certificate(tls, authority, client_certificate, version, mode):
    asking_for_certificates(tls.contexts[0], authority, mode)
    client_certificate.load_into(with_version(tls.contexts[1], version))
    _, transport, _ = await tls.accepted()
    assert (("commonName", "client"),) in transport.get_extra_info("peercert")["subject"]
    assert transport.get_extra_info("ssl_object").getpeercert(True) == ssl.PEM_cert_to_DER_cert(
        client_certificate.certificate_path.read_text()
    )


async def test_client_need_not_show_an_optional_certificate(tls, authority, version):
    asking_for_certificates(tls.contexts[0], authority, "CERT_OPTIONAL")
    with_version(tls.contexts[1], version)
    _, transport, _ = await tls.accepted()
    assert transport.get_extra_info("peercert") is None


async def refused_by_the_server(tls, reported):
    """A client connects whose certificate the server refuses; returns the server's protocol and the error of the client."""
    protocol = RecordingProtocol()
    server = await tls.server(lambda: protocol)
    peer = tls.client_peer(socket.create_connection(server.sockets[0].getsockname()))
    # With TLS 1.3 the client learns of it after its handshake.
    with pytest.raises((ssl.SSLError, ConnectionResetError)) as raised:
        await peer.handshake()
        await peer.receive_some()
    await settle()
    assert (protocol.calls, reported) == ([], [])
    return raised.value


async def test_missing_certificate_of_a_client_is_refused(tls, authority, version, reported):
    asking_for_certificates(tls.contexts[0], authority)
    with_version(tls.contexts[1], version)
    await refused_by_the_server(tls, reported)


@pytest.mark.parametrize("which", ["expired", "of_unknown_issuer", "revoked"])
async def test_bad_certificate_of_a_client_is_refused(tls, authority, version, reported, which, request):
    asking_for_certificates(tls.contexts[0], authority)
    if which == "revoked":
        checking_revocations(tls.contexts[0], request.getfixturevalue("revocations"))
    request.getfixturevalue(which).load_into(with_version(tls.contexts[1], version))
    await refused_by_the_server(tls, reported)


async def server_error(tls, loop):
    """What connect_accepted_socket() raises when the peer shakes hands."""
    left, right = socket.socketpair()
    peer = tls.client_peer(right)
    accepting = asyncio.create_task(loop.connect_accepted_socket(RecordingProtocol, left, ssl=tls.contexts[0]))
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        await peer.handshake()
        await peer.receive_some()
    with pytest.raises(ssl.SSLError) as raised:
        await accepting
    await settle()
    assert left.fileno() == -1
    return raised.value


async def test_server_is_told_that_the_certificate_is_missing(tls, loop, authority, version, reported):
    asking_for_certificates(tls.contexts[0], authority)
    with_version(tls.contexts[1], version)
    error = await server_error(tls, loop)
    # OpenSSL has nothing to verify then, so this is no SSLCertVerificationError.
    assert (type(error), error.reason) == (ssl.SSLError, "PEER_DID_NOT_RETURN_A_CERTIFICATE")
    assert reported == []


async def test_server_is_told_why_it_refuses(tls, loop, authority, version, reported, expired):
    asking_for_certificates(tls.contexts[0], authority)
    expired.load_into(with_version(tls.contexts[1], version))
    check(await server_error(tls, loop), 10, "certificate has expired")
    assert reported == []


async def test_client_of_the_loop_learns_that_its_missing_certificate_was_refused(tls, authority, version, reported):
    asking_for_certificates(tls.contexts[0], authority)
    with_version(tls.contexts[1], version)
    client = RecordingProtocol()
    server = await tls.server(RecordingProtocol)
    try:
        await tls.connect(server.sockets[0].getsockname(), client)
    except (ssl.SSLError, ConnectionError):
        assert client.calls == []
    else:
        # With TLS 1.3 the client was content before the server was.
        assert version == "TLSv1.3"
        await client.until_lost()
        assert client.calls[-1] == "connection_lost" and client.calls.count("connection_lost") == 1
    await settle()
    assert [context["message"] for context in reported if not isinstance(context["exception"], OSError)] == []


# Certificates that are asked for later


@pytest.fixture
def asking_later(tls, authority, client_certificate):
    """Contexts that show certificates after the handshake."""
    asking_for_certificates(tls.contexts[0], authority)
    for context in tls.contexts:
        with_version(context, "TLSv1.3").post_handshake_auth = True
    client_certificate.load_into(tls.contexts[1])


async def test_server_asks_for_a_certificate_later(tls, asking_later):
    protocol, transport, peer = await tls.accepted(data_received=echo)
    ssl_object = transport.get_extra_info("ssl_object")
    assert ssl_object.getpeercert() is None
    ssl_object.verify_client_post_handshake()
    # The request goes out with what is written next.
    transport.write(b"who is there?")
    assert await peer.receive_some() == b"who is there?"
    await peer.send(b"hello")
    assert await peer.receive_some() == b"hello"
    assert (("commonName", "client"),) in ssl_object.getpeercert()["subject"]


async def test_client_is_asked_for_a_certificate_later(tls, asking_later):
    protocol, transport, peer = await tls.connected(data_received=echo)
    peer.ssl_object.verify_client_post_handshake()
    await peer.send(b"who is there?")
    assert await peer.receive_some() == b"who is there?"
    assert (("commonName", "client"),) in peer.ssl_object.getpeercert()["subject"]


async def test_client_that_is_asked_answers_even_if_it_writes_nothing(tls, asking_later):
    protocol, transport, peer = await tls.connected()
    peer.ssl_object.verify_client_post_handshake()
    # Writing sends the request.
    await peer.send(b"who is there?")

    def is_answered():
        with contextlib.suppress(ssl.SSLWantReadError):
            peer.ssl_object.read(1)
        # It raises until the certificate is here.
        with contextlib.suppress(ValueError):
            return peer.ssl_object.getpeercert()

    while not is_answered():
        await peer.feed()
    assert protocol.calls == ["connection_made", "data_received"]


async def test_client_without_the_certificate_that_is_asked_for_later_is_refused(tls, authority, reported):
    asking_for_certificates(tls.contexts[0], authority)
    for context in tls.contexts:
        with_version(context, "TLSv1.3").post_handshake_auth = True
    protocol, transport, peer = await tls.accepted(data_received=echo)
    transport.get_extra_info("ssl_object").verify_client_post_handshake()
    transport.write(b"who is there?")
    assert await peer.receive_some() == b"who is there?"
    await peer.send(b"nobody")
    error = await protocol.until_lost()
    assert (type(error), error.reason) == (ssl.SSLError, "PEER_DID_NOT_RETURN_A_CERTIFICATE")
    assert protocol.calls == ["connection_made", "connection_lost"]
    await until(lambda: transport.is_closing())
    assert reported == []
