"""The poller against a model of it: any order of additions, changes and removals ends in the right reports."""

import os
import random
import resource
import socket

import pytest

from actors.pollers import EDGE, NATIVE, READABLE, WRITABLE

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies

INTERESTS = [0, READABLE, WRITABLE, READABLE | WRITABLE]
SOCKETS = 6

steps = st.lists(
    st.tuples(
        st.sampled_from(["set_interest", "send", "read", "forget", "replace", "compare"]),
        st.integers(0, SOCKETS - 1),
        st.sampled_from(INTERESTS),
        st.booleans(),
    ),
    max_size=60,
)


class Watched:
    """One socket with its peer, the interest last set, and what the poller owes: the model."""

    def __init__(self):
        self.interest = 0
        self.has_data = False
        self.connect()

    def connect(self):
        self.socket, self.peer = socket.socketpair()
        self.socket.setblocking(False)

    def expected(self):
        ready = WRITABLE | (READABLE if self.has_data else 0)
        return ready & self.interest

    def close(self):
        self.socket.close()
        self.peer.close()


def take_step(poller, watched, action, interest, is_clean):
    if action == "set_interest":
        poller.set_interest(watched.socket, watched.interest, interest)
        watched.interest = interest
    elif action == "send":
        watched.peer.send(b"x")
        watched.has_data = True
    elif action == "read" and watched.has_data:
        watched.socket.recv(65536)
        watched.has_data = False
    elif action == "forget":
        poller.forget(watched.socket)
        watched.interest = 0
    elif action == "replace":
        # The new socket gets the old number, whether or not the poller was told about the closing.
        if is_clean:
            poller.forget(watched.socket)
        watched.close()
        watched.connect()
        watched.has_data = False
        poller.set_interest(watched.socket, 0 if is_clean else watched.interest, interest)
        watched.interest = interest


@hypothesis.settings(deadline=None, max_examples=200, database=None)
@hypothesis.given(steps=steps)
def test_levels_are_what_the_model_says_after_any_steps(new_poller, steps):
    poller = new_poller()
    pool = [Watched() for _ in range(SOCKETS)]
    try:
        for action, index, interest, is_clean in [*steps, ("compare", 0, 0, False)]:
            take_step(poller, pool[index], action, interest, is_clean)
            if action == "compare":
                expected = {each.socket.fileno(): each.expected() for each in pool if each.expected()}
                assert poller.ready() == expected
    finally:
        poller.dispose()
        for each in pool:
            each.close()


@hypothesis.settings(deadline=None, max_examples=200, database=None)
@hypothesis.given(steps=st.lists(st.tuples(st.sampled_from(["send", "serve"]), st.integers(0, SOCKETS - 1)), max_size=80))
def test_owner_that_rearms_what_would_block_misses_no_edge(new_poller, steps):
    poller = new_poller()
    pool = [Watched() for _ in range(SOCKETS)]
    by_fd = {each.socket.fileno(): each for each in pool}
    try:
        for each in pool:
            poller.set_interest(each.socket, 0, READABLE | WRITABLE | EDGE)
        for action, index in [*steps, ("serve", 0)]:
            if action == "send":
                pool[index].peer.send(b"x")
                pool[index].has_data = True
                continue
            for fd, flags in poller.ready().items():
                if flags & READABLE:
                    assert by_fd[fd].socket.recv(65536)
                    by_fd[fd].has_data = False
                    poller.rearm(fd, READABLE)
            assert [each for each in pool if each.has_data] == []
    finally:
        poller.dispose()
        for each in pool:
            each.close()


@pytest.fixture
def thousands_of_pipes(backend):
    """2,500 pipes, or fewer if the limit on descriptors requires it: (fd, what it is always ready for)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The emulation of kqueue reads a line for each registered descriptor at each change.
    wanted = (600 if backend == "kqueue" != NATIVE else 5000) + 200
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft == resource.RLIM_INFINITY or soft > limit:
        limit = soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    descriptors = []
    count = (min(limit, wanted) if limit != resource.RLIM_INFINITY else wanted) - 200
    try:
        for _ in range(count // 2):
            read_end, write_end = os.pipe()
            descriptors += [(read_end, READABLE), (write_end, WRITABLE)]
            os.write(write_end, b"x")
        yield descriptors
    finally:
        for fd, _ in descriptors:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def report_everything(poller, expected_count):
    """All that is ready, however small the backend's batches are."""
    reported = {}
    for _ in range(expected_count // 256 + 2):
        reported.update(poller.ready())
    return reported


def test_thousands_of_descriptors_follow_thousands_of_random_changes(poller, thousands_of_pipes):
    choose = random.Random(20_000)
    interests = {}
    steps = 4 * len(thousands_of_pipes)
    for step in range(steps):
        fd, _ = choose.choice(thousands_of_pipes)
        old = interests.get(fd, 0)
        # Mostly additions in the first half and removals in the second: the poller grows and shrinks.
        new = choose.choice([0, READABLE, WRITABLE, READABLE | WRITABLE])
        if choose.random() < 0.5:
            new = READABLE | WRITABLE if step < steps / 2 else 0
        if new == 0 and choose.random() < 0.5:
            poller.forget(fd)
        else:
            poller.set_interest(fd, old, new)
        interests[fd] = new
        if (step + 1) % (steps // 8) == 0:
            expected = {fd: kind for fd, kind in thousands_of_pipes if interests.get(fd, 0) & kind}
            assert report_everything(poller, len(expected)) == expected
