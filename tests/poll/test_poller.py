"""The poller's contract (fastloop/poll/poller.h), the same on every backend."""

import errno
import os
import socket
import sys

import pytest

from actors.connections import tcp_pair
from actors.descriptors import open_descriptors
from actors.peers import fill, reset
from actors.pollers import CLOSED, EDGE, NATIVE, READABLE, WRITABLE


def drain(sock):
    data = b""
    with pytest.raises(BlockingIOError):
        while chunk := sock.recv(65536):
            data += chunk
    return data


# Opening and closing


def test_name_is_the_backend_that_was_compiled(poller, backend):
    assert poller.name == backend


def test_zeroed_poller_is_closed_and_may_be_closed_again(closed_poller):
    closed_poller.close()
    closed_poller.close()
    os.fstat(0)  # descriptor 0 was not taken for the poller's own


def test_closed_poller_answers_with_ebadf(closed_poller, pair):
    with pytest.raises(OSError) as refused_wait:
        closed_poller.wait(0)
    with pytest.raises(OSError) as refused_change:
        closed_poller.set_interest(pair[0], 0, READABLE)
    assert (refused_wait.value.errno, refused_change.value.errno) == (errno.EBADF, errno.EBADF)


def test_closing_twice_closes_once(poller, pair):
    poller.close()
    reused = os.dup(pair[0].fileno())
    poller.close()
    os.fstat(reused)
    os.close(reused)


def test_reopened_poller_has_no_registrations(poller, pair):
    poller.set_interest(pair[0], 0, WRITABLE)
    poller.close()
    poller.open()
    assert poller.ready() == {}


def test_descriptors_of_poller_and_wakeup_are_close_on_exec_and_closed(closed_poller):
    before = open_descriptors().keys()
    closed_poller.open()
    closed_poller.call("wakeup_open")
    opened = open_descriptors().keys() - before
    assert opened
    assert not any(os.get_inheritable(fd) for fd in opened)
    closed_poller.close()
    closed_poller.library.probe_wakeup_close(closed_poller.probe)
    assert open_descriptors().keys() == before


# Levels


def test_level_is_reported_for_as_long_as_it_holds(poller, watched, peer):
    poller.set_interest(watched, 0, READABLE)
    assert poller.ready() == {}
    peer.send(b"data")
    assert poller.ready(10) == {watched.fileno(): READABLE}
    assert poller.ready() == {watched.fileno(): READABLE}
    watched.recv(100)
    assert poller.ready() == {}


def test_writable_is_reported_until_the_buffer_is_full_and_again_when_it_has_room(poller, watched, peer):
    poller.set_interest(watched, 0, WRITABLE)
    assert poller.ready() == {watched.fileno(): WRITABLE}
    fill(watched)
    assert poller.ready() == {}
    drain(peer)
    assert poller.ready(10) == {watched.fileno(): WRITABLE}


def test_both_directions_are_reported_of_one_descriptor(poller, watched, peer):
    poller.set_interest(watched, 0, READABLE | WRITABLE)
    peer.send(b"data")
    assert poller.ready() == {watched.fileno(): READABLE | WRITABLE}


def test_only_the_present_interest_is_reported(poller, watched, peer):
    fd = watched.fileno()
    peer.send(b"data")
    poller.set_interest(watched, 0, READABLE)
    poller.set_interest(watched, READABLE, WRITABLE)
    assert poller.ready() == {fd: WRITABLE}
    poller.set_interest(watched, WRITABLE, READABLE | WRITABLE)
    assert poller.ready() == {fd: READABLE | WRITABLE}
    poller.set_interest(watched, READABLE | WRITABLE, READABLE)
    assert poller.ready() == {fd: READABLE}
    poller.set_interest(watched, READABLE, 0)
    assert poller.ready() == {}


def test_interest_without_a_direction_is_no_registration(poller, watched, peer):
    poller.set_interest(watched, 0, EDGE)
    poller.set_interest(watched, EDGE, READABLE)
    poller.set_interest(watched, READABLE, EDGE)
    peer.close()
    assert poller.ready() == {}


def test_level_takes_the_peers_end_of_sending_for_readable_and_no_more(poller, watched, peer):
    poller.set_interest(watched, 0, READABLE)
    peer.shutdown(socket.SHUT_WR)
    assert poller.ready(10) == {watched.fileno(): READABLE}


@pytest.mark.parametrize("interest", [READABLE | WRITABLE, WRITABLE])
def test_level_takes_its_own_end_of_sending_for_no_data(poller, watched, interest):
    poller.set_interest(watched, 0, interest)
    watched.shutdown(socket.SHUT_WR)
    assert not poller.ready(10)[watched.fileno()] & READABLE
    assert interest == WRITABLE or poller.ready() == {watched.fileno(): WRITABLE}


