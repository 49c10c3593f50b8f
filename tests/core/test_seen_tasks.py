"""What tools that look at a process from outside see of its tasks, and that the list that they walk stays whole."""

import asyncio
import contextlib
import gc
import random
import re
import subprocess
import sys
import sysconfig
import threading
import weakref

import pytest

import fastloop

has_gil = not sysconfig.get_config_var("Py_GIL_DISABLED")
has_ps = pytest.mark.skipif(sys.version_info < (3, 14) or not has_gil, reason="python -m asyncio ps came with Python 3.14; fastloop needs a GIL for it")
has_profiler = pytest.mark.skipif(sys.version_info < (3, 15) or not has_gil, reason="the sampling profiler came with Python 3.15")
TIME_LIMIT_S = 60

PROGRAM = """
import asyncio, ctypes, importlib, signal, sys

# Some systems let only a parent look into a process: PR_SET_PTRACER, PR_SET_PTRACER_ANY.
ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1))

def spin(seconds):
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        pass

async def leaf():
    await asyncio.sleep(3600)

async def branch():
    await leaf()

async def group():
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(branch(), name="of the group")

async def gatherer():
    await asyncio.gather(branch(), branch())

async def waiter(task):
    await task

async def waiter_for_any(task):
    await asyncio.wait([task])

async def shielder(task):
    await asyncio.shield(task)

async def busy():
    while True:
        spin(0.01)
        await asyncio.sleep(0)

async def main():
    shared = asyncio.create_task(branch(), name="shared")
    held = [asyncio.create_task(wait(shared), name=f"by {wait.__name__}") for wait in (waiter, waiter, waiter_for_any, shielder)]
    held += [asyncio.create_task(group(), name="grouping"), asyncio.create_task(gatherer(), name="gathering")]
    named_later = asyncio.create_task(waiter(asyncio.get_running_loop().create_future()))
    named_later.set_name("named " + "later")
    await asyncio.sleep(0.01)
    if "busy" in sys.argv:
        held.append(asyncio.create_task(busy(), name="busy"))
    print("ready", flush=True)
    await asyncio.wait(held)

signal.alarm(120)
new_event_loop = importlib.import_module(sys.argv[1]).new_event_loop
with asyncio.Runner(loop_factory=new_event_loop) as runner:
    runner.run(main())
"""


