"""The loop's _ready and its _selector.select(), with which nest_asyncio and similar libraries run turns themselves.

The real nest_asyncio is in tests/third_party.
"""

import asyncio
import contextvars
import gc
import weakref

import pytest

from actors.failures import raising
from actors.threads import call_in_thread

pytestmark = pytest.mark.fastloop_only


@pytest.fixture
def run_by_hand(loop):
    """A function that makes turns until a future or task is done, and returns its result."""

    def run(awaitable):
        future = asyncio.ensure_future(awaitable, loop=loop)
        asyncio._set_running_loop(loop)
        try:
            while not future.done():
                events = loop._selector.select(0 if loop._ready else None)
                loop._process_events(events)
                for _ in range(len(loop._ready)):
                    handle = loop._ready.popleft()
                    if not handle._cancelled:
                        handle._run()
        finally:
            asyncio._set_running_loop(None)
        return future.result()

    return run


def run_what_is_ready(loop):
    while loop._ready:
        loop._ready.popleft()._run()


def test_new_loop_has_nothing_ready(loop):
    assert not loop._ready
    with pytest.raises(IndexError):
        loop._ready.popleft()


def test_callbacks_are_taken_out_in_their_order_and_each_in_its_context(loop):
    variable, seen = contextvars.ContextVar("variable", default=0), []
    for number in range(3):
        contextvars.copy_context().run(lambda number=number: (variable.set(number), loop.call_soon(lambda: seen.append(variable.get()))))
    assert len(loop._ready) == 3
    run_what_is_ready(loop)
    assert seen == [0, 1, 2]


def test_cancelled_callback_is_taken_out_and_does_nothing(loop):
    called = []
    loop.call_soon(called.append, 1).cancel()
    run_what_is_ready(loop)
    assert called == []


def test_handles_of_asyncio_can_be_put_behind(loop):
    called = []
    loop.call_soon(called.append, 1)
    loop._ready.append(asyncio.Handle(called.append, (2,), loop))
    run_what_is_ready(loop)
    assert called == [1, 2]


def test_handle_that_was_taken_out_can_be_put_back(loop):
    called = []

    def leave():
        called.append("left")
        raise SystemExit

    loop.call_soon(leave)
    loop._ready.append(loop._ready.popleft())
    with pytest.raises(SystemExit):
        loop.run_forever()
    assert called == ["left"] and not loop._ready


def test_handle_of_asyncio_that_names_another_loop_may_leave_the_loop(loop, no_leaks):
    other_loop = asyncio.SelectorEventLoop()
    loop._ready.append(asyncio.Handle(raising(SystemExit), (), other_loop))
    loop._ready.append(loop._ready.popleft())
    with pytest.raises(SystemExit):
        loop.run_forever()
    other_loop.close()


def test_queue_can_be_looked_at_as_asyncios_deque(loop):
    handles = [loop.call_soon(int, number) for number in range(3)]
    handles.append(asyncio.Handle(int, (3,), loop))
    loop._ready.append(handles[3])
    assert list(loop._ready) == handles
    assert list(reversed(loop._ready)) == handles[::-1]
    assert [entry._args for entry in loop._ready] == [(0,), (1,), (2,), (3,)]
    assert loop._ready[0] == handles[0] and loop._ready[-1] == handles[3]
    assert loop._ready.index(handles[2]) == 2 and loop._ready.count(handles[2]) == 1
    assert handles[1] in loop._ready and asyncio.Handle(int, (), loop) not in loop._ready
    with pytest.raises(IndexError):
        loop._ready[4]
    with pytest.raises(ValueError, match="not in list"):
        loop._ready.index(asyncio.Handle(int, (), loop))
    assert len(loop._ready) == 4
    loop._ready.clear()
    assert not loop._ready and list(loop._ready) == []


def test_handles_can_be_put_at_both_ends_and_taken_from_both(loop):
    called = []
    loop.call_soon(called.append, 2)
    loop._ready.extend(asyncio.Handle(called.append, (number,), loop) for number in (3, 4))
    loop._ready.appendleft(asyncio.Handle(called.append, (1,), loop))
    last = loop._ready.pop()
    loop._ready.appendleft(last)
    run_what_is_ready(loop)
    assert called == [4, 1, 2, 3]
    with pytest.raises(IndexError):
        loop._ready.pop()


def test_what_else_a_deque_has_the_queue_has_not(loop):
    for name in "insert", "remove", "rotate", "extendleft":
        with pytest.raises(AttributeError):
            getattr(loop._ready, name)


def test_handle_that_the_program_takes_out_and_keeps_is_collected_in_its_cycle(loop):
    class Owner:
        pass

    def make_cycle():
        owner = Owner()
        loop.call_soon(lambda: owner)
        owner.entry = loop._ready.popleft()
        return weakref.ref(owner)

    reference = make_cycle()
    gc.collect()
    gc.collect()
    assert reference() is None


def test_callback_of_another_thread_is_seen(loop):
    call_in_thread(loop.call_soon_threadsafe, int)
    assert len(loop._ready) == 1


def test_select_waits_for_the_next_timer(loop):
    called = []
    due_at = loop.time() + 0.01
    loop.call_at(due_at, called.append, 1)
    assert loop._selector.select() == []
    assert loop.time() >= due_at
    assert len(loop._ready) == 1


def test_select_that_may_not_wait_does_not(loop):
    loop.call_later(1000, int)
    assert loop._selector.select(0) == []
    assert loop._selector.select(0.001) == []
    assert not loop._ready


def test_select_finds_what_can_be_read(loop, left, right):
    loop.add_reader(left, int)
    right.send(b"x")
    loop._selector.select()
    assert len(loop._ready) == 1
    loop.remove_reader(left)


def test_select_of_a_closed_loop_is_refused(new_loop):
    loop = new_loop()
    selector = loop._selector
    loop.close()
    with pytest.raises((RuntimeError, AttributeError)):
        selector.select()


def test_tasks_timers_and_sockets_work_in_turns_by_hand(loop, run_by_hand):
    async def answer():
        me = asyncio.current_task()
        await asyncio.sleep(0.001)
        assert asyncio.current_task() is me
        return 7

    async def main():
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        server.close()
        return sum(await asyncio.gather(*(answer() for _ in range(10))))

    assert run_by_hand(main()) == 70
    assert asyncio.current_task(loop) is None


async def test_task_is_the_current_one_again_after_a_turn_within_it(loop):
    async def other():
        return asyncio.current_task()

    me = asyncio.current_task()
    task = asyncio.ensure_future(other())
    while not task.done():
        loop._ready.popleft()._run()
    assert asyncio.current_task() is me
    await asyncio.sleep(0)
    assert asyncio.current_task() is me
    assert task.result() is task
