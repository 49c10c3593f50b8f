"""A second __init__() of a handle, a future or a task that is in use: what asyncio does, where it does anything, and never a crash."""

import asyncio
import contextlib
import contextvars
import gc
import random
import sys
import threading
import warnings

import pytest

from actors.coroutines import wait_for

# Since Python 3.15 a future refuses; a handle, which is a plain Python class in asyncio, never does.
is_refused = pytest.raises(RuntimeError) if sys.version_info >= (3, 15) else contextlib.nullcontext()
needs_second_init = pytest.mark.skipif(sys.version_info >= (3, 15), reason="a future refuses its second __init__()")


@pytest.fixture
def quiet_loop(loop):
    """A loop that drops its reports."""
    loop.set_exception_handler(lambda loop, context: None)
    return loop


@pytest.fixture
def other_loop(no_leaks):
    """A loop of asyncio's own, with either implementation under test."""
    loop = asyncio.SelectorEventLoop()
    yield loop
    loop.close()


async def five():
    return 5


# Futures


def test_pending_future_starts_anew_without_its_callbacks(implementation, loop, run_turn):
    future, called = implementation.Future(loop=loop), []
    future.add_done_callback(called.append)
    with is_refused:
        future.__init__(loop=loop)
        assert called == [] and not future.done()
        future.set_result(2)
        run_turn()
        assert called == []
        assert future.result() == 2


def test_done_future_starts_anew_as_pending(implementation, loop):
    future = implementation.Future(loop=loop)
    future.set_exception(ValueError())
    with is_refused:
        future.__init__(loop=loop)
        assert not future.done()
        future.set_result(2)
    with contextlib.suppress(ValueError):
        assert future.result() == 2


@needs_second_init
def test_callbacks_that_are_ready_run_once_and_new_ones_wait_for_the_new_result(implementation, loop, run_turn):
    future, order = implementation.Future(loop=loop), []
    future.add_done_callback(lambda future: order.append("first"))
    future.add_done_callback(lambda future: order.append("second"))
    future.set_result(1)
    future.__init__(loop=loop)
    future.add_done_callback(lambda future: order.append("third"))
    future.add_done_callback(lambda future: order.append("fourth"))
    run_turn()
    assert order == ["first", "second"]
    future.set_result(2)
    run_turn()
    assert order == ["first", "second", "third", "fourth"]


@needs_second_init
async def test_task_whose_future_is_pending_again_when_it_wakes_hears_that_the_result_is_not_set(implementation, loop):
    future = implementation.Future(loop=loop)

    def complete_and_start_anew():
        future.set_result(1)
        future.__init__(loop=loop)

    loop.call_soon(complete_and_start_anew)
    with pytest.raises(asyncio.InvalidStateError, match="Result is not set"):
        await future


@needs_second_init
def test_future_moves_to_another_loop_while_it_is_in_the_ready_queue(implementation, loop, run_turn, other_loop):
    future, order = implementation.Future(loop=loop), []
    for number in range(3):
        future.add_done_callback(lambda future, number=number: order.append(number))
    future.set_result(1)
    future.__init__(loop=other_loop)
    future.add_done_callback(lambda future: order.append("other"))
    run_turn()
    assert order == [0, 1, 2]
    future.set_result(2)
    other_loop.call_soon(other_loop.stop)
    other_loop.run_forever()
    assert order == [0, 1, 2, "other"]


@needs_second_init
def test_callback_that_moves_its_future_to_another_loop_does_not_disturb_the_callbacks_behind_it(
    implementation, loop, run_turn, other_loop
):
    future, order = implementation.Future(loop=loop), []
    future.add_done_callback(lambda future: future.__init__(loop=other_loop))
    future.add_done_callback(lambda future: order.append("second"))
    future.add_done_callback(lambda future: order.append("third"))
    future.set_result(1)
    run_turn()
    assert order == ["second", "third"]


@needs_second_init
@pytest.mark.fastloop_only
def test_destructor_that_uses_the_future_while_it_starts_anew_finds_it_whole(implementation, loop, run_turn):
    future, order = implementation.Future(loop=loop), []

    class Callback:
        def __call__(self, future):
            order.append("dropped")

        def __del__(self):
            future.add_done_callback(lambda future: order.append("added meanwhile"))

    future.add_done_callback(Callback())
    future.add_done_callback(Callback())
    future.__init__(loop=loop)
    future.set_result(1)
    run_turn()
    assert order == ["added meanwhile"] * 2