@contextlib.contextmanager
def running_program(loop_name, *arguments):
    """The process number of the program above, once all its tasks wait."""
    with subprocess.Popen([sys.executable, "-c", PROGRAM, loop_name, *arguments], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process.pid
        finally:
            process.kill()


def output_of(*arguments):
    command = [sys.executable, "-m", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=True).stdout


def without_addresses(output):
    """What the tools print of tasks, but for addresses, process numbers, the numbers in default names and the order of tasks."""
    output = re.sub(r"^\d+ +|0x[0-9a-f]+", "", output, flags=re.MULTILINE)
    return sorted(re.sub(r" +", " ", re.sub(r"Task-\d+", "Task-N", line)).strip() for line in output.splitlines())


@has_ps
@pytest.mark.parametrize("tool", ["ps", "pstree"])
def test_asyncio_tools_show_the_same_as_of_asyncio(tool):
    shown = []
    for loop_name in ("fastloop", "asyncio"):
        with running_program(loop_name) as pid:
            shown.append(without_addresses(output_of("asyncio", tool, pid)))
    assert shown[0] == shown[1]


@has_ps
def test_ps_shows_names_stacks_and_who_waits():
    with running_program("fastloop") as pid:
        output = output_of("asyncio", "ps", pid)
    assert re.search(r"\bof the group +sleep -> leaf -> branch +.*-> group +grouping\b", output)
    assert len(re.findall(r"\bTask-\d+ +sleep -> leaf -> branch +gatherer +gathering\b", output)) == 2
    assert len(re.findall(r"\bshared +sleep -> leaf -> branch +waiter +by waiter\b", output)) == 2
    assert re.search(r"\bshared +sleep -> leaf -> branch +.*waiter_for_any +by waiter_for_any\b", output)
    assert re.search(r"\bshared +sleep -> leaf -> branch +shielder +by shielder\b", output)
    assert re.search(r"\bnamed later +waiter\b", output)


@has_profiler
@pytest.mark.parametrize(("mode", "expected"), [("running", ["busy", "spin"]), ("all", ["busy", "leaf", "gatherer", "group"])])
def test_profiler_samples_tasks(mode, expected):
    with running_program("fastloop", "busy") as pid:
        output = output_of(
            "profiling.sampling", "attach", "--async-aware", "--async-mode", mode, "--collapsed", "-d", 1, "-o", "/dev/stdout", pid)
    assert "No samples" not in output
    for function in expected:
        assert re.search(rf":{function}:\d+.* \d+$", output, re.MULTILINE), f"{function} was not sampled:\n{output}"


FORGED = """
import _asyncio, asyncio, gc, warnings

class Task(_asyncio.Task):
    __slots__ = ("something_new",)

_asyncio.Task = Task
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    import fastloop
print([warning.category.__name__ for warning in warned])

async def wait_for_ever():
    await asyncio.get_running_loop().create_future()

async def main():
    asyncio.create_task(wait_for_ever(), name="held")
    await asyncio.sleep(0)
    gc.collect()
    print(sorted(task.get_name() for task in asyncio.all_tasks()))

fastloop.run(main())
"""


@has_ps
def test_unknown_layout_is_told_and_tasks_are_kept_in_asyncio_set():
    result = subprocess.run([sys.executable, "-c", FORGED], capture_output=True, text=True, timeout=TIME_LIMIT_S, check=True)
    assert result.stdout.splitlines() == ["['RuntimeWarning']", "['Task-1', 'held']"]
    assert result.stderr == ""


# The list stays whole


async def wait_for_ever():
    await asyncio.get_running_loop().create_future()


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
        for number in range(20_000):
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
        for task in kept.values():
            task.cancel()
        await asyncio.sleep(0.01)
        kept.clear()

    loop.run_until_complete(main())
    gc.collect()
    assert names(loop) == []


def test_pending_task_that_nobody_holds_is_collected(loop, run_turn, implementation):
    if implementation.name == "fastloop" and not has_gil:
        pytest.skip("without the GIL fastloop holds pending tasks until they end or the loop is closed")
    reports = []
    loop.set_exception_handler(lambda loop, context: reports.append(context["message"]))
    reference = weakref.ref(loop.create_task(wait_for_ever()))
    run_turn()
    gc.collect()
    assert reference() is None
    assert reports == ["Task was destroyed but it is pending!"]
    assert names(loop) == []


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
    run_turn()
    run_turn()
    assert names(loop) == []
    del task
    saved.clear()


def test_tasks_of_a_thread_that_has_ended_can_end(implementation, loop):
    tasks = []

    def make_tasks():
        asyncio.set_event_loop(loop)
        tasks.extend(implementation.Task(wait_for_ever(), loop=loop, name=f"from the thread {i}") for i in range(3))
        asyncio.set_event_loop(None)

    thread = threading.Thread(target=make_tasks)
    thread.start()
    thread.join()
    assert names(loop) == [f"from the thread {i}" for i in range(3)]
    tasks.pop(1).cancel()
    loop.run_until_complete(asyncio.sleep(0.001))
    assert names(loop) == ["from the thread 0", "from the thread 2"]
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0.001))
    assert names(loop) == []


def test_all_tasks_of_another_thread_are_seen_while_they_come_and_go(implementation, loop):
    is_over = threading.Event()
    counts = []

    async def main():
        held = [asyncio.create_task(wait_for_ever()) for _ in range(20)]
        while not is_over.is_set():
            await asyncio.gather(*(asyncio.sleep(0) for _ in range(20)))
        for task in held:
            task.cancel()
        await asyncio.wait(held)

    def look():
        try:
            for _ in range(200):
                counts.append(len(asyncio.all_tasks(loop)))
        finally:
            is_over.set()

    thread = threading.Thread(target=look)
    loop.call_soon(loop.call_soon, loop.call_soon, thread.start)
    loop.run_until_complete(main())
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


# asyncio's own tasks get lost here: in the child one that ends writes into the list of the new ones (CPython 3.14.8, 3.15.0).
def test_forked_children_have_lists_of_their_own():
    command = [sys.executable, "-c", FORKING, "fastloop"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False)
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
    result = subprocess.run([sys.executable, "-c", ENDING], capture_output=True, text=True, timeout=TIME_LIMIT_S, check=True)
    assert int(result.stdout) in ((20,) if has_gil else (0,))
    assert result.stderr == ""


# Who waits, in futures of asyncio's own


@pytest.mark.skipif(sys.version_info < (3, 14) or not has_gil, reason="asyncio notes who waits since Python 3.14")
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
    run_turn()
    run_turn()
    assert waiting() == []
    goes_on.set_result(None)
    loop.run_until_complete(asyncio.wait(tasks))
