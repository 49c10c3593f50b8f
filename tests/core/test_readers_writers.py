"""add_reader() and add_writer(): when they are called, on what, and what removing and closing leave behind."""

import asyncio
import contextlib
import os
import socket

import pytest

from actors.callbacks import StoppingCallback
from actors.failures import fail
from actors.peers import fill


@pytest.fixture
def pipe(no_leaks):
    """The reading and the writing end of a pipe, as files without a buffer."""
    reading_fd, writing_fd = os.pipe()
    with open(reading_fd, "rb", 0) as reading_end, open(writing_fd, "wb", 0) as writing_end:
        yield reading_end, writing_end


def test_reader_is_called_when_data_arrives(loop, left, right):
    read = StoppingCallback(loop, lambda: left.recv(100))
    loop.add_reader(left, read)
    loop.call_soon(right.send, b"data")
    loop.run_forever()
    assert loop.remove_reader(left) is True
    assert read.results == [b"data"]


def test_reader_gets_its_arguments(loop, left, right):
    read = StoppingCallback(loop)
    loop.add_reader(left, read, 1, "two")
    right.send(b"x")
    loop.run_forever()
    loop.remove_reader(left)
    assert read.results == [(1, "two")]


def test_reader_is_called_again_while_data_is_left(loop, left, right):
    read_one_byte = StoppingCallback(loop, lambda: left.recv(1), calls=5)
    loop.add_reader(left, read_one_byte)
    right.send(b"abcde")
    loop.run_forever()
    loop.remove_reader(left)
    assert b"".join(read_one_byte.results) == b"abcde"


def test_reader_that_reads_nothing_is_called_in_every_turn(loop, left, right):
    read_nothing = StoppingCallback(loop, calls=10)
    loop.add_reader(left, read_nothing)
    right.send(b"x")
    loop.run_forever()
    loop.remove_reader(left)
    assert len(read_nothing.results) == 10


def test_reader_is_not_called_without_data(loop, left):
    loop.add_reader(left, pytest.fail, "called without data")
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.remove_reader(left)


def test_reader_added_while_data_waits_is_called(loop, left, right):
    right.send(b"x")
    loop.call_soon(loop.add_reader, left, loop.stop)
    loop.run_forever()
    loop.remove_reader(left)


def test_reader_is_called_when_the_peer_closes(loop, left, right):
    read = StoppingCallback(loop, lambda: left.recv(100))
    loop.add_reader(left, read)
    loop.call_soon(right.close)
    loop.run_forever()
    loop.remove_reader(left)
    assert read.results == [b""]


def test_reader_is_called_when_the_writing_end_of_a_pipe_closes(loop, pipe):
    reading_end, writing_end = pipe
    loop.add_reader(reading_end, loop.stop)
    loop.call_soon(writing_end.close)
    loop.run_forever()
    loop.remove_reader(reading_end)


def test_writer_is_called_when_the_reading_end_of_a_pipe_closes(loop, pipe):
    reading_end, writing_end = pipe
    os.set_blocking(writing_end.fileno(), False)
    while writing_end.write(b"x" * 65536):
        pass
    loop.add_writer(writing_end, loop.stop)
    loop.call_soon(reading_end.close)
    loop.run_forever()
    loop.remove_writer(writing_end)


def test_writer_is_called_while_there_is_room(loop, left):
    write = StoppingCallback(loop, calls=5)
    loop.add_writer(left, write)
    loop.run_forever()
    assert loop.remove_writer(left) is True
    assert len(write.results) == 5


def test_writer_is_called_only_after_the_peer_made_room(loop, left, right):
    fill(left)
    order = []

    def write():
        order.append("writer")
        loop.stop()

    def make_room():
        order.append("room")
        with contextlib.suppress(BlockingIOError):
            while right.recv(65536):
                pass

    loop.add_writer(left, write)
    loop.call_later(0.005, make_room)
    loop.run_forever()
    loop.remove_writer(left)
    assert order == ["room", "writer"]


def test_reader_and_writer_of_one_socket_are_independent(loop, left, right):
    calls = []

    def write():
        calls.append("write")
        loop.remove_writer(left)
        right.send(b"x")

    def read():
        calls.append("read")
        loop.stop()

    loop.add_reader(left, read)
    loop.add_writer(left, write)
    loop.run_forever()
    assert calls == ["write", "read"]
    assert loop.remove_writer(left) is False
    assert loop.remove_reader(left) is True


def test_removing_the_reader_leaves_the_writer(loop, left, right):
    right.send(b"x")
    loop.add_reader(left, pytest.fail, "removed")
    loop.add_writer(left, loop.stop)
    loop.remove_reader(left)
    loop.run_forever()
    loop.remove_writer(left)


def test_adding_a_reader_again_replaces_the_first(loop, left, right):
    right.send(b"x")
    loop.add_reader(left, pytest.fail, "replaced")
    loop.add_reader(left, loop.stop)
    loop.run_forever()
    assert loop.remove_reader(left) is True
    assert loop.remove_reader(left) is False


