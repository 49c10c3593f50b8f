"""Every signal wakes the loop of the main thread, also one that does not interrupt its wait (fastloop/core/signal_wakeup.pyx).

asyncio wakes only if the signal interrupts the system call, or add_signal_handler() was called.
"""

import os
import resource
import signal
import threading
import time

import pytest

from actors.callbacks import StoppingCallback
from actors.forked_children import in_forked_child
from actors.threads import call_in_thread, in_thread

pytestmark = pytest.mark.fastloop_only


@pytest.fixture(autouse=True)
def restored_handlers():
    handlers = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    assert signal.set_wakeup_fd(-1) == -1


@pytest.fixture
def own_wakeup():
    """A wake-up descriptor that the program has set: what is written to it can be read from the first one."""
    ends = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(ends[1])
    yield ends
    signal.set_wakeup_fd(-1)
    for end in ends:
        os.close(end)


def interrupt_another_thread(number):
    """Let this thread take the signal when the loop's had time to fall asleep: that one's wait is not interrupted."""
    time.sleep(0.05)
    signal.pthread_kill(threading.get_ident(), number)


def current_wakeup_fd():
    fd = signal.set_wakeup_fd(-1)
    if fd != -1:
        signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
    return fd


def run_until_signal(loop, number=signal.SIGUSR1):
    """Run the loop until another thread has taken a signal. The handler is Python's."""
    signal.signal(number, lambda number, frame: loop.stop())
    with in_thread(interrupt_another_thread, number):
        loop.run_forever()


def test_signal_that_another_thread_takes_wakes_the_loop(loop):
    run_until_signal(loop)


def test_signals_wake_the_loop_in_every_run(loop):
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGUSR1):
        run_until_signal(loop, number)


def test_interruption_by_a_signal_that_another_thread_takes_ends_the_run(loop):
    signal.signal(signal.SIGUSR1, signal.default_int_handler)
    with in_thread(interrupt_another_thread, signal.SIGUSR1):
        with pytest.raises(KeyboardInterrupt):
            loop.run_forever()
    assert current_wakeup_fd() == -1


def test_signals_still_wake_the_loop_when_its_last_handler_is_removed(loop):
    def remove():
        loop.remove_signal_handler(signal.SIGUSR2)
        signal.signal(signal.SIGUSR1, lambda number, frame: loop.stop())

    loop.add_signal_handler(signal.SIGUSR2, int)
    loop.call_soon(remove)
    with in_thread(interrupt_another_thread, signal.SIGUSR1):
        loop.run_forever()


def test_handlers_of_the_loop_run_while_others_of_python_wake_it(loop):
    handler = StoppingCallback(loop)
    loop.add_signal_handler(signal.SIGUSR1, handler, "added")
    with in_thread(interrupt_another_thread, signal.SIGUSR1):
        loop.run_forever()
    assert handler.results == [("added",)]
    run_until_signal(loop, signal.SIGUSR2)


def test_thousands_of_signals_between_two_polls_leave_the_loop_working(loop):
    calls = []
    signal.signal(signal.SIGUSR2, lambda number, frame: calls.append(number))
    # More than the pipe holds.
    loop.call_soon(lambda: [os.kill(os.getpid(), signal.SIGUSR2) for _ in range(70_000)])
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert len(calls) == 70_000
    run_until_signal(loop)


def test_wakeup_descriptor_is_given_back_after_each_run(loop, run_turn):
    for _ in range(2):
        run_turn()
        assert current_wakeup_fd() == -1


def test_wakeup_descriptor_of_the_program_is_left_alone(loop, own_wakeup):
    seen = []
    signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    loop.call_soon(lambda: seen.append(current_wakeup_fd()))
    loop.call_soon(os.kill, os.getpid(), signal.SIGUSR1)
    loop.call_soon(loop.call_soon, loop.stop)
    loop.run_forever()
    assert seen == [own_wakeup[1], signal.SIGUSR1]
    assert os.read(own_wakeup[0], 100) == bytes([signal.SIGUSR1])
    assert current_wakeup_fd() == own_wakeup[1]


def test_wakeup_descriptor_that_the_program_sets_during_a_run_stays(loop, own_wakeup):
    signal.set_wakeup_fd(-1)
    loop.call_soon(signal.set_wakeup_fd, own_wakeup[1])
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert current_wakeup_fd() == own_wakeup[1]


def test_wakeup_descriptor_that_the_program_has_closed_is_replaced(loop, run_turn):
    # The loop opens its pipe, which would otherwise get the closed numbers.
    run_turn()
    ends = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(ends[1])
    for end in ends:
        os.close(end)
    run_until_signal(loop)


def test_loop_in_another_thread_leaves_the_wakeup_descriptor_alone(new_loop):
    loop, other_loop = new_loop(), new_loop()

    def run_other_loop():
        other_loop.call_soon(other_loop.stop)
        call_in_thread(other_loop.run_forever)

    # With its own pipe, too.
    run_until_signal(other_loop)
    loop.call_soon(run_other_loop)
    run_until_signal(loop)


def test_forked_child_does_not_write_to_its_parents_pipe(loop):
    fork = StoppingCallback(loop, lambda: in_forked_child(current_wakeup_fd))
    loop.call_soon(fork)
    loop.run_forever()
    assert fork.results == ["-1"]
    run_until_signal(loop)


def test_loop_runs_where_no_descriptor_is_free(new_loop):
    loop = new_loop()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    ballast = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with pytest.raises(OSError):
            while True:
                ballast.append(os.open(os.devnull, os.O_RDONLY))
        loop.call_soon(loop.stop)
        loop.run_forever()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for number in ballast:
            os.close(number)
    # The next run finds some.
    run_until_signal(loop)
