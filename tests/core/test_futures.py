"""Future: its states, its callbacks, its exceptions, and the private names that other code reads."""

import asyncio
import concurrent.futures
import contextvars
import gc
import traceback
import types
import weakref

import pytest

from actors.callbacks import Callback
from actors.coroutines import wait_for
from actors.failures import SomeError, interrupt


def test_loop_creates_futures_of_its_implementation(implementation, loop, future):
    assert type(future) is implementation.Future
    assert isinstance(future, asyncio.Future) and asyncio.isfuture(future)
    assert future.get_loop() is loop


def test_future_can_be_made_with_an_explicit_loop(implementation, loop):
    assert implementation.Future(loop=loop).get_loop() is loop


async def test_future_made_inside_the_loop_belongs_to_it(implementation, loop):
    assert implementation.Future().get_loop() is loop


def test_new_future_is_pending(future):
    assert (future.done(), future.cancelled()) == (False, False)
    for read in (future.result, future.exception):
        with pytest.raises(asyncio.InvalidStateError):
            read()


def test_result_can_be_read_again_and_again(future):
    future.set_result("result")
    assert (future.done(), future.cancelled()) == (True, False)
    assert [future.result(), future.result(), future.exception()] == ["result", "result", None]


@pytest.mark.parametrize("result", [None, 0, False, "", (), Exception], ids=repr)
def test_any_object_can_be_the_result(future, result):
    future.set_result(result)
    assert future.result() is result


def test_exception_is_raised_by_result_and_returned_by_exception(future):
    error = SomeError("message")
    future.set_exception(error)
    assert future.exception() is error
    with pytest.raises(SomeError) as caught:
        future.result()
    assert caught.value is error


def test_exception_class_is_instantiated(future):
    future.set_exception(SomeError)
    assert type(future.exception()) is SomeError


def test_result_that_is_read_twice_does_not_grow_the_traceback(future):
    future.set_exception(SomeError())
    lengths = []
    for _ in range(3):
        with pytest.raises(SomeError) as caught:
            future.result()
        lengths.append(len(traceback.extract_tb(caught.value.__traceback__)))
    assert len(set(lengths)) == 1


@pytest.mark.parametrize(
    "finish",
    [lambda future: future.set_result(1), lambda future: future.set_exception(SomeError()), lambda future: future.cancel()],
    ids=["result", "exception", "cancelled"],
)
def test_future_that_is_done_takes_no_second_result(future, finish):
    finish(future)
    with pytest.raises(asyncio.InvalidStateError):
        future.set_result(2)
    with pytest.raises(asyncio.InvalidStateError):
        future.set_exception(SomeError())
    assert future.cancel() is False or future.cancelled()
    if not future.cancelled():
        future.exception()


def test_cancel_of_a_pending_future_returns_true_once(future):
    assert future.cancel() is True
    assert (future.done(), future.cancelled()) == (True, True)
    assert future.cancel() is False


def test_cancelled_future_raises_cancelled_error_with_its_message(future):
    future.cancel(msg="reason")
    for read in (future.result, future.exception):
        with pytest.raises(asyncio.CancelledError, match="reason"):
            read()


def test_callbacks_run_through_the_loop_in_the_order_in_which_they_were_added(future, run_turn):
    order = []
    for number in range(5):
        future.add_done_callback(lambda future, number=number: order.append(number))
    future.set_result(None)
    assert order == []
    run_turn()
    assert order == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("finish", [lambda future: future.set_result(None), lambda future: future.cancel()], ids=["result", "cancelled"])
def test_callback_added_before_or_after_the_end_gets_the_future_in_the_next_turn(future, run_turn, finish, when):
    received = []
    if when == "before":
        future.add_done_callback(received.append)
    finish(future)
    if when == "after":
        future.add_done_callback(received.append)
    assert received == []
    run_turn()
    assert received == [future]


@pytest.mark.parametrize("others", [0, 1, 5])
def test_removed_callback_never_runs_and_their_number_is_returned(future, run_turn, others):
    received, kept = [], []
    removed = received.append
    for _ in range(3):
        future.add_done_callback(removed)
    for _ in range(others):
        future.add_done_callback(kept.append)
    assert future.remove_done_callback(removed) == 3
    assert future.remove_done_callback(removed) == 0
    future.set_result(None)
    run_turn()
    assert (received, len(kept)) == ([], others)


def test_callback_that_removes_others_while_it_is_compared_harms_nobody(future, run_turn):
    received = []
    victim = received.append

    class Evil:
        def __eq__(self, other):
            nonlocal is_armed
            if is_armed:
                is_armed = False
                future.remove_done_callback(victim)
            return False

        __hash__ = None

        def __call__(self, future):
            received.append("evil")

    is_armed = False
    future.add_done_callback(victim)
    future.add_done_callback(Evil())
    future.add_done_callback(victim)
    future.add_done_callback(Evil())
    is_armed = True
    future.remove_done_callback(len)
    future.set_result(None)
    run_turn()
    assert received == ["evil", "evil"]


