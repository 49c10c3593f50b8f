"""What asyncio builds on tasks: gather, wait, shield, queues. Task groups, timeouts and locks are in test_task_interop.py."""

import asyncio

import pytest

from actors.coroutines import cancel, raise_some_error, return_argument, wait_for_ever
from actors.failures import SomeError


async def sleep(milliseconds):
    await asyncio.sleep(milliseconds / 1000)
    return milliseconds


async def test_gather_returns_results_in_the_order_of_its_arguments(loop):
    assert await asyncio.gather(sleep(3), sleep(1), sleep(2)) == [3, 1, 2]


async def test_gather_raises_the_first_exception_or_returns_all(loop):
    with pytest.raises(SomeError):
        await asyncio.gather(return_argument(1), raise_some_error())
    first, second = await asyncio.gather(return_argument(1), raise_some_error(), return_exceptions=True)
    assert first == 1 and isinstance(second, SomeError)


async def test_cancelling_gather_cancels_its_children(loop):
    children = [asyncio.create_task(wait_for_ever()) for _ in range(3)]
    gathering = asyncio.gather(*children)
    await asyncio.sleep(0)
    await cancel(gathering)
    assert [child.cancelled() for child in children] == [True, True, True]


async def test_wait_returns_what_is_done_and_what_is_pending(loop):
    quick, slow = asyncio.create_task(return_argument()), asyncio.create_task(wait_for_ever())
    done, pending = await asyncio.wait([quick, slow], return_when=asyncio.FIRST_COMPLETED)
    assert (done, pending) == ({quick}, {slow})
    slow.cancel()
    await asyncio.wait([slow])


async def test_wait_with_timeout_leaves_the_tasks_pending(loop):
    task = asyncio.create_task(wait_for_ever())
    done, pending = await asyncio.wait([task], timeout=0.001)
    assert (done, pending) == (set(), {task})
    task.cancel()
    await asyncio.wait([task])


async def test_as_completed_yields_in_the_order_of_completion(loop):
    assert [await next_one for next_one in asyncio.as_completed([sleep(9), sleep(1), sleep(5)])] == [1, 5, 9]


def test_wait_for_returns_the_result_in_time(loop):
    assert loop.run_until_complete(asyncio.wait_for(return_argument("result"), 10)) == "result"


async def test_wait_for_cancels_what_takes_too_long(loop):
    task = asyncio.create_task(wait_for_ever())
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(task, 0.001)
    assert task.cancelled() is True


async def test_nested_timeouts_raise_at_the_right_level(loop):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            async with asyncio.timeout(10):
                await wait_for_ever()


async def test_shield_keeps_the_inner_task_from_cancellation(loop):
    inner = asyncio.create_task(return_argument("survived"))
    outer = asyncio.ensure_future(asyncio.shield(inner))
    await cancel(outer)
    assert await inner == "survived"


async def test_queue_hands_over_items_in_order(loop):
    queue, received = asyncio.Queue(maxsize=3), []

    async def consume():
        while (item := await queue.get()) is not None:
            received.append(item)

    consumer = asyncio.create_task(consume())
    for number in range(100):
        await queue.put(number)
    await queue.put(None)
    await consumer
    assert received == list(range(100))


async def test_event_condition_and_semaphore_wake_their_waiters(loop):
    event, condition, semaphore = asyncio.Event(), asyncio.Condition(), asyncio.Semaphore(0)

    async def wait_for_condition():
        async with condition:
            return await condition.wait()

    tasks = [asyncio.create_task(waiting) for waiting in (event.wait(), wait_for_condition(), semaphore.acquire())]
    await asyncio.sleep(0)
    event.set()
    semaphore.release()
    async with condition:
        condition.notify_all()
    assert await asyncio.gather(*tasks) == [True, True, True]


async def test_tasks_made_by_to_thread_and_run_in_executor_mix_with_others(loop):
    assert await asyncio.gather(asyncio.to_thread(int, "1"), return_argument(2), asyncio.to_thread(int, "3")) == [1, 2, 3]
