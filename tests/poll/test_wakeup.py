"""Waking a waiting thread (fastloop/poll/wakeup.h): eventfd and pipe, on every backend."""

import concurrent.futures
import os
import threading

import pytest

from actors.pollers import READABLE


def signal_wakeup(poller):
    poller.library.probe_wakeup_signal(poller.probe)


def drain_wakeup(poller):
    poller.library.probe_wakeup_drain(poller.probe)


def acknowledge(poller):
    """What the owner does with the wake-up's event."""
    if poller.wakeup_needs_drain:
        drain_wakeup(poller)


def test_signal_before_the_wait_ends_it(wakeup_poller):
    signal_wakeup(wakeup_poller)
    assert wakeup_poller.ready(10) == {wakeup_poller.call("wakeup_fd"): READABLE}


def test_signal_from_another_thread_ends_an_endless_wait(wakeup_poller):
    batches = []
    waiter = threading.Thread(target=lambda: batches.append(wakeup_poller.wait_ns(-1)))
    waiter.start()
    signal_wakeup(wakeup_poller)
    waiter.join()
    assert batches == [[(wakeup_poller.call("wakeup_fd"), READABLE)]]


def test_many_signals_end_one_wait(wakeup_poller):
    for _ in range(1000):
        signal_wakeup(wakeup_poller)
    assert len(wakeup_poller.wait(10)) == 1
    acknowledge(wakeup_poller)
    assert wakeup_poller.wait(0) == []


def test_acknowledged_wakeup_can_be_signalled_again(wakeup_poller):
    for _ in range(5):
        signal_wakeup(wakeup_poller)
        assert len(wakeup_poller.wait(10)) == 1
        acknowledge(wakeup_poller)
        assert wakeup_poller.wait(0) == []


def test_more_signals_than_a_pipe_holds_neither_block_nor_get_lost(wakeup_poller):
    for _ in range(100_000):
        signal_wakeup(wakeup_poller)
    assert len(wakeup_poller.wait(10)) == 1
    drain_wakeup(wakeup_poller)
    assert wakeup_poller.wait(0) == []
    signal_wakeup(wakeup_poller)
    assert len(wakeup_poller.wait(10)) == 1


def test_draining_without_a_signal_does_not_block(wakeup_poller):
    drain_wakeup(wakeup_poller)
    assert wakeup_poller.wait(0) == []


def test_no_signal_of_several_threads_is_lost(wakeup_poller):
    threads, rounds = 4, 500
    arrived = []

    def announce():
        for _ in range(rounds):
            arrived.append(None)
            signal_wakeup(wakeup_poller)

    def wait_for_all():
        while len(arrived) < threads * rounds:
            assert wakeup_poller.wait(10), len(arrived)
            acknowledge(wakeup_poller)

    with concurrent.futures.ThreadPoolExecutor(threads + 1) as executor:
        for running in [executor.submit(function) for function in (wait_for_all, *[announce] * threads)]:
            running.result()


def test_closed_wakeup_ignores_signals_and_may_be_closed_again(wakeup_poller):
    wakeup_poller.forget(wakeup_poller.call("wakeup_fd"))
    wakeup_poller.library.probe_wakeup_close(wakeup_poller.probe)
    wakeup_poller.library.probe_wakeup_close(wakeup_poller.probe)
    signal_wakeup(wakeup_poller)
    drain_wakeup(wakeup_poller)
    assert wakeup_poller.library.probe_wakeup_fd(wakeup_poller.probe) == -1


def test_zeroed_wakeup_does_not_touch_descriptor_0(closed_poller):
    closed_poller.library.probe_wakeup_signal(closed_poller.probe)
    closed_poller.library.probe_wakeup_drain(closed_poller.probe)
    closed_poller.library.probe_wakeup_close(closed_poller.probe)
    assert closed_poller.library.probe_wakeup_fd(closed_poller.probe) == -1
    os.fstat(0)


def test_descriptor_is_non_blocking_and_close_on_exec(wakeup_poller):
    fd = wakeup_poller.call("wakeup_fd")
    assert not os.get_blocking(fd)
    assert not os.get_inheritable(fd)


@pytest.mark.parametrize("signaller", ["parent", "child"])
def test_parent_and_child_do_not_hear_each_others_signals(wakeup_poller, run_in_child, signaller):
    if signaller == "parent":
        signal_wakeup(wakeup_poller)

    def take_own_descriptors():
        wakeup_poller.reopen_after_fork()
        wakeup_poller.call("wakeup_reopen_after_fork")
        wakeup_poller.set_interest(wakeup_poller.call("wakeup_fd"), 0, wakeup_poller.wakeup_interest)
        assert wakeup_poller.wait(0) == []
        drain_wakeup(wakeup_poller)
        if signaller == "child":
            signal_wakeup(wakeup_poller)
            assert len(wakeup_poller.wait(10)) == 1

    run_in_child(take_own_descriptors)
    assert len(wakeup_poller.wait(0)) == (1 if signaller == "parent" else 0)
