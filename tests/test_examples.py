"""Every script of examples/tutorial prints the same with both ways to get onto fastloop, and on asyncio itself."""

import pathlib
import re
import sys

import pytest

from actors.programs import run_python

TUTORIAL = pathlib.Path(__file__).resolve().parents[1] / "examples" / "tutorial"
IMPORT_LINE = "import fastloop as asyncio\n"

EXPECTED_OUTPUT = {
    "01_call_soon_call_later": """\
nothing has run yet
first
second
later: half a second has passed: True
""",
    "02_run_forever_stop": """\
tick 1
tick 2
tick 3
stop
running: False, closed: False
again
running: False, closed: True
""",
    "03_future": """\
done: False
cooking
cooked
run_until_complete returned 'pancakes'
done: True, result: 'pancakes', exception: None
""",
    "04_future_states": """\
result() while pending: InvalidStateError
exception() while pending: InvalidStateError
the result is set, the callback has not run
result(): 42
exception(): None
set_result() a second time: InvalidStateError
now the loop runs
callback: 42
added a late callback
late callback
""",
    "05_async_def": """\
compute 1 + 2
1 + 2 = 3
main got 3
main caught no luck
""",
    "06_coroutine_decorator": """\
one: 2
two: 3
one: 1
two: 2
two: 1
one lifted off
two lifted off
a plain function can be awaited, too
three: 1
awaited: three lifted off
""",
    "07_ten_tasks": """\
10 tasks, 0 done
10 done, 0 pending
finished: [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
results: [0, 1, 4, 9, 16, 25, 36, 49, 64, 81]
""",
    "08_tcp_protocol": """\
client: sending 'hello'
server: received 'hello'
client: received 'HELLO'
client: connection closed, error: None
""",
    "09_datagram_protocol": """\
responder: 'stressed'
asker: 'desserts'
main: 'desserts'
asker: closed, error: None
""",
    "10_subprocess_protocol": """\
process exited
return code: 3
stdout: HELLO FROM THE PARENT
stderr: done
""",
}

WITH_POLICY = "import asyncio, fastloop; asyncio.set_event_loop_policy(fastloop.EventLoopPolicy())\n"
ON_FASTLOOP = "\nimport fastloop as _fastloop\nassert type(loop) is _fastloop.EventLoop, type(loop)\n"


def run_script(name, folder, import_line, appended):
    """Run a copy of the script with another import line, in folder, with every warning an error."""
    source = (TUTORIAL / f"{name}.py").read_text()
    assert IMPORT_LINE in source
    script = folder / f"{name}.py"
    script.write_text(source.replace(IMPORT_LINE, import_line) + appended)
    # Setting a policy is deprecated from Python 3.14 on, and one of the two ways to be shown.
    ignored = "ignore:'asyncio.set_event_loop_policy' is deprecated:DeprecationWarning"
    finished = run_python("-X", "dev", "-W", "error", "-W", ignored, script, folder=folder)
    # Debug mode warns of callbacks that took a tenth of a second: on a busy machine that says nothing of the script.
    finished.stderr = re.sub(r"^Executing <.*> took \d+\.\d+ seconds\n", "", finished.stderr, flags=re.M)
    return finished


def test_expected_output_is_known_for_every_script():
    assert sorted(path.stem for path in TUTORIAL.glob("*.py")) == sorted(EXPECTED_OUTPUT)


@pytest.mark.parametrize("name", EXPECTED_OUTPUT)
def test_script_has_fewer_than_fifty_lines(name):
    assert len((TUTORIAL / f"{name}.py").read_text().splitlines()) < 50


WAYS = {
    "imported as asyncio": (IMPORT_LINE, ON_FASTLOOP),
    "set as policy": (WITH_POLICY, ON_FASTLOOP),
    "asyncio itself": ("import asyncio\n", ""),
}


@pytest.mark.parametrize("name", EXPECTED_OUTPUT)
@pytest.mark.parametrize("way", WAYS)
def test_script_prints_what_it_shows(name, tmp_path, way):
    if way == "set as policy" and sys.version_info >= (3, 16):
        pytest.skip("Python 3.16 has no event loop policies")
    if way == "asyncio itself" and "coroutine_decorator" in name:
        pytest.skip("asyncio has no such decorator any more")
    finished = run_script(name, tmp_path, *WAYS[way])
    assert (finished.stderr, finished.stdout) == ("", EXPECTED_OUTPUT[name])