@needs_second_init
@pytest.mark.parametrize("moves", [False, True])
def test_future_of_an_executor_that_starts_anew_never_harms_the_loop(loop, other_loop, moves):
    is_released = threading.Event()
    future = loop.run_in_executor(None, is_released.wait, 10)
    ended = loop.run_in_executor(None, int)
    loop.run_until_complete(ended)
    future.__init__(loop=other_loop if moves else loop)
    ended.__init__(loop=other_loop if moves else loop)
    is_released.set()
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.run_until_complete(asyncio.sleep(0))


# Tasks


def queued(loop, implementation):
    return implementation.Task(asyncio.sleep(0), loop=loop), None


def suspended_by(make_future):
    def make(loop, implementation):
        future = make_future(loop, implementation)
        task = implementation.Task(wait_for(future), loop=loop)
        loop.run_until_complete(asyncio.sleep(0))
        return task, future

    return make


def woken(loop, implementation):
    task, future = suspended_by(lambda loop, implementation: implementation.Future(loop=loop))(loop, implementation)
    future.set_result(1)
    return task, None


def with_callbacks_ready(loop, implementation):
    task = implementation.Task(five(), loop=loop)
    called = []
    loop.call_soon(lambda: [task.add_done_callback(called.append) for _ in range(2)] and loop.stop())
    loop.run_forever()
    return task, None


def ended(loop, implementation):
    task = implementation.Task(five(), loop=loop)
    loop.run_until_complete(task)
    return task, None


STATES = {
    "queued": queued,
    "waiting for a future": suspended_by(lambda loop, implementation: implementation.Future(loop=loop)),
    "waiting for asyncio's future": suspended_by(lambda loop, implementation: asyncio.Future(loop=loop)),
    "waiting for asyncio's task": suspended_by(lambda loop, implementation: asyncio.Task(asyncio.sleep(0.001), loop=loop)),
    "woken": woken,
    "with callbacks ready": with_callbacks_ready,
    "ended": ended,
}


def end(future):
    """End what the first coroutine waited for, unless it is nothing or a task, which ends by itself."""
    if future is not None and not isinstance(future, asyncio.Task):
        future.set_result(1)


def start_anew(task, coroutine, loop):
    with warnings.catch_warnings():
        # The coroutine before may never have been awaited.
        warnings.simplefilter("ignore", RuntimeWarning)
        task.__init__(coroutine, loop=loop)
        gc.collect()


@needs_second_init
@pytest.mark.parametrize("state", STATES)
def test_task_that_starts_anew_runs_its_new_coroutine(implementation, quiet_loop, state):
    task, future = STATES[state](quiet_loop, implementation)
    start_anew(task, five(), quiet_loop)
    assert quiet_loop.run_until_complete(asyncio.wait_for(task, 10)) == 5
    end(future)
    quiet_loop.run_until_complete(asyncio.sleep(0.003))
    assert task.result() == 5


@needs_second_init
@pytest.mark.parametrize("state", STATES)
def test_task_that_starts_anew_may_wait(implementation, quiet_loop, state):
    task, future = STATES[state](quiet_loop, implementation)
    gate = asyncio.Future(loop=quiet_loop)

    async def wait():
        for _ in range(3):
            await asyncio.sleep(0)
        return await gate

    start_anew(task, wait(), quiet_loop)
    end(future)
    quiet_loop.run_until_complete(asyncio.sleep(0.003))
    assert not task.done()
    gate.set_result("through")
    assert quiet_loop.run_until_complete(asyncio.wait_for(task, 10)) == "through"


@needs_second_init
@pytest.mark.fastloop_only
@pytest.mark.parametrize("state", STATES)
def test_task_may_move_to_another_loop(implementation, quiet_loop, other_loop, state):
    other_loop.set_exception_handler(lambda loop, context: None)
    task, future = STATES[state](quiet_loop, implementation)
    start_anew(task, five(), other_loop)
    quiet_loop.run_until_complete(asyncio.sleep(0))
    assert other_loop.run_until_complete(asyncio.wait_for(task, 10)) == 5
    end(future)
    quiet_loop.run_until_complete(asyncio.sleep(0.003))


