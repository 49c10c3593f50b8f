"""python -m fastloop, in real processes."""

import subprocess
import sys

import pytest

from actors.programs import run_python

pytestmark = pytest.mark.fastloop_only

PROGRAM = """
import asyncio, multiprocessing, sys

def kinds(_=None):
    async def running():
        return asyncio.get_running_loop()
    loops = [asyncio.new_event_loop(), asyncio.SelectorEventLoop(), asyncio.run(running())]
    for loop in loops:
        loop.close()
    return {type(loop).__module__ for loop in loops}

if __name__ == "__main__":
    print(*sys.argv[1:], *kinds())
    for method in sys.argv[1:]:
        with multiprocessing.get_context(method).Pool(1) as pool:
            print(method, *pool.map(kinds, [0])[0])
"""


SHOW_WHO = "import sys; print(sys.argv, sys.path[0], __name__, __file__)"


@pytest.fixture
def program(tmp_path):
    (tmp_path / "app.py").write_text(PROGRAM)
    return tmp_path


@pytest.mark.parametrize("options, module", [([], "fastloop.api.event_loop"), (["--no-children"], "asyncio.unix_events")])
def test_a_program_and_its_children_get_fastloops_loops(program, options, module):
    methods = ["fork", "spawn", "forkserver"]
    ran = run_python("-m", "fastloop", *options, "app.py", *methods, folder=program)
    assert ran.stdout.splitlines() == [
        " ".join([*methods, "fastloop.api.event_loop"]),
        *(f"{method} {{}}".format(module) for method in methods),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "import sys; sys.exit(7)",
        "raise KeyboardInterrupt",
        "def f():\n    1 / 0\nf()",
        "x = (",
        "import sys; print(sys.argv, sys.path[0], __name__, __file__)",
    ],
)
@pytest.mark.parametrize("how", [["app.py"], ["-m", "app"]])
def test_a_program_ends_as_with_plain_python(tmp_path, text, how):
    (tmp_path / "app.py").write_text(text)
    plain, ours = (run_python(*way, *how, "--help", folder=tmp_path) for way in ([], ["-m", "fastloop"]))
    assert (ours.returncode, ours.stdout) == (plain.returncode, plain.stdout)
    without_runpy = [line for line in plain.stderr.splitlines() if "<frozen runpy>" not in line]
    assert ours.stderr.splitlines() == without_runpy


@pytest.mark.parametrize(
    "arguments, status, message",
    [
        (["nothing.py"], 2, "can't open file"),
        (["-m", "nothing"], 1, "No module named nothing"),
        (["-m"], 2, "expected one argument"),
        (["--nothing"], 2, "unrecognized arguments"),
        (["--watchdog", "0"], 2, "is not a number of seconds above 0"),
        (["."], 1, "can't find '__main__' module"),
    ],
)
def test_wrong_arguments_get_a_clear_message(tmp_path, arguments, status, message):
    ran = run_python("-m", "fastloop", *arguments, folder=tmp_path)
    assert (ran.returncode, message in ran.stderr) == (status, True)


def test_a_program_that_asks_for_uvloop_gets_fastloop(tmp_path):
    pytest.importorskip("uvloop")
    lines = ["import asyncio, uvloop", "async def main(): print(type(asyncio.get_running_loop()).__module__)"]
    lines += [
        "uvloop.run(main())",
        "asyncio.Runner(loop_factory=uvloop.new_event_loop).run(main())",
        "uvloop.install()",
        "asyncio.run(main())",
    ]
    (tmp_path / "app.py").write_text("\n".join(lines))
    ran = run_python("-m", "fastloop", "app.py", folder=tmp_path)
    assert ran.stdout.splitlines() == ["fastloop.api.event_loop"] * 3


def test_watchdog_and_statistics_are_printed(tmp_path):
    (tmp_path / "app.py").write_text("import asyncio, time\nasync def main():\n    time.sleep(1)\nasyncio.run(main())\n")
    ran = run_python("-m", "fastloop", "--watchdog", "0.1", "--statistics", "app.py", folder=tmp_path)
    assert 'app.py", line 3, in main' in ran.stderr
    assert "free again" in ran.stderr
    assert "task steps" in ran.stderr


def test_without_a_program_there_is_a_console_on_fastloop(tmp_path):
    command = [sys.executable, "-m", "fastloop"]
    text = "import asyncio\nasync def f(): return type(asyncio.get_running_loop())\n\nprint(await f())\n"
    ran = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert "fastloop.api.event_loop.EventLoop" in ran.stdout


def test_info_names_version_and_backend():
    ran = run_python("-m", "fastloop", "--info")
    assert [line.split()[0] for line in ran.stdout.splitlines()] == ["fastloop", "backend", "TLS", "Python", "system"]