@pytest.mark.parametrize("allocations", range(1, 12))
def test_callback_that_a_finalizer_adds_while_another_one_is_removed_runs(loop, future, run_turn, allocations):
    order = []

    class Adding:
        def __del__(self):
            future.add_done_callback(lambda future: order.append("added"))

    def removed(future):
        order.append("removed")

    future.add_done_callback(lambda future: order.append("first"))
    future.add_done_callback(removed)
    future.add_done_callback(lambda future: order.append("third"))
    adding = Adding()
    adding.itself = adding
    del adding
    thresholds, was_enabled = gc.get_threshold(), gc.isenabled()
    gc.enable()
    gc.set_threshold(allocations, 1000, 1000)
    try:
        future.remove_done_callback(removed)
    finally:
        gc.set_threshold(*thresholds)
        if not was_enabled:
            gc.disable()
    gc.collect()
    future.set_result(None)
    run_turn()
    assert order == ["first", "third", "added"]


@pytest.mark.parametrize("removed", range(16))
def test_every_choice_of_callbacks_can_be_removed(future, run_turn, removed):
    order = []
    callbacks = [lambda future, number=number: order.append(number) for number in range(4)]
    chosen = [number for number in range(4) if removed & 1 << number]
    for callback in callbacks + callbacks[:2]:
        future.add_done_callback(callback)
    for number in chosen:
        assert future.remove_done_callback(callbacks[number]) == (2 if number < 2 else 1)
    future.add_done_callback(callbacks[0])
    future.set_result(None)
    run_turn()
    assert order == [number for number in [0, 1, 2, 3, 0, 1] if number not in chosen] + [0]


async def test_awaiting_a_future_that_is_done_does_not_wait(loop, future):
    future.set_result("result")
    turns = []
    loop.call_soon(turns.append, None)
    result = await future
    assert (result, len(turns)) == ("result", 0)


async def test_many_tasks_may_await_one_future(loop, future):
    tasks = [asyncio.ensure_future(wait_for(future)) for _ in range(50)]
    await asyncio.sleep(0)
    future.set_result("result")
    assert await asyncio.gather(*tasks) == ["result"] * 50


async def test_future_can_be_iterated_with_yield_from(loop, future):
    @types.coroutine
    def wait():
        return (yield from future)

    loop.call_soon(future.set_result, "result")
    assert await wait() == "result"


def test_awaiting_by_hand_yields_the_future_itself(future):
    iterator = future.__await__()
    assert next(iterator) is future
    assert future._asyncio_future_blocking is True
    future.set_result("result")
    with pytest.raises(StopIteration) as stopped:
        next(iterator)
    assert stopped.value.value == "result"


def test_private_state_that_libraries_read_is_there(future):
    assert future._state == "PENDING"
    assert future._asyncio_future_blocking is False
    assert (future._result, future._exception) == (None, None)
    future.set_result("result")
    assert (future._state, future._result) == ("FINISHED", "result")
    future._asyncio_future_blocking = False


def test_list_of_callbacks_tells_callback_and_context(future):
    future.add_done_callback(print)
    future.add_done_callback(repr)
    assert [callback for callback, context in future._callbacks] == [print, repr]
    future.cancel()


def test_repr_tells_the_state_and_the_result(future, loop):
    assert "pending" in repr(future)
    future.set_result("the result")
    assert "finished" in repr(future) and "the result" in repr(future)
    cancelled, failed = loop.create_future(), loop.create_future()
    cancelled.cancel()
    assert "cancelled" in repr(cancelled)
    failed.set_exception(SomeError("the error"))
    assert "the error" in repr(failed)
    failed.exception()


def test_future_that_holds_itself_has_a_finite_repr(future):
    future.set_result(future)
    assert "..." in repr(future)


def test_class_can_be_subscripted(implementation):
    assert implementation.Future[int].__args__ == (int,)


async def test_future_can_be_subclassed(implementation, loop):
    class Sub(implementation.Future):
        def __init__(self, *, loop, extra):
            super().__init__(loop=loop)
            self.extra = extra

    future = Sub(loop=loop, extra=1)
    loop.call_soon(future.set_result, "result")
    assert await future == "result"
    assert future.extra == 1
    assert isinstance(future, asyncio.Future)