def test_removed_reader_is_not_called(loop, left, right):
    right.send(b"x")
    loop.add_reader(left, pytest.fail, "removed")
    assert loop.remove_reader(left) is True
    loop.run_until_complete(asyncio.sleep(0.005))


def test_reader_removed_after_its_event_was_seen_is_not_called(loop, left, right):
    other_left, other_right = socket.socketpair()
    calls = []

    def first_wins(name, other):
        calls.append(name)
        loop.remove_reader(other)
        loop.call_soon(loop.stop)

    loop.add_reader(left, first_wins, "left", other_left)
    loop.add_reader(other_left, first_wins, "other", left)
    right.send(b"x")
    other_right.send(b"x")
    loop.run_forever()
    loop.remove_reader(left)
    loop.remove_reader(other_left)
    other_left.close()
    other_right.close()
    assert len(set(calls)) == 1


def test_removing_what_was_never_added_returns_false(loop, left):
    assert loop.remove_reader(left) is False
    assert loop.remove_writer(left) is False


@pytest.mark.parametrize("descriptor_of", [lambda sock: sock, lambda sock: sock.fileno()], ids=["object", "number"])
def test_file_objects_and_numbers_name_the_same_descriptor(loop, left, right, descriptor_of):
    right.send(b"x")
    loop.add_reader(descriptor_of(left), loop.stop)
    loop.run_forever()
    assert loop.remove_reader(left.fileno()) is True


def test_reader_added_under_its_number_can_be_removed_by_its_object(loop, left):
    loop.add_reader(left.fileno(), int)
    assert loop.remove_reader(left) is True


def test_socket_closed_with_its_reader_still_added_does_not_stop_the_loop(loop, left):
    fd = left.fileno()
    loop.add_reader(left, pytest.fail, "closed")
    left.close()
    loop.run_until_complete(asyncio.sleep(0.005))
    assert loop.remove_reader(fd) is True


def test_number_of_a_closed_socket_can_be_used_by_a_new_one(loop, left):
    fd = left.fileno()
    loop.add_reader(left, pytest.fail, "closed")
    loop.remove_reader(left)
    left.close()
    new_left, new_right = socket.socketpair()
    if new_left.fileno() != fd:
        os.dup2(new_left.fileno(), fd)
    new_right.send(b"x")
    loop.add_reader(fd, loop.stop)
    loop.run_forever()
    loop.remove_reader(fd)
    if new_left.fileno() != fd:
        os.close(fd)
    new_left.close()
    new_right.close()


def test_reader_of_a_pipe_reads_what_is_written(loop, pipe):
    reading_end, writing_end = pipe
    read = StoppingCallback(loop, lambda: reading_end.read(100))
    loop.add_reader(reading_end, read)
    loop.call_soon(writing_end.write, b"through the pipe")
    loop.run_forever()
    loop.remove_reader(reading_end)
    assert read.results == [b"through the pipe"]


def test_exception_of_a_reader_goes_to_the_exception_handler(loop, left, right):
    handle = StoppingCallback(loop, lambda loop, context: type(context["exception"]))
    loop.set_exception_handler(handle)
    loop.add_reader(left, lambda: left.recv(1) and fail())
    right.send(b"x")
    loop.run_forever()
    loop.remove_reader(left)
    assert handle.results == [ZeroDivisionError]


def test_many_readers_are_all_called(loop, no_leaks):
    pairs = [socket.socketpair() for _ in range(200)]
    read = StoppingCallback(loop, lambda index: (index, pairs[index][0].recv(10)), calls=len(pairs))
    for index, (left, right) in enumerate(pairs):
        loop.add_reader(left, read, index)
        right.send(b"%d" % index)
    loop.run_forever()
    for left, right in pairs:
        loop.remove_reader(left)
        left.close()
        right.close()
    assert sorted(read.results) == [(index, b"%d" % index) for index in range(len(pairs))]


def test_reader_may_add_and_remove_readers_of_others(loop, left, right):
    rounds = []

    def on_left():
        left.recv(1)
        loop.remove_reader(left)
        loop.add_reader(right, on_right)
        left.send(b"x")

    def on_right():
        right.recv(1)
        rounds.append(None)
        loop.remove_reader(right)
        if len(rounds) == 50:
            loop.stop()
            return
        loop.add_reader(left, on_left)
        right.send(b"x")

    loop.add_reader(left, on_left)
    right.send(b"x")
    loop.run_forever()
    assert len(rounds) == 50


def test_closing_the_loop_leaves_the_watched_sockets_open(new_loop, left, right):
    loop = new_loop()
    loop.add_reader(left, int)
    loop.add_writer(left, int)
    loop.close()
    right.send(b"still open")
    assert left.recv(100) == b"still open"


def test_one_descriptor_can_be_watched_by_two_loops_in_turn(new_loop, left, right):
    right.send(b"x")
    for _ in range(2):
        loop = new_loop()
        loop.add_reader(left, loop.stop)
        loop.run_forever()
        loop.remove_reader(left)
        loop.close()
