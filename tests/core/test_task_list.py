"""The list of tasks stays whole: tasks that are dropped, die, come back, end in other threads, in forked children, with the interpreter."""

import asyncio
import contextlib
import gc
import random
import sys
import sysconfig
import threading
import weakref

import pytest

import fastloop
from actors.coroutines import wait_for_ever
from actors.programs import run_python
from actors.threads import call_in_thread

has_gil = not sysconfig.get_config_var("Py_GIL_DISABLED")
dies_while_pending = pytest.mark.skipif(not has_gil, reason="without the GIL fastloop holds pending tasks: a stated limit")


def names(loop):
    return sorted(task.get_name() for task in asyncio.all_tasks(loop))


def test_tasks_of_every_state_and_kind_are_dropped_at_random(implementation, loop):
    """Kept, dropped while pending, done, cancelled, renamed, of a subclass: all_tasks() sees those that are pending and held."""

    class Subclass(implementation.Task):
        __slots__ = ("held",)

    loop.set_exception_handler(lambda loop, context: None)
    randomly = random.Random(1)
    kept = {}

    async def at_once(value):
        return value

    def make(number):
        make_coroutine = randomly.choice([wait_for_ever, lambda: at_once(number)])
        make_task = randomly.choice([loop.create_task, lambda coroutine, name: Subclass(coroutine, loop=loop, name=name)])
        return make_task(make_coroutine(), name=f"task {number}")

    async def main():
        for number in range(100_000):
            task = make(number)
            kind = randomly.randrange(6)
            if kind < 2:
                kept[number] = task
            elif kind == 2:
                task.cancel()
            elif kind == 3:
                task.set_name("renamed")
            if number % 50 == 0:
                await asyncio.sleep(0)
            if number % 500 == 0:
                for dropped in randomly.sample(sorted(kept), len(kept) // 2):
                    del kept[dropped]
            if number % 5_000 == 0:
                gc.collect()
        del task
        gc.collect()
        pending = {name for name in names(loop) if name.startswith("task ")}
        assert {task.get_name() for task in kept.values() if not task.done()} <= pending
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0.01)
        kept.clear()

    loop.run_until_complete(main())
    gc.collect()
    assert names(loop) == []


@dies_while_pending
def test_pending_task_that_nobody_holds_is_collected(loop, run_turn):
    reports = []
    loop.set_exception_handler(lambda loop, context: reports.append(context["message"]))
    reference = weakref.ref(loop.create_task(wait_for_ever()))
    run_turn()
    gc.collect()
    assert reference() is None
    assert reports == ["Task was destroyed but it is pending!"]
    assert names(loop) == []


@dies_while_pending
def test_destructor_of_a_dying_task_may_ask_for_all_tasks(implementation, loop, run_turn):
    seen = []

    class Asking:
        def __del__(self):
            seen.append([type(task).__name__ for task in asyncio.all_tasks(loop)])

    class Slotted(implementation.Task):
        __slots__ = ("asking",)

    async def main():
        for make in (implementation.Task, Slotted):
            task = make(wait_for_ever(), loop=loop)
            task._log_destroy_pending = False
            task.asking = Asking()
            await asyncio.sleep(0)
            del task
            gc.collect()

    loop.run_until_complete(main())
    assert len(seen) == 2
    assert names(loop) == []


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="since Python 3.14 asyncio links its tasks")
def test_asyncios_weak_set_knows_pending_tasks(loop, run_turn):
    weak_set = asyncio.tasks._scheduled_tasks if sys.version_info >= (3, 12) else asyncio.tasks._all_tasks
    others = len(weak_set)
    task = loop.create_task(wait_for_ever())
    assert task in weak_set
    assert list(weak_set).count(task) == 1
    assert len(weak_set) == others + 1
    task.cancel()
    run_turn(2)
    del task
    assert len(weak_set) == others


@dies_while_pending
def test_what_the_collector_destroys_with_tasks_may_ask_for_all_of_them(implementation, loop, run_turn):
    found = []

    class Asking:
        def __del__(self):
            found.extend(asyncio.all_tasks(loop))

    # Older than the objects that refer to it: its destructor runs when the collector takes apart what it has found, not before.
    asking = Asking()
    gc.collect()
    gc.disable()
    try:
        garbage = [asking]
        garbage.append(garbage)
        del asking
        for _ in range(5):
            task = implementation.Task(wait_for_ever(), loop=loop)
            task._log_destroy_pending = False
            task.add_done_callback([task].append)
        run_turn()
        del task, garbage
        gc.collect(0)
    finally:
        gc.enable()
    # Since Python 3.14 asyncio finds such tasks, and can ask what is left of them.
    answers = [(task.done(), task.get_coro()) for task in found]
    assert answers == [(False, None)] * len(found)
    found.clear()
    assert names(loop) == []


@dies_while_pending
def test_task_that_its_destruction_brings_back_can_be_used(implementation, loop, run_turn):
    saved = []

    class Saved(implementation.Task):
        def __del__(self):
            saved.append(self)

    task = Saved(wait_for_ever(), loop=loop, name="saved")
    task._log_destroy_pending = False
    run_turn()
    del task
    gc.collect()
    [task] = saved
    assert task.get_name() == "saved"
    task.cancel()
    run_turn(2)
    assert names(loop) == []
    del task
    saved.clear()


