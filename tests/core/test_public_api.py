"""The public names of fastloop, and that they are what asyncio's users expect."""

import asyncio
import contextlib
import inspect
import selectors
import sys
import types
import warnings

import pytest

import fastloop
from actors.coroutines import raise_some_error, wait_for
from actors.failures import SomeError
from actors.programs import run_python
from actors.threads import call_in_thread

TRANSPORTS = ["BaseTransport", "ReadTransport", "WriteTransport", "Transport", "DatagramTransport", "SubprocessTransport"]
PROTOCOLS = ["BaseProtocol", "Protocol", "BufferedProtocol", "DatagramProtocol", "SubprocessProtocol"]
LOOPS = ["run", "new_event_loop", "EventLoop", "Loop", "get_event_loop", "set_event_loop", "get_running_loop"]
CLASSES = ["Future", "Task", "Handle", "TimerHandle"]
TASKS = ["coroutine", "ensure_future", "create_task", "sleep", "gather", "wait", "wait_for"]
NAMES = [*LOOPS, *CLASSES, *TASKS, *TRANSPORTS, *PROTOCOLS]
POLICY_NAMES = ["EventLoopPolicy", "install", "uninstall"]
has_policies = sys.version_info < (3, 16)
needs_policies = pytest.mark.skipif(not has_policies, reason="Python 3.16 has no event loop policies")


async def running_loop():
    await asyncio.sleep(0)
    return asyncio.get_running_loop()


@pytest.fixture
def no_event_loop():
    """Leave the main thread without a current loop and with asyncio's own policy, before and after."""

    def forget():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            if has_policies:
                asyncio.set_event_loop_policy(None)
            asyncio.set_event_loop(None)

    forget()
    yield
    forget()


@pytest.mark.parametrize("name", NAMES + POLICY_NAMES * has_policies)
def test_name_is_public(name):
    assert hasattr(fastloop, name)
    assert name in fastloop.__all__


def test_every_public_name_exists():
    assert [name for name in fastloop.__all__ if not hasattr(fastloop, name)] == []


def test_star_import_gives_the_public_names(tmp_path):
    program = "import fastloop\nfrom fastloop import *\nprint(all(name in globals() for name in fastloop.__all__))"
    finished = run_python("-W", "error", "-c", program, folder=tmp_path)
    assert (finished.stdout, finished.stderr) == ("True\n", "")


def test_import_leaves_asyncio_as_it_was(tmp_path):
    program = """
import asyncio, asyncio.base_events, asyncio.events, asyncio.futures, asyncio.tasks, asyncio.unix_events, asyncio.selector_events
modules = [module for name, module in sorted(__import__("sys").modules.items()) if name.partition(".")[0] in ("asyncio", "_asyncio")]
def snapshot():
    names = {}
    for module in modules:
        for name, value in vars(module).items():
            names[module.__name__, name] = value
            if isinstance(value, type):
                names.update({(module.__name__, name, attribute): id(item) for attribute, item in vars(value).items()})
    return names
before = snapshot()
import fastloop
after = snapshot()
changed = [name for name in before.keys() | after.keys() if before.get(name) is not after.get(name) and before.get(name) != after.get(name)]
print(sorted(map(str, changed)))
"""
    finished = run_python("-c", program, folder=tmp_path)
    assert (finished.stdout, finished.stderr) == ("[]\n", "")


def test_loop_is_another_name_of_event_loop():
    assert fastloop.Loop is fastloop.EventLoop


def test_new_event_loop_makes_a_loop_that_is_not_running(no_leaks):
    loop = fastloop.new_event_loop()
    assert type(loop) is fastloop.EventLoop
    assert not loop.is_running() and not loop.is_closed()
    loop.close()


def test_classes_stand_in_the_same_relation_as_asyncios():
    assert issubclass(fastloop.EventLoop, asyncio.AbstractEventLoop)
    assert issubclass(fastloop.Task, fastloop.Future)
    assert issubclass(fastloop.TimerHandle, fastloop.Handle)


def test_every_other_name_of_asyncio_is_asyncios_own():
    asyncios = [name for name in vars(asyncio) if not name.startswith("_") and name not in fastloop.__all__]
    assert [name for name in asyncios if getattr(fastloop, name) is not getattr(asyncio, name)] == []


@pytest.mark.parametrize("name", TRANSPORTS + PROTOCOLS)
def test_transport_and_protocol_classes_are_those_of_asyncio(name):
    assert issubclass(getattr(fastloop, name), getattr(asyncio, name))


