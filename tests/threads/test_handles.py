"""What call_soon_threadsafe() returns, in the hands of several threads while the loop is about to run it."""

import random
import threading
import time
import weakref

import pytest

from actors.cases import run_turns


def run_while(loop, threads):
    """Run the loop until the threads have ended and everything that they pushed has run."""

    def wait():
        for thread in threads:
            thread.join()
        loop.call_soon_threadsafe(loop.stop)

    waiting = threading.Thread(target=wait)
    waiting.start()
    loop.run_forever()
    waiting.join()


# Without the GIL asyncio's own handle calls None now and then.
@pytest.mark.fastloop_only
def test_callback_that_is_cancelled_while_it_begins_runs_as_a_whole_or_not_at_all(quiet_loop, in_threads, seconds, frequent_switches):
    loop = quiet_loop()
    argument = object()
    runs, refused = [], []

    def callback(*args):
        runs.append(args)

    def push_and_cancel(seed):
        random_numbers = random.Random(seed)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            handle = loop.call_soon_threadsafe(callback, argument, seed)
            for _ in range(random_numbers.randrange(40)):
                pass
            handle.cancel()
            if not handle.cancelled() or handle._callback is not None or handle._args is not None:
                refused.append(handle)

    run_while(loop, in_threads(push_and_cancel, (1,), (2,)))
    assert refused == []
    assert set(runs) <= {(argument, 1), (argument, 2)}


@pytest.mark.fastloop_only
def test_handle_can_be_looked_at_while_others_cancel_and_run_it(quiet_loop, in_threads, seconds, frequent_switches):
    loop = quiet_loop()
    latest, has_ended, kinds = [loop.call_soon_threadsafe(int)], threading.Event(), set()

    def push_and_cancel():
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            latest[0] = loop.call_soon_threadsafe(str, str(end))
            latest[0].cancel()
        has_ended.set()

    def look():
        while not has_ended.is_set():
            handle = latest[0]
            kinds.update({type(handle._callback), type(handle._args), type(handle.cancelled())})
            assert repr(handle).startswith("<")

    run_while(loop, in_threads(push_and_cancel, ()) + in_threads(look, (), ()))
    assert kinds <= {type, tuple, bool, type(None)}


def test_argument_of_a_cancelled_callback_is_dropped(quiet_loop, in_threads):
    loop = quiet_loop()
    argument = threading.Event()
    reference = weakref.ref(argument)
    handle = loop.call_soon_threadsafe(argument.set)
    del argument
    for thread in in_threads(handle.cancel, ()):
        thread.join()
    run_turns(loop, 1)
    assert reference() is None


@pytest.mark.fastloop_only
def test_two_threads_that_cancel_the_same_handle_do_no_harm(quiet_loop, in_threads):
    loop = quiet_loop()
    for _ in range(200):
        handle, begins = loop.call_soon_threadsafe(int), threading.Barrier(2)

        def cancel(handle=handle, begins=begins):
            begins.wait()
            handle.cancel()

        run_while(loop, in_threads(cancel, (), ()))
        assert handle.cancelled()
