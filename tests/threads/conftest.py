"""Fixtures of the tests of several threads, which mean most on a Python without the global interpreter lock."""

import os
import sys
import threading

import pytest

# How long a test that looks for something rare runs. A minute finds more.
SECONDS = float(os.environ.get("FASTLOOP_THREADS_SECONDS", "1"))


@pytest.fixture
def seconds():
    return SECONDS


@pytest.fixture
def frequent_switches():
    """With the GIL, have threads take turns as often as possible."""
    former = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(former)


@pytest.fixture
def in_threads():
    """A function that starts another one in a new thread for each tuple of arguments; what they raise is raised when the test ends."""
    threads, errors = [], []

    def run(function, *args):
        try:
            function(*args)
        except BaseException as error:
            errors.append(error)

    def start(function, *calls):
        started = [threading.Thread(target=run, args=(function, *args)) for args in calls]
        threads.extend(started)
        for thread in started:
            thread.start()
        return started

    yield start
    for thread in threads:
        thread.join(SECONDS + 60)
        assert not thread.is_alive()
    for error in errors:
        raise error


@pytest.fixture
def quiet_loop(new_loop, capfd):
    """A function that makes loops; afterwards no exception handler was called, and nothing was printed."""
    reports = []

    def make():
        loop = new_loop()
        loop.set_exception_handler(lambda loop, context: reports.append(context))
        return loop

    yield make
    assert reports == []
    assert capfd.readouterr() == ("", "")