async def test_overridden_methods_of_a_subclass_are_called(implementation, loop):
    calls = []

    class Sub(implementation.Future):
        def add_done_callback(self, callback, *, context=None):
            calls.append("add_done_callback")
            super().add_done_callback(callback, context=context)

        def result(self):
            calls.append("result")
            return super().result()

    future = Sub(loop=loop)
    loop.call_soon(future.set_result, "result")
    assert await future == "result"
    assert "add_done_callback" in calls and "result" in calls


def test_future_in_a_reference_cycle_is_collected(loop):
    future = loop.create_future()
    future.add_done_callback(lambda _, future=future: future)
    future.itself = future
    reference = weakref.ref(future)
    del future
    gc.collect()
    assert reference() is None


def test_result_is_released_with_the_future(loop):
    class Result:
        pass

    future, result = loop.create_future(), Result()
    reference = weakref.ref(result)
    future.set_result(result)
    del result
    assert reference() is not None
    del future
    assert reference() is None


def test_callback_is_released_when_it_ran(loop, run_turn):
    future, callback = loop.create_future(), Callback()
    reference = weakref.ref(callback)
    future.add_done_callback(callback)
    del callback
    future.set_result(None)
    run_turn()
    assert reference() is None


def test_log_traceback_can_be_cleared_but_not_set(future):
    future._log_traceback = False
    with pytest.raises(ValueError):
        future._log_traceback = True


def test_make_cancelled_error_gives_an_error_with_the_message(future):
    future.cancel("reason")
    assert future._cancel_message == "reason"
    error = future._make_cancelled_error()
    assert isinstance(error, asyncio.CancelledError)
    assert error.args == ("reason",)


async def test_concurrent_future_is_chained_both_ways(loop):
    source = concurrent.futures.Future()
    wrapped = asyncio.wrap_future(source)
    wrapped.cancel()
    await asyncio.sleep(0)
    assert source.cancelled() is True


# What leaves the loop in the middle of a future's callbacks


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("position", range(4))
def test_callbacks_behind_one_that_leaves_the_loop_keep_their_place(loop, error, position, run_turn):
    order = []

    def leave(future):
        order.append("leaves")
        raise error

    future = loop.create_future()
    loop.call_soon(order.append, "before")
    for number in range(4):
        future.add_done_callback(leave if number == position else lambda future, number=number: order.append(number))
    future.set_result(None)
    loop.call_soon(order.append, "behind")
    with pytest.raises(error):
        loop.run_forever()
    future.add_done_callback(lambda future: order.append("added later"))
    loop.call_soon(order.append, "scheduled later")
    run_turn()
    callbacks = [number if number != position else "leaves" for number in range(4)]
    assert order == ["before", *callbacks, "behind", "added later", "scheduled later"]


def test_every_callback_may_leave_the_loop(loop, run_turn):
    order = []

    def leave(future):
        order.append(len(order))
        raise KeyboardInterrupt

    future = loop.create_future()
    for _ in range(3):
        future.add_done_callback(leave)
    future.set_result(None)
    loop.call_soon(order.append, "behind")
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            loop.run_forever()
    run_turn()
    assert order == [0, 1, 2, "behind"]


def test_tasks_behind_one_that_leaves_the_loop_keep_their_place(loop):
    order = []
    future = loop.create_future()

    async def wait(name):
        await future
        order.append(name)
        if name == "leaves":
            raise KeyboardInterrupt

    tasks = [loop.create_task(wait(name)) for name in ("first", "leaves", "third", "fourth")]
    loop.run_until_complete(asyncio.sleep(0))
    future.set_result(None)
    loop.call_soon(order.append, "behind")
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    loop.run_until_complete(asyncio.wait(tasks))
    assert order == ["first", "leaves", "third", "fourth", "behind"]
    assert isinstance(tasks[1].exception(), KeyboardInterrupt)


def test_callbacks_of_a_task_keep_their_place_when_one_leaves_the_loop(loop):
    order = []

    async def main():
        return 5

    task = loop.create_task(main())
    task.add_done_callback(interrupt)
    task.add_done_callback(lambda task: order.append(task.result()))
    task.add_done_callback(lambda task: loop.call_soon(order.append, "scheduled by a callback"))
    loop.call_soon(lambda: loop.call_soon(order.append, "behind"))
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    loop.run_until_complete(asyncio.sleep(0))
    assert order == [5, "behind", "scheduled by a callback"]


def test_context_of_a_callback_that_kept_its_place_is_its_own(loop):
    variable = contextvars.ContextVar("variable", default="none")
    seen = []

    future = loop.create_future()
    future.add_done_callback(interrupt)
    context = contextvars.copy_context()
    context.run(variable.set, "set")
    future.add_done_callback(lambda future: seen.append(variable.get()), context=context)
    future.add_done_callback(lambda future: seen.append(variable.get()))
    future.set_result(None)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    loop.run_until_complete(asyncio.sleep(0))
    assert seen == ["set", "none"]
