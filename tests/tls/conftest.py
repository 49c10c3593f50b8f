"""Fixtures of the TLS tests, each of which runs on asyncio's loop, and on fastloop's with each of its engines.

A connection has a near end, which is a transport of the loop under test, and a far end, a TlsPeer: Python's own ssl.SSLObject.
"""

import gc

import pytest

from actors.authority import Authority
from actors.narrow import connecting_narrowly
from actors.tls_connections import TlsConnections


@pytest.fixture(autouse=True)
def uses_engine(tls_engine):
    """Every test runs with each engine."""


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """The authority that clients trust."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def other_authority(tmp_path_factory):
    """An authority that nobody trusts."""
    return Authority(tmp_path_factory.mktemp("other"))


@pytest.fixture(scope="session")
def issued(authority):
    """A certificate for localhost."""
    return authority.issue()


@pytest.fixture(scope="session")
def client_certificate(authority):
    return authority.issue("DNS:client", "client")


@pytest.fixture
def contexts(issued):
    """The contexts of a server and of a client, which a test may change."""
    return issued.server_context(), issued.client_context()


@pytest.fixture
def tls(loop, short_folder, contexts):
    """Makes TLS connections of the kind that is asked for."""
    made = TlsConnections(loop, short_folder, contexts)
    yield made
    made.close()
    # A context with a callback of the test is in a cycle.
    gc.collect()


@pytest.fixture(params=["accepted", "connected"])
def connect(tls, request):
    """A function that makes TLS connections whose near end is the server's, and the client's."""
    return getattr(tls, request.param)


@pytest.fixture
def narrow_connect(connect):
    """Like connect, but the kernel buffers so little of what the transport writes that a slow reader is soon noticed."""
    return connecting_narrowly(connect)


@pytest.fixture(params=["accepted", "connected", "unix", "upgraded", "upgraded_server"])
def connect_in_every_way(tls, request):
    return getattr(tls, request.param)


@pytest.fixture(params=["TLSv1.2", "TLSv1.3"])
def version(request):
    return request.param