# Edges


def test_edge_is_reported_once_until_new_data(poller, watched, peer):
    fd = watched.fileno()
    poller.set_interest(watched, 0, READABLE | EDGE)
    peer.send(b"first")
    assert poller.ready(10) == {fd: READABLE}
    assert poller.ready() == {}
    watched.recv(100)
    poller.rearm(watched, READABLE)
    assert poller.ready() == {}
    peer.send(b"second")
    assert poller.ready(10) == {fd: READABLE}


def test_edge_that_is_ready_when_added_is_reported(poller, watched, peer):
    peer.send(b"data")
    poller.set_interest(watched, 0, READABLE | WRITABLE | EDGE)
    assert poller.ready() == {watched.fileno(): READABLE | WRITABLE}
    assert poller.ready() == {}


def test_equal_interests_report_an_edge_again(poller, watched, peer):
    interest = READABLE | EDGE
    peer.send(b"data")
    poller.set_interest(watched, 0, interest)
    assert poller.ready() == {watched.fileno(): READABLE}
    poller.set_interest(watched, interest, interest)
    assert poller.ready() == {watched.fileno(): READABLE}


def test_data_behind_an_urgent_byte_is_reported_after_rearming(poller):
    watched, peer = tcp_pair()
    with watched, peer:
        watched.setblocking(False)
        poller.set_interest(watched, 0, READABLE | EDGE)
        peer.send(b"before")
        peer.send(b"!", socket.MSG_OOB)
        peer.send(b"behind")
        received = b""
        while received != b"beforebehind":
            flags = poller.ready(10)[watched.fileno()]
            received += drain(watched) if flags & CLOSED else watched.recv(100)
            poller.rearm(watched, READABLE)


def test_edge_in_one_direction_does_not_hide_the_other(poller, watched, peer):
    poller.set_interest(watched, 0, READABLE | WRITABLE | EDGE)
    assert poller.ready() == {watched.fileno(): WRITABLE}
    peer.send(b"data")
    assert poller.ready(10)[watched.fileno()] & READABLE


def test_blocked_writer_gets_an_edge_when_there_is_room(poller, watched, peer):
    poller.set_interest(watched, 0, READABLE | WRITABLE | EDGE)
    poller.ready()
    fill(watched)
    poller.rearm(watched, WRITABLE)
    assert poller.ready() == {}
    drain(peer)
    assert poller.ready(10) == {watched.fileno(): WRITABLE}


def test_edge_stays_an_edge_when_other_descriptors_go(poller, pairs):
    (level, _), (edge, edge_peer) = pairs(2)
    poller.set_interest(level, 0, READABLE)
    poller.set_interest(edge, 0, READABLE | EDGE)
    poller.forget(level)
    edge_peer.send(b"data")
    assert [poller.ready(10), poller.ready()] == [{edge.fileno(): READABLE}, {}]


def test_rearming_only_wakes_directions_of_the_interest(poller, watched):
    poller.set_interest(watched, 0, READABLE | EDGE)
    poller.rearm(watched, READABLE | WRITABLE)
    assert poller.ready() == {}


def test_rearming_a_descriptor_that_is_not_registered_does_nothing(poller, pair):
    for fd in (pair[0].fileno(), -1, 1 << 30):
        poller.rearm(fd, READABLE)
    assert poller.ready() == {}


def test_level_that_becomes_an_edge_and_an_edge_that_becomes_a_level(poller, watched, peer):
    fd = watched.fileno()
    peer.send(b"data")
    poller.set_interest(watched, 0, READABLE)
    poller.set_interest(watched, READABLE, READABLE | EDGE)
    assert [poller.ready(), poller.ready()] == [{fd: READABLE}, {}]
    poller.set_interest(watched, READABLE | EDGE, READABLE)
    assert [poller.ready(), poller.ready()] == [{fd: READABLE}, {fd: READABLE}]


def test_edge_tells_of_the_end_that_waits_behind_data(poller, backend):
    if backend == "poll" and not sys.platform.startswith("linux"):
        pytest.skip("poll(2) tells it on Linux only")
    watched, peer = tcp_pair()
    watched.setblocking(False)
    with watched, peer:
        poller.set_interest(watched, 0, READABLE | EDGE)
        peer.send(b"last words")
        peer.shutdown(socket.SHUT_WR)
        flags = 0
        while not flags & CLOSED:
            events = poller.ready(10)
            assert events
            flags |= events[watched.fileno()]
            poller.rearm(watched, READABLE)
        assert flags == READABLE | CLOSED


