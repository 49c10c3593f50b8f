"""How long poller_wait() waits: never too short, not much too long, and forever if asked to."""

import errno
import os
import signal
import sys
import time

import pytest

from actors.pollers import READABLE, WRITABLE

INT_MAX = 2**31 - 1


def elapsed_ns(poller, timeout_ns):
    before = time.monotonic_ns()
    assert poller.wait_ns(timeout_ns) == []
    return time.monotonic_ns() - before


def test_wait_never_ends_early(poller):
    timeout_ns = 300_000
    durations = [elapsed_ns(poller, timeout_ns) for _ in range(200)]
    assert [duration for duration in durations if duration < timeout_ns] == []


@pytest.mark.parametrize("timeout_ns", [1, 999_999, 1_000_001, 2_500_000])
def test_odd_timeouts_never_end_early(poller, timeout_ns):
    durations = [elapsed_ns(poller, timeout_ns) for _ in range(20)]
    assert [duration for duration in durations if duration < timeout_ns] == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="poll(2) counts milliseconds elsewhere")
def test_wait_is_finer_than_a_millisecond(poller):
    shortest_ns = min(elapsed_ns(poller, 300_000) for _ in range(50))
    if poller.has_only_milliseconds:
        pytest.skip("this kernel or container has no epoll_pwait2")
    assert shortest_ns < 900_000


@pytest.mark.parametrize("error", [errno.ENOSYS, errno.EPERM])
def test_kernel_without_epoll_pwait2_gets_milliseconds_that_are_never_early(poller, backend, run_in_child, error):
    if backend != "epoll":
        pytest.skip("only epoll has the call")

    def wait_without_the_call():
        if poller.library.probe_refuse_epoll_pwait2(error) == -1:
            return  # seccomp is not available here
        assert elapsed_ns(poller, 300_000) >= 300_000
        assert poller.has_only_milliseconds
        assert min(elapsed_ns(poller, 1_200_000) for _ in range(5)) >= 2_000_000
        os.write(write_end, b"x")
        assert poller.wait(10) == [(read_end, READABLE)]

    read_end, write_end = os.pipe()
    poller.set_interest(read_end, 0, READABLE)
    run_in_child(wait_without_the_call)
    poller.forget(read_end)
    os.close(read_end)
    os.close(write_end)


def test_zero_does_not_wait(poller):
    # 1,000 waits of even one millisecond would take a second.
    before = time.monotonic()
    for _ in range(1000):
        poller.wait_ns(0)
    assert time.monotonic() - before < 0.9


@pytest.mark.parametrize("timeout_ns", [-1, -(2**63), 2**63 - 1, (INT_MAX + 1) * 1_000_000])
def test_wait_of_any_length_ends_with_an_event(poller, watched, peer, timeout_ns):
    poller.set_interest(watched, 0, READABLE)
    peer.send(b"data")
    assert poller.wait_ns(timeout_ns) == [(watched.fileno(), READABLE)]


@pytest.mark.parametrize(
    ("timeout_ns", "timeout_ms"),
    [
        (-1, -1),
        (-(2**63), -1),
        (0, 0),
        (1, 1),
        (999_999, 1),
        (1_000_000, 1),
        (1_000_001, 2),
        (INT_MAX * 1_000_000, INT_MAX),
        (INT_MAX * 1_000_000 + 1, INT_MAX),
        (2**63 - 1, INT_MAX),
    ],
)
def test_milliseconds_are_rounded_up_and_cut_to_what_an_int_holds(probe_library, backend, timeout_ns, timeout_ms):
    assert probe_library(backend).probe_timeout_to_ms(timeout_ns) == timeout_ms


@pytest.mark.parametrize("timeout_ns", [-1, 10_000_000_000])
def test_signal_ends_the_wait_with_eintr(poller, timeout_ns):
    received = []
    previous = signal.signal(signal.SIGALRM, lambda number, frame: received.append(number))
    try:
        # Repeats, in case the first one arrives before the wait has begun.
        signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
        with pytest.raises(InterruptedError):
            poller.wait_ns(timeout_ns)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert received


# Fork


def test_child_gets_a_poller_of_its_own_and_the_parents_stays_as_it_was(poller, watched, peer, run_in_child):
    peer.send(b"data")
    poller.set_interest(watched, 0, READABLE)

    def use_another_poller():
        poller.reopen_after_fork()
        assert poller.ready() == {}
        poller.set_interest(watched, 0, WRITABLE)
        assert poller.ready() == {watched.fileno(): WRITABLE}
        poller.forget(watched)
        assert poller.ready() == {}
        poller.close()

    run_in_child(use_another_poller)
    assert poller.ready() == {watched.fileno(): READABLE}


def test_child_that_closes_its_poller_leaves_the_parents_open(poller, watched, peer, run_in_child):
    poller.set_interest(watched, 0, READABLE)
    run_in_child(poller.close)
    peer.send(b"data")
    assert poller.ready(10) == {watched.fileno(): READABLE}
