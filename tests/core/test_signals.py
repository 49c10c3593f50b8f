"""add_signal_handler(), Python's own signal handlers and Ctrl-C, while the loop runs and while it sleeps."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from actors.callbacks import StoppingCallback
from actors.coroutines import wait_until_cancelled
from actors.failures import fail, raising
from actors.threads import call_in_thread, in_thread


@pytest.fixture(autouse=True)
def restored_signals():
    """Give back every signal's handler and the wake-up descriptor."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)
    handlers = {number: signal.getsignal(number) for number in numbers}
    # A shell's background job starts with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in handlers.items():
        signal.signal(number, handler)
    assert signal.set_wakeup_fd(-1) == -1


def send_to_self(number):
    os.kill(os.getpid(), number)


def alarm_while_asleep():
    """Send SIGALRM to this process when the loop had time to fall asleep.

    And again: asyncio notices a signal in the very moment before the sleep only after it.
    """
    signal.setitimer(signal.ITIMER_REAL, 0.02, 5)


def test_handler_runs_when_the_signal_arrives_and_gets_its_arguments(loop):
    handler = StoppingCallback(loop)
    loop.add_signal_handler(signal.SIGUSR1, handler, 1, "two")
    loop.call_soon(send_to_self, signal.SIGUSR1)
    loop.run_forever()
    assert handler.results == [(1, "two")]


def test_signal_wakes_a_loop_that_sleeps(loop):
    loop.add_signal_handler(signal.SIGALRM, loop.stop)
    alarm_while_asleep()
    loop.run_forever()


def test_handler_runs_in_the_loop_and_may_use_it(loop):
    seen = []

    def handler():
        seen.append(asyncio.get_running_loop())
        loop.call_soon(loop.stop)

    loop.add_signal_handler(signal.SIGUSR1, handler)
    loop.call_soon(send_to_self, signal.SIGUSR1)
    loop.run_forever()
    assert seen == [loop]


def test_signal_that_arrived_before_the_loop_ran_is_handled(loop):
    loop.add_signal_handler(signal.SIGUSR1, loop.stop)
    send_to_self(signal.SIGUSR1)
    loop.run_forever()


def test_signals_of_different_kinds_reach_their_own_handlers(loop):
    handler = StoppingCallback(loop, lambda name: name, calls=2)
    loop.add_signal_handler(signal.SIGUSR1, handler, "usr1")
    loop.add_signal_handler(signal.SIGUSR2, handler, "usr2")
    loop.call_soon(send_to_self, signal.SIGUSR1)
    loop.call_soon(send_to_self, signal.SIGUSR2)
    loop.run_forever()
    assert sorted(handler.results) == ["usr1", "usr2"]


def test_handler_runs_once_for_each_of_many_signals(loop):
    calls = []

    def handler():
        calls.append(None)
        if len(calls) == 100:
            loop.stop()
        else:
            send_to_self(signal.SIGUSR1)

    loop.add_signal_handler(signal.SIGUSR1, handler)
    loop.call_soon(send_to_self, signal.SIGUSR1)
    loop.run_forever()
    assert len(calls) == 100


def test_second_handler_replaces_the_first(loop):
    loop.add_signal_handler(signal.SIGUSR1, pytest.fail, "replaced")
    loop.add_signal_handler(signal.SIGUSR1, loop.stop)
    loop.call_soon(send_to_self, signal.SIGUSR1)
    loop.run_forever()


def test_remove_tells_whether_there_was_a_handler(loop):
    loop.add_signal_handler(signal.SIGUSR1, int)
    assert loop.remove_signal_handler(signal.SIGUSR1) is True
    assert loop.remove_signal_handler(signal.SIGUSR1) is False


@pytest.mark.parametrize("number, default", [(signal.SIGUSR1, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)])
def test_removing_the_handler_restores_the_default(loop, number, default):
    loop.add_signal_handler(number, int)
    loop.remove_signal_handler(number)
    assert signal.getsignal(number) is default


