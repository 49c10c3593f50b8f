"""python -m fastloop, in real processes."""

import os
import pty
import re
import select
import signal
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
        (["-mpkg.nothing"], 1, "No module named pkg.nothing"),
        (["--debug", "-m"], 2, "expected one argument"),
        *((["--watchdog", wrong], 2, f"{wrong!r} is not a number of seconds above 0") for wrong in ("0", "-1", "nan", "inf", "")),
        (["."], 1, "can't find '__main__' module"),
    ],
)
def test_wrong_arguments_get_a_clear_message(tmp_path, arguments, status, message):
    (tmp_path / "pkg").mkdir()
    ran = run_python("-m", "fastloop", *arguments, folder=tmp_path)
    assert (ran.returncode, ran.stdout, message in ran.stderr.splitlines()[-1]) == (status, "", True)
    assert "Traceback" not in ran.stderr


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


WAITS = """
import asyncio, sys

async def main():
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print("waiting", flush=True)
    await reader.read()

asyncio.run(main())
print("ended")
"""


def test_sigusr1_prints_the_statistics_while_the_program_runs(tmp_path):
    (tmp_path / "app.py").write_text(WAITS)
    command = [sys.executable, "-m", "fastloop", "--statistics", "app.py"]
    pipes = dict.fromkeys(["stdin", "stdout", "stderr"], subprocess.PIPE)
    with subprocess.Popen(command, **pipes, text=True, cwd=tmp_path) as program:
        assert program.stdout.readline() == "waiting\n"
        program.send_signal(signal.SIGUSR1)
        running = next(line for line in program.stderr if line.startswith("tasks "))
        rest, at_the_end = program.communicate(timeout=60)
    assert (running.split(), rest, program.returncode) == (["tasks", "1"], "ended\n", 0)
    assert re.search("^tasks +0$", at_the_end, re.M)


def test_statistics_of_a_closed_loop_outlive_it(tmp_path):
    lines = ["import asyncio, gc, weakref", "loop = asyncio.new_event_loop()", "loop.run_until_complete(asyncio.sleep(0))"]
    lines += ["loop.close()", "gone = weakref.ref(loop)", "del loop", "gc.collect()", "print(gone())"]
    (tmp_path / "app.py").write_text("\n".join(lines))
    ran = run_python("-m", "fastloop", "--statistics", "app.py", folder=tmp_path)
    assert ran.stdout == "None\n"
    assert re.search(r"^task steps +2$", ran.stderr, re.M)


def test_console_on_a_terminal_awaits_on_fastloop(tmp_path):
    terminal, other_end = pty.openpty()
    environment = {**os.environ, "HOME": str(tmp_path), "TERM": "xterm"}
    ends = dict.fromkeys(["stdin", "stdout", "stderr"], other_end)
    with subprocess.Popen([sys.executable, "-m", "fastloop"], **ends, cwd=tmp_path, env=environment, start_new_session=True) as console:
        os.close(other_end)

        def type_until(line, text):
            shown = b""
            while text not in shown:
                # What is typed while the console prepares the terminal may be lost.
                if select.select([terminal], [], [], 5)[0]:
                    shown += os.read(terminal, 4096)
                else:
                    os.write(terminal, line)

        type_until(b"\r", b">>> ")
        line = b"await asyncio.sleep(0, type(asyncio.get_running_loop()).__module__ + '.' * 3)\r"
        os.write(terminal, line)
        type_until(line, b"fastloop.api.event_loop...")
        type_until(b"\r", b">>> ")
        os.write(terminal, b"exit()\r")
        assert console.wait(60) == 0
    os.close(terminal)


def test_without_a_program_there_is_a_console_on_fastloop(tmp_path):
    command = [sys.executable, "-m", "fastloop"]
    text = "import asyncio\nasync def f(): return type(asyncio.get_running_loop())\n\nprint(await f())\n"
    ran = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert "fastloop.api.event_loop.EventLoop" in ran.stdout


@pytest.mark.parametrize(
    "variables, engine",
    [
        ({}, "(direct|memorybio, because .+);"),
        ({"FASTLOOP_TLS_ENGINE": "memorybio"}, "memorybio, because FASTLOOP_TLS_ENGINE says so;"),
        ({"SSLKEYLOGFILE": os.devnull}, "memorybio, because .+;"),
        ({"FASTLOOP_TLS_ENGINE": "no"}, "none works: FASTLOOP_TLS_ENGINE must be 'direct' or 'memorybio', not 'no';"),
    ],
)
def test_info_names_version_backend_and_the_engine_of_a_real_connection(variables, engine):
    others = {name: value for name, value in os.environ.items() if name != "FASTLOOP_TLS_ENGINE"}
    ran = run_python("-m", "fastloop", "--info", env=others | variables)
    assert [line.split()[0] for line in ran.stdout.splitlines()] == ["fastloop", "backend", "TLS", "Python", "system"]
    assert re.search(f"^TLS engine  {engine}", ran.stdout, re.M)
