"""Fixtures that every test may use: the implementation under test, its loop, and the check that the test leaves nothing behind.

A test that takes `implementation` or `loop` runs twice, on fastloop and on asyncio's own loop, so that it states what asyncio does
and not what fastloop happens to do. `@pytest.mark.fastloop_only` limits it to fastloop; `pytest --loop asyncio` limits all of them.
A test that is a coroutine function runs on its `loop` within a time limit. `@pytest.mark.time_limit(60)` allows it more.
"""

import asyncio
import contextlib
import dataclasses
import gc
import inspect
import logging
import socket
import tempfile
import threading
from collections.abc import Callable

import pytest

from actors.connections import Connections, tcp_pair
from actors.descriptors import open_descriptors
from actors.leftovers import unclosed_expected
from actors.peers import Peer
from actors.tls import make_certificate

# A hang becomes a failure of its test after this long; nothing here is expected to take a tenth of it.
TIME_LIMIT_S = 20
TLS_ENGINES = ("direct", "memorybio")


@dataclasses.dataclass(frozen=True)
class Implementation:
    """One of the two implementations of everything that the tests compare."""

    name: str
    new_event_loop: Callable
    EventLoop: type
    Future: type
    Task: type
    Handle: type
    TimerHandle: type


def implementation_named(name):
    if name == "asyncio":
        return Implementation(
            "asyncio",
            asyncio.SelectorEventLoop,
            asyncio.SelectorEventLoop,
            asyncio.Future,
            asyncio.Task,
            asyncio.Handle,
            asyncio.TimerHandle,
        )
    import fastloop

    return Implementation(
        "fastloop", fastloop.new_event_loop, fastloop.EventLoop, fastloop.Future, fastloop.Task, fastloop.Handle, fastloop.TimerHandle
    )


def pytest_addoption(parser):
    parser.addoption("--loop", choices=("fastloop", "asyncio"), help="run only the tests of one implementation")


def take_from_the_collector():
    """All objects that exist now stay; the collections of later tests need not look at them."""
    gc.collect()
    gc.freeze()


def pytest_collection_finish():
    take_from_the_collector()


@pytest.fixture(autouse=True, scope="module")
def reports_are_no_work_for_the_collector():
    """pytest keeps a report of each test, and most tests collect twice."""
    yield
    take_from_the_collector()


def pytest_generate_tests(metafunc):
    if "implementation" not in metafunc.fixturenames:
        return
    names = [f"fastloop-{engine}" for engine in TLS_ENGINES] if "tls_engine" in metafunc.fixturenames else ["fastloop"]
    if metafunc.definition.get_closest_marker("fastloop_only") is None:
        names.append("asyncio")
    chosen = metafunc.config.getoption("--loop") or ""
    metafunc.parametrize("implementation", [name for name in names if name.startswith(chosen)], indirect=True)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run a test that is a coroutine function with the fixture `run`."""
    if not inspect.iscoroutinefunction(pyfuncitem.function):
        return None
    assert "implementation" in pyfuncitem.fixturenames, "a test that is a coroutine function takes loop, or a fixture that does"
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    time_limit = pyfuncitem.get_closest_marker("time_limit")
    run = pyfuncitem._request.getfixturevalue("run")
    run(pyfuncitem.function(**arguments), *(time_limit.args if time_limit else ()))
    return True


@pytest.fixture
def implementation(request):
    return implementation_named(request.param.partition("-")[0])


@pytest.fixture
def tls_engine(request, implementation, monkeypatch):
    """The TLS engine that the test is limited to; None on asyncio. A test that takes this runs on fastloop once with each."""
    engine = request.node.callspec.params["implementation"].partition("-")[2]
    if not engine:
        return None
    monkeypatch.setenv("FASTLOOP_TLS_ENGINE", engine)
    return engine


@pytest.fixture
def asyncio_implementation():
    """asyncio's own implementation, to compare with."""
    return implementation_named("asyncio")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def tls_contexts(certificate):
    """The SSL contexts of a server called localhost and of a client that trusts it."""
    return certificate.server_context(), certificate.client_context()


@pytest.fixture(scope="session")
def needs_localhost():
    """Skips a test that looks up the name localhost where the system does not know it, as in a container without /etc/hosts."""
    try:
        socket.getaddrinfo("localhost", None, socket.AF_INET)
    except socket.gaierror:
        pytest.skip("the name localhost cannot be looked up here")


@pytest.fixture
def no_leaks():
    """Fail a test that leaves descriptors or threads behind, or an object that complains when it is collected."""
    gc.collect()
    descriptors, threads = open_descriptors().keys(), set(threading.enumerate())
    yield
    # Objects that complain in __del__ do it here, where the complaint belongs to this test.
    gc.collect()
    assert open_descriptors().keys() == descriptors, "descriptors were left open or were closed by someone who did not own them"
    for thread in set(threading.enumerate()) - threads:
        # One whose question nobody waits for ends when it has the answer.
        if thread.name == "fastloop-lookup":
            thread.join(10)
    assert set(threading.enumerate()) <= threads, "threads were left running"


