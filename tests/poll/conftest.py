"""Pollers and sockets for the tests of the poller: a test that takes `poller` runs on every backend that this system can compile."""

import ctypes
import os
import socket
import traceback
import warnings

import pytest

from actors.pollers import BACKENDS, DEFINES, PROBE_SOURCE, WAKEUPS, Poller, load_probe
from actors.probes import compile_probe


@pytest.fixture(scope="session")
def probe_library(tmp_path_factory):
    """Gives the compiled library of a backend, compiling it on first use."""
    libraries = {}

    def library(backend):
        if backend not in libraries:
            path = tmp_path_factory.mktemp("poller_probe") / "probe.so"
            compile_probe(path, PROBE_SOURCE, DEFINES[backend])
            libraries[backend] = load_probe(path)
        return libraries[backend]

    return library


@pytest.fixture(scope="session", params=BACKENDS)
def backend(request):
    return request.param


@pytest.fixture
def closed_poller(probe_library, backend):
    poller = Poller(probe_library(backend))
    yield poller
    poller.dispose()


@pytest.fixture
def poller(closed_poller):
    closed_poller.open()
    return closed_poller


@pytest.fixture(scope="session")
def new_poller(probe_library, backend):
    """For tests that need more than one poller; they dispose() of them."""

    def open_poller():
        poller = Poller(probe_library(backend))
        poller.open()
        return poller

    return open_poller


@pytest.fixture(params=WAKEUPS)
def wakeup_poller(request, probe_library):
    """A poller with an open, registered wake-up."""
    poller = Poller(probe_library(request.param))
    poller.open()
    poller.call("wakeup_open")
    poller.wakeup_interest = ctypes.c_int.in_dll(poller.library, "probe_wakeup_interest").value
    poller.wakeup_needs_drain = bool(ctypes.c_int.in_dll(poller.library, "probe_wakeup_needs_drain").value)
    poller.set_interest(poller.call("wakeup_fd"), 0, poller.wakeup_interest)
    yield poller
    poller.dispose()


@pytest.fixture
def pair(pairs):
    """Two connected Unix stream sockets, non-blocking."""
    return pairs(1)[0]


@pytest.fixture
def watched(pair):
    return pair[0]


@pytest.fixture
def peer(pair):
    return pair[1]


@pytest.fixture
def pairs():
    """Makes as many of these pairs as a test asks for."""
    opened = []

    def make(count):
        made = [socket.socketpair() for _ in range(count)]
        for end in [end for made_pair in made for end in made_pair]:
            end.setblocking(False)
            opened.append(end)
        return made

    yield make
    for end in opened:
        end.close()


@pytest.fixture
def run_in_child():
    """Runs a function in a forked child and asserts that it returned; its traceback goes to stderr."""

    def run(function):
        with warnings.catch_warnings():
            # The fault handler's watchdog counts as a thread; the child does not miss it.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            status = 1
            try:
                function()
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

    return run
