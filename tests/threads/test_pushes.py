"""call_soon_threadsafe() against a loop that goes to sleep, and against one that closes."""

import asyncio
import gc
import random
import threading
import time
import weakref

import pytest

# Long enough to be no accident, far below any timeout.
PATIENCE_S = 10


def wait_until_seen(seen, number):
    """Busy-poll for a moment, as the loop may be about to sleep; then wait properly. Return whether the number arrived."""
    for _ in range(20_000):
        if seen[0] == number:
            return True
    deadline = time.monotonic() + PATIENCE_S
    while seen[0] != number and time.monotonic() < deadline:
        time.sleep(0.001)
    return seen[0] == number


def test_push_that_meets_a_loop_going_to_sleep_wakes_it(quiet_loop, in_threads, seconds):
    loop = quiet_loop()
    seen, missed = [0], []

    def note(number):
        seen[0] = number

    def push():
        random_numbers = random.Random(1)
        number, end = 0, time.monotonic() + seconds
        while time.monotonic() < end and not missed:
            number += 1
            # The loop falls asleep a few microseconds after the last push: hit every moment of that.
            for _ in range(random_numbers.randrange(60)):
                pass
            loop.call_soon_threadsafe(note, number)
            if not wait_until_seen(seen, number):
                missed.append(number)
        loop.call_soon_threadsafe(loop.stop)

    in_threads(push, ())
    loop.run_forever()
    assert missed == []


@pytest.mark.parametrize("thread_count, per_thread", [(1, 10_000), (4, 5000), (8, 2000)])
def test_pushes_of_threads_arrive_once_each_in_their_order(quiet_loop, in_threads, frequent_switches, thread_count, per_thread):
    loop = quiet_loop()
    arrived = [[] for _ in range(thread_count)]

    def note(thread_number, number):
        arrived[thread_number].append(number)
        if sum(map(len, arrived)) == thread_count * per_thread:
            loop.stop()

    def push(thread_number):
        for number in range(per_thread):
            loop.call_soon_threadsafe(note, thread_number, number)

    in_threads(push, *[(number,) for number in range(thread_count)])
    loop.run_forever()
    assert arrived == [list(range(per_thread))] * thread_count


# asyncio's loop keeps what comes between its check and its end.
@pytest.mark.fastloop_only
def test_push_to_a_closing_loop_runs_never_or_raises_and_leaves_nothing_behind(quiet_loop, in_threads, no_leaks):
    for _ in range(50):
        loop = quiet_loop()
        arguments, errors, are_pushing = [], [], threading.Barrier(3)

        def push(loop=loop, arguments=arguments, errors=errors, are_pushing=are_pushing):
            are_pushing.wait()
            for _ in range(100_000):
                argument = threading.Event()
                arguments.append(weakref.ref(argument))
                try:
                    loop.call_soon_threadsafe(argument.set)
                except RuntimeError as error:
                    errors.append(str(error))
                    return

        threads = in_threads(push, (), ())
        are_pushing.wait()
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.close()
        for thread in threads:
            thread.join()
        assert errors == ["Event loop is closed"] * 2
        gc.collect()
        assert [reference for reference in arguments if reference() is not None] == []


# asyncio's loop logs the error of a future that looked whether it was closed just before it was.
@pytest.mark.fastloop_only
def test_executor_that_ends_its_work_while_the_loop_closes_does_no_harm(quiet_loop, no_leaks, caplog):
    for _ in range(50):
        loop = quiet_loop()
        is_released = threading.Event()
        works = [loop.run_in_executor(None, is_released.wait) for _ in range(4)]
        loop.call_soon(loop.stop)
        loop.run_forever()
        executor = loop._default_executor
        is_released.set()
        loop.close()
        executor.shutdown(wait=True)
        assert not any(work.done() and work.result() is not True for work in works)
    assert caplog.records == []


def test_questions_of_other_threads_are_answered_while_the_loop_starts_and_stops(quiet_loop, in_threads):
    loop = quiet_loop()
    answers, has_ended = set(), threading.Event()

    def ask():
        while not has_ended.is_set():
            answers.add((loop.is_running(), loop.is_closed(), loop.get_debug(), loop._thread_id is None))

    in_threads(ask, (), ())
    for _ in range(500):
        loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    has_ended.set()
    assert {answer[2] for answer in answers} <= {loop.get_debug()}


def test_stop_from_another_thread_ends_a_busy_loop(quiet_loop, in_threads):
    loop = quiet_loop()

    def go_on():
        loop.call_soon(go_on)

    for _ in range(50):
        loop.call_soon(go_on)
        in_threads(loop.stop, ())
        loop.run_forever()
