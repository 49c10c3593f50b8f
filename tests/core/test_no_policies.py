"""fastloop on a Python without event loop policies, as 3.16 will be: here, one that has lost them."""

import os
import textwrap

import pytest

from actors.programs import run_python

WITHOUT_POLICIES = """
    import asyncio
    import threading

    current = threading.local()

    def set_event_loop(loop):
        current.loop = loop

    def get_event_loop():
        loop = asyncio._get_running_loop() or getattr(current, "loop", None)
        if loop is None:
            raise RuntimeError("There is no current event loop")
        return loop

    def new_event_loop():
        return asyncio.SelectorEventLoop()

    for module in (asyncio, asyncio.events, asyncio.unix_events):
        for name in [name for name in vars(module) if "policy" in name.lower()]:
            delattr(module, name)
        vars(module).update(set_event_loop=set_event_loop, get_event_loop=get_event_loop, new_event_loop=new_event_loop)
"""


def output_of(program, folder):
    finished = run_python("-W", "error", "-c", textwrap.dedent(WITHOUT_POLICIES) + textwrap.dedent(program), folder=folder)
    assert (finished.returncode, finished.stderr) == (0, "")
    return finished.stdout


def test_everything_but_policies_is_there(tmp_path):
    program = """
        import fastloop
        from fastloop import *

        async def main():
            return type(asyncio.get_running_loop()) is fastloop.EventLoop

        print(fastloop.run(main()), asyncio.run(main(), loop_factory=fastloop.new_event_loop) if hasattr(asyncio, "EventLoop") else True)
        print([name for name in ("EventLoopPolicy", "install", "uninstall") if name in {*dir(fastloop), *fastloop.__all__, *globals()}])
    """
    assert output_of(program, tmp_path) == "True True\n[]\n"


@pytest.mark.parametrize("name", ["EventLoopPolicy", "install", "uninstall"])
def test_who_asks_for_a_policy_is_told_what_to_do(tmp_path, name):
    program = f"""
        import fastloop

        try:
            fastloop.{name}
        except AttributeError as error:
            print(error)
    """
    assert "use fastloop.run()" in output_of(program, tmp_path)


def test_current_loop_is_made_once_and_is_asyncios_too(tmp_path):
    program = """
        import fastloop

        loop = fastloop.get_event_loop()
        print(type(loop) is fastloop.EventLoop, fastloop.get_event_loop() is loop, asyncio.get_event_loop() is loop)
        loop.close()
        fastloop.set_event_loop(None)
    """
    assert output_of(program, tmp_path) == "True True True\n"


def test_program_that_is_not_changed_runs_on_fastloop(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(WITHOUT_POLICIES))
    program = tmp_path / "program.py"
    program.write_text(
        "import asyncio\nasync def main():\n    print(type(asyncio.get_running_loop()).__module__)\nasyncio.Runner().run(main())\n"
    )
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    finished = run_python("-m", "fastloop", program, folder=tmp_path, env={**os.environ, "PYTHONPATH": paths})
    assert finished.stdout.startswith("fastloop"), finished.stderr