def test_closing_the_loop_removes_its_handlers(new_loop):
    loop = new_loop()
    loop.add_signal_handler(signal.SIGUSR1, int)
    loop.add_signal_handler(signal.SIGUSR2, int)
    loop.close()
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL
    assert signal.set_wakeup_fd(-1) == -1


def test_exception_of_a_handler_goes_to_the_exception_handler(loop):
    handle = StoppingCallback(loop, lambda loop, context: type(context["exception"]))
    loop.set_exception_handler(handle)
    loop.add_signal_handler(signal.SIGUSR1, fail)
    loop.call_soon(send_to_self, signal.SIGUSR1)
    loop.run_forever()
    assert handle.results == [ZeroDivisionError]


def test_pythons_own_handler_runs_while_the_loop_sleeps(loop):
    calls = []

    def handler(number, frame):
        calls.append(number)
        # This is how asyncio.Runner's handler wakes its loop: from the signal handler, in the loop's thread.
        loop.call_soon_threadsafe(loop.stop)

    signal.signal(signal.SIGALRM, handler)
    alarm_while_asleep()
    loop.run_forever()
    assert calls == [signal.SIGALRM]


def test_exception_of_pythons_own_handler_leaves_run_forever_at_once(loop):
    class Alarm(BaseException):
        pass

    signal.signal(signal.SIGALRM, raising(Alarm))
    alarm_while_asleep()
    with pytest.raises(Alarm):
        loop.run_forever()
    assert not loop.is_running()


def test_keyboard_interrupt_leaves_a_sleeping_loop_at_once_and_the_loop_can_go_on(loop, run_turn):
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    alarm_while_asleep()
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    run_turn()


def test_keyboard_interrupt_leaves_a_busy_loop(loop):
    busy = None

    def keep_busy():
        nonlocal busy
        busy = loop.call_soon(keep_busy)

    keep_busy()
    loop.call_soon(send_to_self, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    busy.cancel()


def test_signal_from_another_process_stops_the_loop(loop):
    loop.add_signal_handler(signal.SIGTERM, loop.stop)
    sender = subprocess.Popen([sys.executable, "-c", f"import os; os.kill({os.getpid()}, {int(signal.SIGTERM)})"])
    loop.run_forever()
    assert sender.wait() == 0


def test_sigchld_handler_sees_a_child_end(loop):
    loop.add_signal_handler(signal.SIGCHLD, loop.stop)
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    loop.run_forever()
    assert child.wait() == 0


def test_ctrl_c_cancels_the_main_task_of_a_runner(implementation, no_leaks):
    cancellations = []

    async def main():
        asyncio.get_running_loop().call_soon(send_to_self, signal.SIGINT)
        await wait_until_cancelled(cancellations)

    with pytest.raises(KeyboardInterrupt):
        with asyncio.Runner(loop_factory=implementation.new_event_loop) as runner:
            runner.run(main())
    assert len(cancellations) == 1


def test_ctrl_c_reaches_a_runner_whose_loop_sleeps(implementation, no_leaks):
    async def main():
        signal.signal(signal.SIGALRM, signal.getsignal(signal.SIGINT))
        alarm_while_asleep()
        await asyncio.get_running_loop().create_future()

    with pytest.raises(KeyboardInterrupt):
        with asyncio.Runner(loop_factory=implementation.new_event_loop) as runner:
            runner.run(main())


def test_handler_added_outside_the_main_thread_is_refused(new_loop):
    with pytest.raises((ValueError, RuntimeError)):
        call_in_thread(lambda: new_loop().add_signal_handler(signal.SIGUSR1, int))


def test_loop_in_another_thread_runs_while_the_main_thread_has_handlers(new_loop):
    main_loop, other_loop = new_loop(), new_loop()
    main_loop.add_signal_handler(signal.SIGUSR1, main_loop.stop)
    with in_thread(other_loop.run_forever):
        main_loop.call_soon(send_to_self, signal.SIGUSR1)
        main_loop.run_forever()
        other_loop.call_soon_threadsafe(other_loop.stop)
