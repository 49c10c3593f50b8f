"""Bad descriptors give asyncio's own exception, and never a hang or an abort."""

import os
import select
import socket
from unittest import mock

import pytest

from actors.cases import Cases, run_turns

case = Cases()


def closed_descriptor():
    with socket.socket() as sock:
        return sock.fileno()


@case
def add_reader_with_a_closed_socket_object(loop, implementation):
    with socket.socket() as sock:
        pass
    loop.add_reader(sock, int)


case.calls(
    add_reader_with_an_object_whose_fileno_is_rubbish=lambda loop, _: loop.add_reader(mock.Mock(fileno=lambda: "rubbish"), int),
    add_reader_with_an_object_whose_fileno_fails=lambda loop, _: loop.add_reader(mock.Mock(fileno=lambda: 1 / 0), int),
)


@case
def add_reader_without_callback(loop, implementation):
    left, right = socket.socketpair()
    with left, right:
        loop.add_reader(left)


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
    with left, right:
        loop.run_until_complete(loop.sock_recv(left, 10))


@case
def reader_of_a_regular_file(loop, implementation):
    # poll(2), unlike epoll, takes regular files.
    if "FASTLOOP_FORCE_POLL" in os.environ or not hasattr(select, "epoll"):
        return
    with open(__file__) as file:
        loop.add_reader(file, int)


case.calls(
    add_reader_with_a_closed_descriptor=lambda loop, _: loop.add_reader(closed_descriptor(), int),
    add_writer_with_a_closed_descriptor=lambda loop, _: loop.add_writer(closed_descriptor(), int),
    remove_reader_with_a_closed_descriptor=lambda loop, _: loop.remove_reader(closed_descriptor()),
    add_reader_with_a_negative_descriptor=lambda loop, _: loop.add_reader(-1, int),
    remove_reader_with_a_negative_descriptor=lambda loop, _: loop.remove_reader(-1),
    add_reader_with_a_string=lambda loop, _: loop.add_reader("file", int),
    add_reader_with_none=lambda loop, _: loop.add_reader(None, int),
    add_reader_with_a_float=lambda loop, _: loop.add_reader(1.5, int),
    add_reader_with_a_huge_number=lambda loop, _: loop.add_reader(2**80, int),
    add_reader_with_a_number_above_the_limit=lambda loop, _: loop.add_reader(2**30, int),
)


@pytest.mark.parametrize("name", case)
def test_bad_input_ends_as_it_does_on_asyncios_own_loop(assert_ends_as_on_asyncio, name):
    assert_ends_as_on_asyncio(case[name])