EVERY_TYPE = """
import contextlib, gc, importlib, pkgutil, sys, warnings
import fastloop, fastloop.core
warnings.simplefilter("ignore")
names = [module.name for module in pkgutil.walk_packages(fastloop.core.__path__, "fastloop.core.")]
modules = [importlib.import_module(name) for name in names]
loop = fastloop.new_event_loop()
types, reached = set(), [object]
while reached:
    one = reached.pop()
    module = sys.modules.get(str(one.__module__))
    if module in modules and not module.__file__.endswith(".py"):
        types.add(one)
    reached += type.__subclasses__(one)
made = set()
for one in sorted(types, key=str):
    for make in one, lambda: one.__new__(one), lambda: object.__new__(one):
        try:
            thing = make()
        except Exception:
            continue
        made.add(one.__name__)
        if hasattr(thing, "close"):
            with contextlib.suppress(Exception):
                thing.close()
        for look in repr, len, list, hash, lambda thing: [getattr(thing, name, None) for name in dir(thing)]:
            with contextlib.suppress(Exception):
                look(thing)
        with contextlib.suppress(Exception):
            loop._add_callback(thing)
        loop.call_soon(loop.stop)
        with contextlib.suppress(Exception):
            loop.run_forever()
        del thing
        gc.collect()
loop.close()
print(*sorted(made))
"""


def test_extension_type_of_the_core_that_is_called_without_arguments_does_no_harm(tmp_path):
    finished = run_python("-c", EVERY_TYPE, folder=tmp_path)
    assert finished.returncode == 0, finished.stderr[-2000:]
    made = set(finished.stdout.split())
    assert {"LoopCore", "Future", "Handle"} <= made
    assert made.isdisjoint({"ReadyView", "ReadyEntry", "ForeignHandle"})


def test_public_callables_have_docstrings():
    own = [name for name in fastloop.__all__ if getattr(getattr(fastloop, name), "__module__", "").startswith("fastloop")]
    assert own
    assert [name for name in own if not inspect.getdoc(getattr(fastloop, name))] == []


def test_version_is_a_version():
    major, minor, *_ = fastloop.__version__.split(".")
    assert major.isdigit() and minor.isdigit()


# Ways onto the loop


def test_run_runs_a_coroutine_on_fastloop_and_returns_its_result(no_leaks):
    loop = fastloop.run(running_loop())
    assert type(loop) is fastloop.EventLoop
    assert loop.is_closed()


def test_run_passes_debug_on(no_leaks):
    async def main():
        return asyncio.get_running_loop().get_debug()

    assert fastloop.run(main(), debug=True) is True
    assert fastloop.run(main(), debug=False) is False


def test_run_raises_what_the_coroutine_raises(no_leaks):
    with pytest.raises(SomeError):
        fastloop.run(raise_some_error())


def test_run_inside_a_running_loop_raises_runtime_error(no_leaks):
    async def main():
        with contextlib.closing(running_loop()) as coroutine, pytest.raises(RuntimeError):
            fastloop.run(coroutine)

    fastloop.run(main())


def test_new_event_loop_and_event_loop_are_loop_factories(no_leaks):
    for factory in (fastloop.new_event_loop, fastloop.EventLoop):
        with asyncio.Runner(loop_factory=factory) as runner:
            assert type(runner.run(running_loop())) is fastloop.EventLoop


@pytest.mark.skipif(sys.version_info < (3, 12), reason="asyncio.run() has loop_factory from Python 3.12 on")
def test_asyncio_run_takes_the_loop_factory(no_leaks):
    assert type(asyncio.run(running_loop(), loop_factory=fastloop.new_event_loop)) is fastloop.EventLoop


@needs_policies
@pytest.mark.filterwarnings("ignore:.*policy.* is deprecated:DeprecationWarning")
def test_policy_keeps_one_loop_per_thread(no_event_loop, no_leaks):
    asyncio.set_event_loop_policy(fastloop.EventLoopPolicy())
    loop = asyncio.new_event_loop()
    assert type(loop) is fastloop.EventLoop
    asyncio.set_event_loop(loop)
    assert asyncio.get_event_loop() is loop
    with pytest.raises(RuntimeError):
        call_in_thread(asyncio.get_event_loop)
    loop.close()


WAYS_TO_THE_POLICY = {
    "set_event_loop_policy": lambda: asyncio.set_event_loop_policy(fastloop.EventLoopPolicy()),
    "install": lambda: fastloop.install(),
}


@needs_policies
@pytest.mark.filterwarnings("ignore:.*policy.* is deprecated:DeprecationWarning")
@pytest.mark.parametrize("way", WAYS_TO_THE_POLICY)
def test_policy_makes_asyncio_run_use_fastloop_until_it_is_uninstalled(no_event_loop, no_leaks, way):
    WAYS_TO_THE_POLICY[way]()
    assert type(asyncio.run(running_loop())) is fastloop.EventLoop
    fastloop.uninstall()
    assert type(asyncio.run(running_loop())) is not fastloop.EventLoop