@needs_second_init
@pytest.mark.fastloop_only
# The new coroutine never runs where the old one has already ended the task.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("end", ["returns", "fails", "yields", "waits", "is cancelled"])
def test_coroutine_that_starts_its_own_task_anew_does_no_harm(implementation, quiet_loop, other_loop, end):
    other_loop.set_exception_handler(lambda loop, context: None)
    for loop in quiet_loop, other_loop:
        tasks = []

        async def main(loop=loop, tasks=tasks):
            tasks[0].__init__(five(), loop=loop)
            if end == "fails":
                raise ValueError
            if end == "yields":
                await asyncio.sleep(0)
            if end == "waits":
                await quiet_loop.create_future()
            if end == "is cancelled":
                tasks[0].cancel()
                await quiet_loop.create_future()

        task = implementation.Task(main(), loop=quiet_loop)
        tasks.append(task)
        quiet_loop.run_until_complete(asyncio.sleep(0.001))
        other_loop.run_until_complete(asyncio.sleep(0.001))
        assert asyncio.all_tasks(quiet_loop) <= {task}
        with contextlib.suppress(ValueError, asyncio.CancelledError, asyncio.InvalidStateError):
            task.result()
        task._log_destroy_pending = False
        quiet_loop.run_until_complete(asyncio.sleep(0))
        task.cancel()
        quiet_loop.run_until_complete(asyncio.sleep(0))


@needs_second_init
def test_task_is_not_disturbed_by_what_is_no_coroutine(implementation, loop):
    future = implementation.Future(loop=loop)
    task = implementation.Task(wait_for(future), loop=loop)
    with pytest.raises(TypeError):
        task.__init__(5, loop=loop)
    loop.run_until_complete(asyncio.sleep(0))
    with pytest.raises(TypeError):
        task.__init__(five, loop=loop)
    future.set_result(1)
    assert loop.run_until_complete(asyncio.wait_for(task, 10)) == 1


@pytest.mark.skipif(sys.version_info < (3, 15), reason="earlier Pythons start anew")
def test_future_and_task_that_live_already_refuse(implementation, loop):
    task = implementation.Task(five(), loop=loop)
    again = five()
    with pytest.raises(RuntimeError):
        task.__init__(again, loop=loop)
    again.close()
    with pytest.raises(RuntimeError):
        task.__init__(5, loop=loop)
    assert loop.run_until_complete(task) == 5


# Handles

MAKERS = ["call_soon", "call_soon_threadsafe"]


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("is_cancelled", [False, True], ids=["", "cancelled"])
def test_handle_in_the_queue_runs_its_new_callback(loop, run_turn, other_loop, maker, is_cancelled):
    called = []
    for new_loop in loop, other_loop:
        handle = getattr(loop, maker)(called.append, "old")
        if is_cancelled:
            handle.cancel()
        handle.__init__(called.append, ("new",), new_loop)
        assert not handle.cancelled()
        run_turn()
    assert called == ["new", "new"]


@pytest.mark.parametrize("maker", MAKERS)
def test_handle_that_failed_on_its_new_loop_reports_there(loop, run_turn, other_loop, maker):
    reported = []
    other_loop.set_exception_handler(lambda loop, context: reported.append(context["handle"]))
    handle = getattr(loop, maker)(int)
    handle.__init__(int, ("no number",), other_loop)
    run_turn()
    assert reported == [handle]
    reported.clear()


@pytest.mark.parametrize("maker", MAKERS)
def test_callback_that_starts_its_own_handle_anew_does_no_harm(loop, run_turn, other_loop, maker):
    called = []

    def start_anew():
        # The loop alone holds the handle from here on.
        handles.pop().__init__(called.append, ("never",), other_loop)
        gc.collect()

    handles = [getattr(loop, maker)(start_anew)]
    loop.call_soon(called.append, "next")
    run_turn()
    loop.call_soon(called.append, "later")
    run_turn()
    assert called == ["next", "later"]


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("kind", ["another loop", "no loop"])
def test_callback_that_starts_its_own_handle_anew_in_the_same_context_does_no_harm(loop, run_turn, other_loop, maker, kind):
    called = []

    def start_anew():
        handle = handles.pop()
        # Without a loop the handle cannot ask for debug mode, but it has forgotten the old loop.
        with contextlib.nullcontext() if kind == "another loop" else pytest.raises(AttributeError):
            handle.__init__(called.append, ("never",), other_loop if kind == "another loop" else None, context=handle._context)

    handles = []
    for number in range(3):
        handles.append(getattr(loop, maker)(start_anew))
        loop.call_soon(called.append, number)
        run_turn()
        gc.collect()
    assert called == [0, 1, 2]