def test_tasks_of_a_thread_that_has_ended_can_end(implementation, loop):
    def make_tasks():
        asyncio.set_event_loop(loop)
        tasks = [implementation.Task(wait_for_ever(), loop=loop, name=f"from the thread {i}") for i in range(3)]
        asyncio.set_event_loop(None)
        return tasks

    tasks = call_in_thread(make_tasks)
    assert names(loop) == [f"from the thread {i}" for i in range(3)]
    tasks.pop(1).cancel()
    loop.run_until_complete(asyncio.sleep(0.001))
    assert names(loop) == ["from the thread 0", "from the thread 2"]
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0.001))
    assert names(loop) == []


async def test_all_tasks_of_another_thread_are_seen_while_they_come_and_go(implementation, loop):
    is_over = threading.Event()
    counts = []

    def look():
        try:
            for _ in range(200):
                counts.append(len(asyncio.all_tasks(loop)))
        finally:
            is_over.set()

    thread = threading.Thread(target=look)
    loop.call_soon(loop.call_soon, loop.call_soon, thread.start)
    held = [asyncio.create_task(wait_for_ever()) for _ in range(20)]
    while not is_over.is_set():
        await asyncio.gather(*(asyncio.sleep(0) for _ in range(20)))
    for task in held:
        task.cancel()
    await asyncio.wait(held)
    thread.join()
    assert len(counts) == 200
    assert min(counts) >= 20


FORKING = """
import asyncio, gc, importlib, os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
implementation = importlib.import_module(sys.argv[1])

async def wait_for_ever():
    await asyncio.get_running_loop().create_future()

def names(loop):
    return sorted(task.get_name() for task in asyncio.all_tasks(loop))

async def main(depth):
    tasks = [asyncio.create_task(wait_for_ever(), name=f"{depth} {number}") for number in range(6)]
    await asyncio.sleep(0)
    if depth < 3 and os.fork() == 0:
        asyncio._set_running_loop(None)
        for number in (0, 3, 5):
            tasks[number]._log_destroy_pending = False
            tasks[number] = None
        gc.collect()
        loop = implementation.new_event_loop()
        loop.run_until_complete(main(depth + 1))
        loop.close()
        del tasks[:]
        gc.collect()
        os._exit(0)
    if depth < 3:
        assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
    # Behind the fork: the list of this process.
    print(depth, [name for name in names(asyncio.get_running_loop()) if name.startswith(str(depth))], flush=True)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    print(depth, len(names(asyncio.get_running_loop())), flush=True)

loop = implementation.new_event_loop()
loop.set_exception_handler(lambda loop, context: None)
loop.run_until_complete(main(1))
loop.close()
"""


# asyncio's own tasks get lost here: in the child a task that ends writes into the list of the new ones (CPython 3.14.8, 3.15.0).
def test_forked_children_have_lists_of_their_own():
    result = run_python("-c", FORKING, "fastloop")
    assert result.stdout.splitlines() == [
        line for depth in (3, 2, 1) for line in (f"{depth} {[f'{depth} {number}' for number in range(6)]}", f"{depth} 1")
    ], result.stderr
    assert result.returncode == 0


ENDING = """
import asyncio, sys, threading
import fastloop

async def wait_for_ever():
    await asyncio.get_running_loop().create_future()

loop = fastloop.new_event_loop()
keep = [loop.create_task(wait_for_ever()) for _ in range(10)]
thread = threading.Thread(target=lambda: keep.extend(loop.create_task(wait_for_ever()) for _ in range(10)))
thread.start()
thread.join()
loop.run_until_complete(asyncio.sleep(0))
for task in keep:
    task._log_destroy_pending = False
sys.modules["__main__"].__dict__["cycle"] = keep
keep.append(keep)
loop.close()
print(len(asyncio.all_tasks(loop)))
"""


def test_interpreter_may_end_with_tasks_that_wait():
    result = run_python("-c", ENDING, check=True)
    assert int(result.stdout) in ((20,) if has_gil else (0,))
    assert result.stderr == ""


# Which tasks wait, in futures of asyncio's own


@pytest.mark.skipif(sys.version_info < (3, 14) or not has_gil, reason="asyncio notes which tasks wait since Python 3.14")
def test_task_waits_for_a_future_of_asyncio_until_it_goes_on(loop, run_turn):
    def waiting():
        return sorted(task.get_name() for task in future._asyncio_awaited_by or ())

    async def wait():
        with contextlib.suppress(asyncio.CancelledError):
            await future
        await goes_on

    future, goes_on = asyncio.Future(loop=loop), loop.create_future()
    tasks = [fastloop.Task(wait(), loop=loop, name=name) for name in ("one", "two")]
    run_turn()
    assert waiting() == ["one", "two"]
    tasks[0].cancel()
    run_turn(2)
    assert waiting() == []
    goes_on.set_result(None)
    loop.run_until_complete(asyncio.wait(tasks))