@pytest.mark.skipif(not (3, 14) <= sys.version_info < (3, 16), reason="policies are not deprecated, or gone")
@pytest.mark.parametrize("name", ["install", "uninstall"])
def test_deprecation_of_policies_points_at_the_line_of_the_program(no_event_loop, name):
    with pytest.warns(DeprecationWarning, match=rf"fastloop\.{name}\(\).* deprecated") as warned:
        getattr(fastloop, name)()
    assert [warning.filename for warning in warned] == [__file__]
    fastloop.policy._set_policy(None)


def test_dir_lists_everything():
    asyncios = {name for name in dir(asyncio) if not name.startswith("_")}
    assert {*fastloop.__all__, *POLICY_NAMES, *asyncios} <= {*dir(fastloop)}


# Names of the tutorials


def test_current_loop_can_be_set_and_read(no_event_loop, no_leaks):
    loop = fastloop.new_event_loop()
    fastloop.set_event_loop(loop)
    assert fastloop.get_event_loop() is loop
    assert asyncio.get_event_loop() is loop
    loop.close()


def test_running_loop_is_read_inside_and_an_error_outside(no_leaks):
    async def main():
        return fastloop.get_running_loop(), fastloop.get_event_loop()

    running, current = fastloop.run(main())
    assert running is current
    with pytest.raises(RuntimeError):
        fastloop.get_running_loop()


def test_tasks_of_the_tutorial_names_are_fastloops(no_leaks):
    async def main():
        tasks = [fastloop.create_task(fastloop.sleep(0, 1)), fastloop.ensure_future(fastloop.sleep(0, 2))]
        assert {type(task) for task in tasks} == {fastloop.Task}
        done, pending = await fastloop.wait(tasks)
        assert not pending
        return await fastloop.gather(*tasks), await fastloop.wait_for(fastloop.sleep(0, 3), 10)

    assert fastloop.run(main()) == ([1, 2], 3)


def test_coroutine_makes_a_plain_function_awaitable(no_leaks):
    @fastloop.coroutine
    def add(x, y):
        return x + y

    assert fastloop.run(wait_for(add(1, 2))) == 3
    assert fastloop.run(add(3, 4)) == 7


def test_coroutine_makes_a_generator_function_awaitable(no_leaks):
    @fastloop.coroutine
    def sleep_and_add(x, y):
        yield from fastloop.sleep(0)
        yield
        return x + y

    async def main():
        return await sleep_and_add(1, 2), await fastloop.create_task(wait_for(sleep_and_add(3, 4)))

    assert fastloop.run(main()) == (3, 7)
    assert fastloop.run(sleep_and_add(5, 6)) == 11


def test_coroutine_awaits_the_future_that_a_plain_function_returns(no_leaks):
    @fastloop.coroutine
    def give_future():
        future = fastloop.get_running_loop().create_future()
        fastloop.get_running_loop().call_soon(future.set_result, "result")
        return future

    async def main():
        return await give_future()

    assert fastloop.run(main()) == "result"


def test_coroutine_yields_from_another_one(no_leaks):
    @fastloop.coroutine
    def inner():
        yield from fastloop.sleep(0)
        return "inner"

    @fastloop.coroutine
    def outer():
        return (yield from inner()) + " outer"

    assert fastloop.run(outer()) == "inner outer"


def test_coroutine_can_be_scheduled_as_a_task(no_leaks):
    @fastloop.coroutine
    def work():
        yield from fastloop.sleep(0)
        return "result"

    async def main():
        return await fastloop.gather(fastloop.ensure_future(work()), fastloop.create_task(work()))

    assert fastloop.run(main()) == ["result", "result"]


def test_coroutine_leaves_a_coroutine_function_as_it_is():
    async def function():
        pass

    assert fastloop.coroutine(function) is function


def test_coroutine_keeps_name_and_docstring():
    @fastloop.coroutine
    def function_with_a_name():
        """What it does."""
        yield

    assert function_with_a_name.__name__ == "function_with_a_name"
    assert function_with_a_name.__doc__ == "What it does."
    assert inspect.isawaitable(made := function_with_a_name()) or isinstance(made, types.GeneratorType)
    made.close()


def test_no_loop_factory_means_fastloops_own(no_leaks):
    assert type(fastloop.run(running_loop(), loop_factory=None)) is fastloop.EventLoop
    with fastloop.Runner(loop_factory=None) as runner:
        assert type(runner.get_loop()) is fastloop.EventLoop


def test_loop_takes_no_selector(no_leaks):
    fastloop.EventLoop(None).close()
    with selectors.DefaultSelector() as selector, pytest.raises(TypeError, match="selector"):
        fastloop.EventLoop(selector)