# asyncio's handle is half new by then.
@pytest.mark.fastloop_only
@pytest.mark.parametrize("maker", [*MAKERS, "call_later"])
def test_destructor_that_a_second_init_runs_finds_the_handle_whole_and_its_context_its_own(implementation, loop, run_turn, maker):
    variable, seen = contextvars.ContextVar("variable", default="unset"), []

    class Callback:
        def __call__(self):
            raise AssertionError

        def __del__(self):
            seen.append((handle._callback, handle._args, handle._loop, handle.cancelled()))
            handle._context.run(variable.set, "of the handle")

    handle = loop.call_later(0, Callback(), 1, 2) if maker == "call_later" else getattr(loop, maker)(Callback(), 1, 2)
    loop.call_soon(lambda: seen.append(variable.get()))
    implementation.Handle.__init__(handle, seen.append, ("new",), loop)
    gc.collect()
    assert seen.pop() == (seen.append, ("new",), loop, False)
    run_turn(2)
    assert sorted(seen) == ["new", "unset"]


def test_destructor_of_a_context_that_is_replaced_finds_the_new_one(loop, run_turn):
    variable, seen = contextvars.ContextVar("variable"), []

    class Value:
        def __del__(self):
            seen.append(handle._context)

    old, new = contextvars.copy_context(), contextvars.copy_context()
    old.run(lambda: variable.set(Value()))
    handle = loop.call_soon(int, context=old)
    del old
    handle._context = new
    gc.collect()
    assert seen == [new]
    run_turn()


@needs_second_init
def test_coroutine_that_ends_with_a_second_init_finds_its_task_whole(implementation, quiet_loop):
    seen = []

    class Value:
        def __del__(self):
            seen.append(task.get_coro())

    async def wait(value):
        await quiet_loop.create_future()

    task = implementation.Task(wait(Value()), loop=quiet_loop)
    quiet_loop.run_until_complete(asyncio.sleep(0))
    coroutine = five()
    task.__init__(coroutine, loop=quiet_loop)
    gc.collect()
    assert seen == [coroutine]
    assert quiet_loop.run_until_complete(asyncio.wait_for(task, 10)) == 5


def test_timer_in_the_heap_runs_its_new_callback(loop, other_loop):
    called = []
    for new_loop in loop, other_loop:
        timer = loop.call_later(0.001, called.append, "old")
        timer.__init__(loop.time() + 0.001, called.append, ("new",), new_loop)
        loop.run_until_complete(asyncio.sleep(0.005))
    assert called == ["new", "new"]


@pytest.mark.parametrize("starts_anew_as", ["timer", "handle"])
def test_timer_of_another_loop_can_be_cancelled_and_never_runs(implementation, loop, other_loop, starts_anew_as):
    called = []
    timer = loop.call_later(0.001, called.append, "old")
    if starts_anew_as == "timer":
        timer.__init__(loop.time(), called.append, ("new",), other_loop)
    else:
        implementation.Handle.__init__(timer, called.append, ("new",), other_loop)
    timer.cancel()
    assert timer.cancelled()
    loop.run_until_complete(asyncio.sleep(0.005))
    other_loop.run_until_complete(asyncio.sleep(0))
    assert called == []


def test_timer_that_moved_back_and_forth_is_still_in_the_heap_where_it_was_put(loop, other_loop):
    called = []
    timer = loop.call_later(1000, called.append, "old")
    for new_loop in other_loop, loop, other_loop:
        timer.__init__(loop.time() + 0.001, called.append, ("new",), new_loop)
    timer._when = loop.time()
    loop.run_until_complete(asyncio.sleep(0.003))
    assert called == ["new"]
    timer.__init__(loop.time(), called.append, ("dead",), loop)
    timer.cancel()


