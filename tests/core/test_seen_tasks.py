"""What tools that inspect a process from outside see of its tasks."""

import contextlib
import re
import subprocess
import sys
import sysconfig

import pytest

from actors.programs import run_python

has_gil = not sysconfig.get_config_var("Py_GIL_DISABLED")
needs_gil = pytest.mark.skipif(not has_gil, reason="without the GIL tasks are not linked: a stated limit")
has_ps = pytest.mark.skipif(sys.version_info < (3, 14), reason="python -m asyncio ps is new in Python 3.14")
has_profiler = pytest.mark.skipif(sys.version_info < (3, 15), reason="the sampling profiler is new in Python 3.15")

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
    return run_python("-m", *arguments, check=True).stdout


def without_addresses(output):
    """What the tools print about tasks, without addresses, process numbers, the numbers in default names and the order of tasks."""
    output = re.sub(r"^\d+ +|0x[0-9a-f]+", "", output, flags=re.MULTILINE)
    return sorted(re.sub(r" +", " ", re.sub(r"Task-\d+", "Task-N", line)).strip() for line in output.splitlines())


@needs_gil
@has_ps
@pytest.mark.parametrize("tool", ["ps", "pstree"])
@pytest.mark.parametrize("debug_mode", ["0", "1"])
def test_asyncio_tools_show_the_same_as_of_asyncio(monkeypatch, tool, debug_mode):
    monkeypatch.setenv("PYTHONASYNCIODEBUG", debug_mode)
    shown = []
    for loop_name in ("fastloop", "asyncio"):
        with running_program(loop_name) as pid:
            shown.append(without_addresses(output_of("asyncio", tool, pid)))
    assert shown[0] == shown[1]


@needs_gil
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


@needs_gil
@has_profiler
@pytest.mark.parametrize(("mode", "expected"), [("running", ["busy", "spin"]), ("all", ["busy", "leaf", "gatherer", "group"])])
def test_profiler_samples_tasks(mode, expected):
    with running_program("fastloop", "busy") as pid:
        output = output_of(
            "profiling.sampling", "attach", "--async-aware", "--async-mode", mode, "--collapsed", "-d", 1, "-o", "/dev/stdout", pid
        )
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


@needs_gil
@has_ps
def test_unknown_layout_is_told_and_tasks_are_kept_in_asyncio_set():
    result = run_python("-c", FORGED, check=True)
    assert result.stdout.splitlines() == ["['RuntimeWarning']", "['Task-1', 'held']"]
    assert result.stderr == ""
