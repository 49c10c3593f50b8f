"""A forked child: it makes its own loops, cannot use the parent's, and nothing that it does reaches the parent."""

import asyncio
import contextlib
import os

import pytest

from actors.callbacks import StoppingCallback
from actors.forked_children import in_forked_child


async def work():
    await asyncio.sleep(0.001)
    return "worked"


def test_child_can_make_and_run_a_loop(implementation, loop):
    def child():
        new_loop = implementation.new_event_loop()
        result = new_loop.run_until_complete(work())
        new_loop.close()
        return result

    loop.run_until_complete(work())
    assert in_forked_child(child) == "worked"


async def test_child_forked_by_a_callback_can_make_and_run_a_loop(implementation, loop):
    def child():
        with asyncio.Runner(loop_factory=implementation.new_event_loop) as runner:
            return runner.run(work())

    assert in_forked_child(child) == "worked"


async def test_child_forked_by_a_callback_has_no_running_loop(loop):
    def child():
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return "none"
        return "some"

    assert in_forked_child(child) == "none"


@pytest.mark.fastloop_only
@pytest.mark.parametrize("method", ["run_forever", "run_until_complete", "call_soon_threadsafe", "add_reader"])
def test_loop_of_the_parent_raises_runtime_error_in_the_child(loop, future, method):
    arguments = {"run_forever": [], "run_until_complete": [future], "call_soon_threadsafe": [int], "add_reader": [0, int]}

    def child():
        try:
            getattr(loop, method)(*arguments[method])
        except RuntimeError as error:
            return f"RuntimeError: {error}"
        return "no error"

    answer = in_forked_child(child)
    assert answer.startswith("RuntimeError: ")
    assert "fork" in answer


def test_child_that_closes_the_loop_does_not_disturb_the_parent(loop, left, right):
    read = StoppingCallback(loop, lambda: left.recv(10))

    def child():
        with contextlib.suppress(RuntimeError):
            loop.close()
        return "done"

    loop.add_reader(left, read)
    assert in_forked_child(child) == "done"
    right.send(b"x")
    loop.run_forever()
    loop.remove_reader(left)
    assert read.results == [b"x"]


def test_loops_of_the_parent_open_no_descriptor_in_the_child(new_loop, loop):
    new_loop().close()
    loop.run_until_complete(work())
    before = len(os.listdir("/dev/fd"))
    # One of the parent's is the reading end of the child's answer.
    assert int(in_forked_child(lambda: len(os.listdir("/dev/fd")))) <= before + 2


def test_child_that_just_exits_does_not_disturb_the_parent(loop):
    async def main():
        answers = [in_forked_child(lambda: "exited") for _ in range(3)]
        await asyncio.sleep(0.001)
        return answers

    assert loop.run_until_complete(main()) == ["exited"] * 3
    assert loop.run_until_complete(work()) == "worked"


def test_wake_ups_in_the_child_do_not_reach_the_parent(implementation, loop, run_turn):
    def child():
        new_loop = implementation.new_event_loop()
        for _ in range(10):
            new_loop.call_soon_threadsafe(int)
        new_loop.call_soon_threadsafe(new_loop.stop)
        new_loop.run_forever()
        new_loop.close()
        return "done"

    assert in_forked_child(child) == "done"
    run_turn()