def test_half_closed_edge_still_hears_that_it_may_write(poller, watched, peer):
    poller.set_interest(watched, 0, READABLE | WRITABLE | EDGE)
    poller.ready()
    fill(watched)
    poller.rearm(watched, WRITABLE)
    peer.shutdown(socket.SHUT_WR)
    assert poller.ready(10)[watched.fileno()] & READABLE
    drain(peer)
    assert poller.ready(10)[watched.fileno()] & WRITABLE


# Errors and hang-ups


def test_hang_up_is_reported_to_a_reader(poller, watched, peer):
    poller.set_interest(watched, 0, READABLE)
    peer.close()
    assert poller.ready(10)[watched.fileno()] & (READABLE | CLOSED)


def test_writer_of_a_full_pipe_hears_that_the_reader_left(poller):
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(write_end, b"x" * 65536)
    poller.set_interest(write_end, 0, WRITABLE)
    assert poller.ready() == {}
    os.close(read_end)
    assert poller.ready(10)[write_end] & CLOSED
    poller.forget(write_end)
    os.close(write_end)


def test_reset_connection_is_reported_as_closed(poller):
    watched, peer = tcp_pair()
    watched.setblocking(False)
    with watched:
        poller.set_interest(watched, 0, READABLE | EDGE)
        reset(peer)
        assert poller.ready(10)[watched.fileno()] & CLOSED
        with pytest.raises(ConnectionResetError):
            watched.recv(1)


def test_hang_up_of_an_edge_is_not_reported_for_ever(poller, watched, peer):
    poller.set_interest(watched, 0, READABLE | WRITABLE | EDGE)
    poller.ready()
    peer.close()
    assert poller.ready(10)[watched.fileno()] & CLOSED
    assert poller.ready() == {}


def test_edge_that_reported_an_error_reports_data_afterwards(poller):
    with socket.socket(type=socket.SOCK_DGRAM) as watched, socket.socket(type=socket.SOCK_DGRAM) as peer:
        with socket.socket(type=socket.SOCK_DGRAM) as reserved:
            reserved.bind(("127.0.0.1", 0))
            address = reserved.getsockname()
        watched.connect(address)
        watched.setblocking(False)
        poller.set_interest(watched, 0, READABLE | EDGE)
        watched.send(b"nobody listens")
        assert poller.ready(10)[watched.fileno()] & CLOSED
        with pytest.raises(ConnectionRefusedError):
            watched.recv(100)
        poller.rearm(watched, READABLE)
        assert poller.ready() == {}
        peer.bind(address)
        peer.sendto(b"data", watched.getsockname())
        assert poller.ready(10) == {watched.fileno(): READABLE}


def test_failed_connect_is_reported_to_a_writer(poller):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
    with socket.socket() as watched:
        watched.setblocking(False)
        assert watched.connect_ex(address) in (errno.EINPROGRESS, errno.ECONNREFUSED)
        poller.set_interest(watched, 0, WRITABLE)
        assert poller.ready(10)[watched.fileno()] & (WRITABLE | CLOSED)


# Descriptors that are closed


def test_forgetting_silences_the_events_that_are_still_in_the_batch(poller, pairs):
    (first, first_peer), (second, second_peer) = pairs(2)
    for watched, peer in ((first, first_peer), (second, second_peer)):
        poller.set_interest(watched, 0, READABLE | WRITABLE)
        peer.send(b"data")
    assert set(poller.ready()) == {first.fileno(), second.fileno()}
    poller.forget(first)
    left = {fd for fd, flags in poller.last_batch() if flags}
    assert left == {second.fileno()}


def test_forgotten_descriptor_is_not_reported_and_can_be_added_again(poller, watched, peer):
    poller.set_interest(watched, 0, READABLE)
    peer.send(b"data")
    poller.forget(watched)
    assert poller.ready() == {}
    poller.set_interest(watched, 0, READABLE)
    assert poller.ready() == {watched.fileno(): READABLE}


def test_forgetting_what_is_not_registered_does_nothing(poller, pair):
    closed = os.dup(pair[0].fileno())
    os.close(closed)
    for fd in (pair[0].fileno(), closed, -1, 1 << 30):
        poller.forget(fd)
    assert poller.ready() == {}


def test_forgetting_before_closing_ends_reports_although_a_duplicate_lives_on(poller, watched, peer):
    watched_number = os.dup(watched.fileno())
    poller.set_interest(watched_number, 0, READABLE)
    poller.forget(watched_number)
    os.close(watched_number)
    peer.send(b"data")
    assert poller.ready() == {}


def test_descriptor_that_others_close_causes_no_busy_loop(poller, pair):
    watched = os.dup(pair[0].fileno())
    poller.set_interest(watched, 0, READABLE)
    for end in pair:
        end.close()
    os.close(watched)
    assert poller.ready() in ({}, {watched: CLOSED})
    assert poller.wait(0.002) == []


