"""Bad descriptors give asyncio's own exception, and never a hang or an abort."""

import os
import select
import socket

import pytest

CASES = []


def case(function):
    """Register function(loop, implementation): what it returns or raises is compared."""
    CASES.append(function)
    return function


def run_turns(loop, count=3):
    for _ in range(count):
        loop.call_soon(loop.stop)
        loop.run_forever()


def closed_descriptor():
    left, right = socket.socketpair()
    fd = left.fileno()
    left.close()
    right.close()
    return fd


@case
def add_reader_with_a_closed_descriptor(loop, implementation):
    loop.add_reader(closed_descriptor(), int)


@case
def add_writer_with_a_closed_descriptor(loop, implementation):
    loop.add_writer(closed_descriptor(), int)


@case
def remove_reader_with_a_closed_descriptor(loop, implementation):
    return loop.remove_reader(closed_descriptor())


@case
def add_reader_with_a_negative_descriptor(loop, implementation):
    loop.add_reader(-1, int)


@case
def remove_reader_with_a_negative_descriptor(loop, implementation):
    loop.remove_reader(-1)


@case
def add_reader_with_a_string(loop, implementation):
    loop.add_reader("file", int)


@case
def add_reader_with_none(loop, implementation):
    loop.add_reader(None, int)


@case
def add_reader_with_a_float(loop, implementation):
    loop.add_reader(1.5, int)


@case
def add_reader_with_a_huge_number(loop, implementation):
    loop.add_reader(2**80, int)


@case
def add_reader_with_a_number_above_the_limit(loop, implementation):
    loop.add_reader(2**30, int)


@case
def add_reader_with_a_closed_socket_object(loop, implementation):
    left, right = socket.socketpair()
    left.close()
    right.close()
    loop.add_reader(left, int)


@case
def add_reader_with_an_object_whose_fileno_is_rubbish(loop, implementation):
    class File:
        def fileno(self):
            return "rubbish"

    loop.add_reader(File(), int)


@case
def add_reader_with_an_object_whose_fileno_fails(loop, implementation):
    class File:
        def fileno(self):
            raise ZeroDivisionError

    loop.add_reader(File(), int)


@case
def add_reader_without_callback(loop, implementation):
    left, right = socket.socketpair()
    try:
        loop.add_reader(left)
    finally:
        left.close()
        right.close()


@case
def add_reader_with_something_that_cannot_be_called(loop, implementation):
    left, right = socket.socketpair()
    right.send(b"x")
    try:
        loop.add_reader(left, "not callable")
        run_turns(loop, 1)
    finally:
        loop.remove_reader(left)
        left.close()
        right.close()


@case
def sock_recv_on_a_blocking_socket_in_debug_mode(loop, implementation):
    loop.set_debug(True)
    left, right = socket.socketpair()
    try:
        loop.run_until_complete(loop.sock_recv(left, 10))
    finally:
        left.close()
        right.close()


@case
def reader_of_a_regular_file(loop, implementation):
    # poll(2), unlike epoll, takes regular files.
    if "FASTLOOP_FORCE_POLL" in os.environ or not hasattr(select, "epoll"):
        return
    with open(__file__) as file:
        loop.add_reader(file, int)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_bad_input_ends_as_it_does_on_asyncios_own_loop(assert_ends_as_on_asyncio, case):
    assert_ends_as_on_asyncio(case)
