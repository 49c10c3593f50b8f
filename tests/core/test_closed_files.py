"""Callbacks of a file object that was closed before they were removed: found by the object, as selectors find it.

anyio's Unix streams do it in this order.
"""

import gc
import os
import socket
import weakref

import pytest


@pytest.fixture(params=["reader", "writer"])
def add(loop, request):
    """add_reader() or add_writer()."""
    return getattr(loop, f"add_{request.param}")


@pytest.fixture
def remove(loop, add):
    """The method that undoes add()."""
    return getattr(loop, add.__name__.replace("add", "remove"))


def test_callback_of_a_closed_socket_is_removed_once(pair, add, remove):
    add(pair[0], int)
    pair[0].close()
    assert remove(pair[0])
    with pytest.raises(ValueError, match="Invalid file descriptor: -1"):
        remove(pair[0])


def test_closed_socket_with_a_callback_of_the_other_kind_answers_false(loop, pair):
    loop.add_reader(pair[0], int)
    pair[0].close()
    assert not loop.remove_writer(pair[0])
    assert loop.remove_reader(pair[0])


def test_first_of_two_callbacks_of_a_closed_socket_is_removed_with_an_error(loop, pair, run_turn):
    # The kernel, which must still watch for the other one, does not know the descriptor any more.
    called = []
    pair[1].send(b"data")
    loop.add_reader(pair[0], called.append, "reader")
    loop.add_writer(pair[0], called.append, "writer")
    pair[0].close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        loop.remove_reader(pair[0])
    run_turn()
    assert called == []


def test_closed_socket_that_was_never_watched_is_refused(pair, add, remove):
    add(pair[1], int)
    pair[0].close()
    with pytest.raises(ValueError, match="Invalid file descriptor: -1"):
        remove(pair[0])
    with pytest.raises(ValueError, match="Invalid file descriptor: -1"):
        add(pair[0], int)
    assert remove(pair[1])


def test_closed_socket_that_was_watched_by_its_number_is_refused(pair, add, remove):
    fd = pair[0].fileno()
    add(fd, int)
    pair[0].close()
    with pytest.raises(ValueError, match="Invalid file descriptor: -1"):
        remove(pair[0])
    assert remove(fd)


def test_callback_that_was_added_again_by_the_number_is_found_by_the_object(pair, add, remove):
    add(pair[0], int)
    add(pair[0].fileno(), int)
    pair[0].close()
    assert remove(pair[0])


def test_callback_of_a_closed_socket_can_be_replaced(run_turn, pair, add, remove):
    called = []
    pair[1].send(b"data")
    add(pair[0], called.append, "first")
    pair[0].close()
    add(pair[0], called.append, "second")
    run_turn()
    assert called == []
    assert remove(pair[0])


def test_callback_of_the_other_kind_cannot_be_added_to_a_closed_socket(loop, pair):
    loop.add_reader(pair[0], int)
    pair[0].close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        loop.add_writer(pair[0], int)


def test_closed_file_object_is_refused(loop, no_leaks):
    # Its fileno() raises, unlike a closed socket's, and asyncio asks for it first of all.
    reading_fd, writing_fd = os.pipe()
    with open(reading_fd, "rb", 0) as reading, open(writing_fd, "wb", 0):
        loop.add_reader(reading, int)
    with pytest.raises(ValueError, match="Invalid file object"):
        loop.remove_reader(reading)
    assert loop.remove_reader(reading_fd)


def test_callback_of_a_closed_socket_is_left_alone_by_a_new_socket_of_that_number(loop, pair, run_turn, implementation):
    if implementation.name == "asyncio":
        pytest.skip("asyncio's selector takes the reused descriptor number for the closed socket and never watches the new one")
    called = []
    loop.add_reader(pair[0], called.append, "old")
    fd = pair[0].fileno()
    pair[0].close()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as taken:
        heir = taken if taken.fileno() == fd else socket.socket(fileno=os.dup2(taken.fileno(), fd))
        with heir:
            loop.add_writer(heir, called.append, "new")
            run_turn()
            assert called == ["new"]
            assert loop.remove_reader(pair[0])
            assert loop.remove_writer(heir)


def test_watched_file_object_lives_until_it_is_not_watched(loop, no_leaks):
    def watch():
        left, right = socket.socketpair()
        loop.add_reader(left, int)
        loop.add_writer(left, int)
        return weakref.ref(left), left.fileno(), right

    watched, fd, other_end = watch()
    with other_end:
        gc.collect()
        assert watched() is not None
        loop.remove_reader(fd)
        assert watched() is not None
        # Nobody else holds it: it complains of being left open.
        with pytest.warns(ResourceWarning, match="unclosed"):
            loop.remove_writer(fd)
            gc.collect()
        assert watched() is None


def test_selector_finds_a_closed_socket_by_the_object(loop, pair):
    loop.add_reader(pair[0], int)
    fd = pair[0].fileno()
    pair[0].close()
    key = loop._selector.get_key(pair[0])
    assert (key.fd, key.fileobj) == (fd, pair[0])
    assert loop.remove_reader(pair[0])