@pytest.mark.parametrize("old, new", [(READABLE, READABLE | WRITABLE), (0, READABLE)], ids=["change of interest", "new descriptor"])
def test_number_reused_behind_our_back_works(poller, pairs, old, new):
    (first, _), (second, second_peer) = pairs(2)
    fd = first.fileno()
    poller.set_interest(fd, 0, READABLE)
    os.dup2(second.fileno(), fd)
    poller.set_interest(fd, old, new)
    second_peer.send(b"data")
    assert poller.ready(10) == {fd: new}


def test_adding_what_is_registered_changes_its_interest(poller, pair):
    poller.set_interest(pair[0], 0, READABLE)
    poller.set_interest(pair[0], 0, WRITABLE | READABLE)
    assert poller.ready() == {pair[0].fileno(): WRITABLE}


def test_changing_what_is_not_registered_adds_it(poller, pair):
    poller.set_interest(pair[0], READABLE, WRITABLE)
    assert poller.ready() == {pair[0].fileno(): WRITABLE}


def test_removing_succeeds_whatever_became_of_the_number(poller, pair, tmp_path):
    never_added = pair[1].fileno()
    poller.set_interest(never_added, READABLE, 0)
    closed = os.dup(pair[0].fileno())
    poller.set_interest(closed, 0, READABLE)
    os.close(closed)
    poller.set_interest(closed, READABLE, 0)
    regular_file = os.open(tmp_path / "file", os.O_CREAT | os.O_RDWR)
    poller.set_interest(regular_file, READABLE, 0)
    os.close(regular_file)
    assert poller.ready() == {}


# Refusals


@pytest.mark.parametrize("old_interest", [0, READABLE])
def test_closed_descriptor_is_refused_with_ebadf(poller, pair, old_interest):
    closed = os.dup(pair[0].fileno())
    os.close(closed)
    for fd in (closed, -1, 1 << 30):
        with pytest.raises(OSError) as refused:
            poller.set_interest(fd, old_interest, READABLE | WRITABLE)
        assert refused.value.errno == errno.EBADF


def test_regular_file_is_refused_with_eperm_or_always_ready(poller, backend, tmp_path):
    with open(tmp_path / "file", "w+b", buffering=0) as file:
        file.write(b"data")
        file.seek(0)
        if NATIVE == "epoll" and backend != "poll":
            with pytest.raises(PermissionError) as refused:
                poller.set_interest(file, 0, READABLE)
            assert refused.value.errno == errno.EPERM
        else:
            poller.set_interest(file, 0, READABLE)
            assert poller.ready() == {file.fileno(): READABLE}
            poller.forget(file)


@pytest.mark.parametrize("capacity", [0, -1])
def test_batch_without_room_is_refused_with_einval(poller, capacity):
    with pytest.raises(OSError) as refused:
        poller.wait(0, capacity=capacity)
    assert refused.value.errno == errno.EINVAL


def test_cleaning_up_keeps_errno(closed_poller, pair):
    closed_poller.open()
    closed_poller.call("wakeup_open")
    never_registered = pair[0].fileno()
    assert closed_poller.call("errno_after_cleanup", never_registered, errno.ENOTTY) == errno.ENOTTY


# Batches


def test_short_batches_serve_every_descriptor(poller, pairs):
    watched = {ours.fileno() for ours, _ in pairs(20)}
    for fd in watched:
        poller.set_interest(fd, 0, WRITABLE)
    served = set()
    for _ in range(7):
        batch = poller.wait(10, capacity=3)
        assert len(batch) == 3
        served |= {fd for fd, _ in batch}
    assert served == watched


def test_edges_that_found_no_room_in_a_batch_come_with_the_next(poller, pairs):
    watched = {ours.fileno() for ours, _ in pairs(10)}
    for fd in watched:
        poller.set_interest(fd, 0, WRITABLE | EDGE)
    first = [fd for fd, _ in poller.wait(0, capacity=4)]
    second = [fd for fd, _ in poller.wait(0, capacity=100)]
    assert len(first) == 4
    assert sorted(first + second) == sorted(watched)


def test_closed_descriptors_leave_the_others_alone(poller, pairs):
    made = pairs(30)
    kept, closed = set(), []
    for index, (ours, peer) in enumerate(made):
        poller.set_interest(ours, 0, READABLE)
        peer.send(b"data")
        if index % 3:
            kept.add(ours.fileno())
        else:
            closed.append(ours)
    for ours in closed:
        ours.close()
    reported = poller.ready()
    assert {fd for fd, flags in reported.items() if flags & READABLE} == kept
    assert set(poller.ready()) == kept