@pytest.mark.fastloop_only
def test_timer_of_another_loop_goes_with_the_loop_in_whose_heap_it_is(implementation, no_leaks, other_loop):
    loop = implementation.new_event_loop()
    timers = [loop.call_later(1000 + number, int) for number in range(10)]
    for timer in timers:
        timer.__init__(5, int, (), other_loop)
    loop.close()
    assert not timers[0]._scheduled
    timers[0].cancel()
    del timers[1:]
    gc.collect()


def test_subclasses_start_anew_too(implementation, loop, run_turn, other_loop):
    called = []

    class OwnHandle(implementation.Handle):
        pass

    class OwnTimer(implementation.TimerHandle):
        pass

    handle = OwnHandle(called.append, ("old",), loop)
    loop._add_callback(handle)
    handle.__init__(called.append, ("new",), other_loop)
    run_turn()
    assert called == ["new"]
    timer = OwnTimer(loop.time(), int, (), loop)
    timer.__init__(5, int, (), other_loop)
    assert timer.when() == 5
    timer.cancel()
    assert timer.cancelled()


# Everything at once


class Program:
    """A random sequence of what programs do with handles, futures and tasks, mixed with second __init__() calls."""

    def __init__(self, seed, implementation, loops):
        self.random = random.Random(seed)
        self.implementation = implementation
        self.loops = loops
        self.futures, self.tasks, self.handles = [], [], []

    def run(self):
        for _ in range(120):
            loop = self.random.choice(self.loops)
            step = self.random.choice([self.make, self.make, self.use, self.start_anew, self.start_anew, self.turn])
            with contextlib.suppress(RuntimeError, asyncio.InvalidStateError, TypeError):
                step(loop)
        for future in self.futures + self.tasks:
            future.cancel()

    def make(self, loop):
        kind = self.random.randrange(5)
        if kind == 0:
            self.futures.append(self.random.choice([self.implementation.Future, asyncio.Future])(loop=loop))
        elif kind == 1:
            self.tasks.append(self.implementation.Task(self.coroutine(), loop=loop))
        elif kind == 2:
            self.handles.append(loop.call_soon(self.step))
        elif kind == 3:
            self.handles.append(loop.call_soon_threadsafe(self.step))
        else:
            self.handles.append(loop.call_later(self.random.random() / 1000, self.step))

    async def coroutine(self):
        for _ in range(3):
            if self.futures and self.random.random() < 0.5:
                await self.random.choice(self.futures)
            else:
                await asyncio.sleep(0)
            self.step()

    def step(self):
        if self.random.random() < 0.3:
            with contextlib.suppress(RuntimeError, asyncio.InvalidStateError, TypeError):
                self.start_anew(self.random.choice(self.loops))

    def use(self, loop):
        if self.futures:
            future = self.random.choice(self.futures)
            for _ in range(self.random.randrange(3)):
                future.add_done_callback(lambda future: self.step())
            if not future.done():
                future.set_result(None)
        for things in self.tasks, self.handles:
            if things and self.random.random() < 0.3:
                self.random.choice(things).cancel()

    def start_anew(self, loop):
        kind = self.random.randrange(3)
        if kind == 0 and self.futures:
            self.random.choice(self.futures).__init__(loop=loop)
        elif kind == 1 and self.tasks:
            self.random.choice(self.tasks).__init__(self.coroutine(), loop=loop)
        elif self.handles:
            handle = self.random.choice(self.handles)
            if isinstance(handle, asyncio.TimerHandle):
                handle.__init__(loop.time(), self.step, (), loop)
            else:
                handle.__init__(self.step, (), loop)
        if self.random.random() < 0.1:
            gc.collect()

    def turn(self, loop):
        loop.call_soon(loop.stop)
        loop.run_forever()


@pytest.mark.fastloop_only
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("seed", range(25))
def test_random_program_with_second_inits_ends(implementation, no_leaks, seed):
    loops = [implementation.new_event_loop(), implementation.new_event_loop(), asyncio.SelectorEventLoop()]
    for loop in loops:
        loop.set_exception_handler(lambda loop, context: None)
    program = Program(seed, implementation, loops)
    program.run()
    for loop in loops:
        for _ in range(3):
            program.turn(loop)
    for task in program.tasks:
        task._log_destroy_pending = False
    for loop in loops:
        loop.close()
    del program, task
    gc.collect()
