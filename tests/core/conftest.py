"""Fixtures of the tests of the core."""

import asyncio
import functools
import gc
import inspect
import signal
import socket
import warnings

import pytest

import fastloop


class Hang(BaseException):
    """Raised in a case that takes too long, past everything that catches exceptions."""


def outcome_of(case, implementation):
    """Run case(loop, implementation), a function or a coroutine function, on a new loop.

    Return how it ended and the types of what the loop reported. How it ended is the string or boolean that it returned, or else the
    type of what it returned or raised.
    """

    def give_up(number, frame):
        raise Hang

    loop = implementation.new_event_loop()
    reported = []
    loop.set_exception_handler(lambda loop, context: reported.append(type(context.get("exception"))))
    former = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, 10)
    try:
        with warnings.catch_warnings():
            # A coroutine that a refused call leaves behind does not matter here.
            warnings.simplefilter("ignore", RuntimeWarning)
            try:
                returned = case(loop, implementation)
                if inspect.iscoroutine(returned):
                    returned = loop.run_until_complete(returned)
                ended = ("returned", returned if isinstance(returned, str | bool) else type(returned))
            except Exception as error:
                ended = ("raised", type(error))
            gc.collect()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
        assert not loop.is_running()
        if not loop.is_closed():
            loop.set_task_factory(None)
            loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
    return ended, reported


@pytest.fixture
def pair(no_leaks):
    """Two connected sockets that do not block."""
    left, right = socket.socketpair()
    with left, right:
        for end in left, right:
            end.setblocking(False)
        yield left, right


@pytest.fixture(params=["own", "native"])
def new_task(request, loop):
    """A function that makes tasks of fastloop's class or of asyncio's."""
    return functools.partial({"own": fastloop.Task, "native": asyncio.Task}[request.param], loop=loop)


@pytest.fixture
def assert_ends_as_on_asyncio(implementation, asyncio_implementation, no_leaks):
    """A function that runs a case on the implementation under test and on asyncio's, and compares how they end."""

    def check(case):
        expected = outcome_of(case, asyncio_implementation)
        assert outcome_of(case, implementation) == expected

    return check