class ErrorCollector(logging.Handler):
    """Keeps what asyncio logs as an error."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.messages = []
        self.is_expected = False

    def emit(self, record):
        self.messages.append(record.getMessage())


@pytest.fixture
def error_collector():
    collector = ErrorCollector()
    logger = logging.getLogger("asyncio")
    logger.addHandler(collector)
    yield collector
    logger.removeHandler(collector)


@pytest.fixture
def logged_errors(error_collector):
    """The messages that asyncio's logger got at level ERROR; a test that does not take this must not cause any."""
    error_collector.is_expected = True
    return error_collector.messages


@pytest.fixture
def new_loop(implementation, no_leaks, error_collector):
    """A function that makes loops of the implementation under test; they are closed at the end."""
    loops = []

    def make():
        loops.append(implementation.new_event_loop())
        return loops[-1]

    yield make
    left_pending = []
    for loop in loops:
        if not loop.is_closed():
            loop.run_until_complete(loop.shutdown_default_executor())
            left_pending += map(repr, asyncio.all_tasks(loop))
        loop.close()
    loops.clear()
    gc.collect()
    assert left_pending == []
    assert error_collector.is_expected or error_collector.messages == []


@pytest.fixture
def loop(new_loop):
    """A loop of the implementation under test."""
    return new_loop()


@pytest.fixture
def run(loop):
    """A function that runs a coroutine on the loop and fails if it hangs."""

    def run_with_limit(coroutine, time_limit_s=TIME_LIMIT_S):
        return loop.run_until_complete(asyncio.wait_for(coroutine, time_limit_s))

    return run_with_limit


@pytest.fixture
def run_turn(loop):
    """A function that runs turns of the loop, one unless told otherwise: what is ready now, not what that makes ready."""

    def run(turns=1):
        for _ in range(turns):
            loop.call_soon(loop.stop)
            loop.run_forever()

    return run


@pytest.fixture
def reported(loop):
    """The contexts that the loop's exception handler gets."""
    contexts = []

    def handle(handling_loop, context):
        assert handling_loop is loop
        contexts.append(context)

    loop.set_exception_handler(handle)
    yield contexts
    # A context keeps the task that it reports.
    contexts.clear()


@pytest.fixture
def future(loop):
    return loop.create_future()


# Sockets and connections


@pytest.fixture
def short_folder():
    """A folder with a short path: the name of a Unix socket has room for about a hundred bytes."""
    with tempfile.TemporaryDirectory(prefix="net") as folder:
        yield folder


@pytest.fixture
def connections(loop, short_folder):
    """Makes connections of the kind that is asked for."""
    made = Connections(loop, short_folder)
    yield made
    made.close()


@pytest.fixture
def make_peer(loop):
    """A function that makes a Peer of a socket, which is closed at the end."""
    peers = []

    def make(sock):
        peers.append(Peer(loop, sock))
        return peers[-1]

    yield make
    for peer in peers:
        peer.close()


@pytest.fixture
def connect_to(make_peer):
    """A function that connects a Peer to a server, or to an address."""

    def connect(server):
        address = server if isinstance(server, tuple) else server.sockets[0].getsockname()
        return make_peer(socket.create_connection(address[:2]))

    return connect


@pytest.fixture(params=["unix", "tcp"])
def pair(request, no_leaks):
    """Two connected sockets that do not block."""
    left, right = socket.socketpair() if request.param == "unix" else tcp_pair()
    with left, right:
        for end in left, right:
            end.setblocking(False)
        yield left, right


@pytest.fixture
def listener(no_leaks):
    """A listening socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def left(pair):
    return pair[0]


@pytest.fixture
def right(pair):
    return pair[1]


@pytest.fixture
def unresponsive_address(no_leaks):
    """The address of a listening socket that neither accepts nor refuses."""
    with contextlib.ExitStack() as opened:
        listener = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            sock = opened.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        yield listener.getsockname()


@pytest.fixture
def refusing_addresses(no_leaks):
    """Three addresses at which nobody listens, and which nobody else can take."""
    with contextlib.ExitStack() as opened:
        addresses = []
        for _ in range(3):
            sock = opened.enter_context(socket.socket())
            sock.bind(("127.0.0.1", 0))
            addresses.append(sock.getsockname())
        yield addresses


@pytest.fixture
def unclosed_sockets_allowed():
    """asyncio forgets some sockets after errors and leaves them to the collector, which says so."""
    with unclosed_expected():
        yield
