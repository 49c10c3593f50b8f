"""One test for each private name of asyncio that fastloop uses, so that a new Python which changes one fails at that name.

The names are in fastloop/api/asyncio_internals.py. The last tests read the sources and fail when the list and the code disagree.
Only the tests that make a loop need fastloop built.
"""

import ast
import asyncio
import inspect
import re
import runpy
import sys
import textwrap
import types
import weakref
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "fastloop"
THE_LIST = PACKAGE / "api" / "asyncio_internals.py"
LISTS = {name: internals for name, internals in runpy.run_path(str(THE_LIST)).items() if name.isupper() and isinstance(internals, list)}
EVERYTHING = [internal for internals in LISTS.values() for internal in internals]


def version(text):
    return tuple(map(int, text.split(".")))


def is_used_here(internal):
    here = sys.version_info[:2]
    return version(internal.since) <= here and (internal.until is None or here < version(internal.until))


def for_each(*lists):
    internals = [internal for name in lists for internal in LISTS[name] if is_used_here(internal)]
    return pytest.mark.parametrize("internal", internals, ids=lambda internal: internal.name)


def last_name(internal):
    return internal.name.rsplit(".", 1)[-1]


def found_in_asyncio(internal):
    """The value of a dotted name in which "()" behind a part means a call of it."""
    value = asyncio
    for part in internal.name.split(".")[1:]:
        attribute = part.removesuffix("()")
        if not hasattr(value, attribute):
            pytest.fail(f"{internal.name}: {attribute} is gone; {internal.used_by} needs it: {internal.purpose}")
        value = getattr(value, attribute)
        if part.endswith("()"):
            value = value()
    return value


# What fastloop calls and reads


@for_each("CALLED")
def test_asyncio_has_the_name_and_takes_the_arguments(internal):
    value = found_in_asyncio(internal)
    if internal.call is None:
        return
    arguments = [name for name in internal.call.split(", ") if name]
    keywords = [name.removesuffix("=") for name in arguments if name.endswith("=")]
    try:
        inspect.signature(value).bind(*arguments[: len(arguments) - len(keywords)], **dict.fromkeys(keywords))
    except TypeError as error:
        pytest.fail(f"{internal.name}{inspect.signature(value)} does not take ({internal.call}): {error}")


# What fastloop inspects


def recorders_of_waiters():
    """Each "asyncio.module.name" of a function or class of asyncio that records which tasks wait for several futures."""
    found = {
        f"{name}.{node.name}": ast.unparse(node) for name, tree in asyncio_sources().items() for node in tree.body if hasattr(node, "name")
    }
    return {name for name, code in found.items() if "future_add_to_awaited_by(" in code} - {"asyncio.tasks.Task"}


def part_of(code, name):
    """The code of the function called name inside code, or the variable or attribute of that name in it."""
    functions = [constant for constant in code.co_consts if inspect.iscode(constant) and constant.co_name == name]
    return (functions or [part for part in code.co_varnames + code.co_freevars + code.co_names if part == name] or [None])[0]


@for_each("LOOKED_INTO")
def test_asyncios_callback_keeps_the_task(internal):
    parts = internal.name.split(".")
    # as_completed() and wait_for() keep it from some patch release of Python 3.14 on.
    if ".".join(parts[:3]) not in recorders_of_waiters():
        pytest.skip("here asyncio does not record which tasks wait")
    value = getattr(getattr(asyncio, parts[1]), parts[2])
    for part in parts[3:]:
        value = part_of(getattr(value, "__code__", value), part) if not inspect.isclass(value) else getattr(value, part)
    assert value is not None, f"{internal.name} is gone; {internal.used_by} needs it: {internal.purpose}"


@pytest.mark.skipif(sys.version_info < (3, 14), reason="call graphs came with Python 3.14")
def test_asyncio_has_no_other_record_of_who_waits():
    listed = {".".join(internal.name.split(".")[:3]) for internal in LISTS["LOOKED_INTO"]}
    assert recorders_of_waiters() - listed - {"asyncio.futures.future_add_to_awaited_by"} == set()


# What fastloop replaces


def asyncio_sources():
    """The syntax trees of asyncio's modules."""
    modules = [module for name, module in sys.modules.items() if name.startswith("asyncio.")]
    return {module.__name__: ast.parse(inspect.getsource(module)) for module in modules}


@pytest.fixture(scope="module")
def callers():
    """By the name of a method: which functions of asyncio call a method of that name."""
    found = {}
    for tree in asyncio_sources().values():
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        for function in functions:
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    found.setdefault(node.func.attr, set()).add(function.name)
    return found


@for_each("OVERRIDDEN")
def test_asyncio_has_the_hook_and_calls_it(internal, callers):
    assert callable(found_in_asyncio(internal))
    assert callers.get(last_name(internal), set()) - {last_name(internal)}, f"nothing in asyncio calls {internal.name} any more"


# What asyncio's loop keeps


@pytest.fixture(scope="module")
def attributes_of_asyncios_loop():
    loop = asyncio.SelectorEventLoop()
    loop.close()
    return set(vars(loop))


@for_each("KEPT_BY_LOOP")
def test_asyncios_loop_keeps_the_attribute(internal, attributes_of_asyncios_loop):
    assert internal.name in attributes_of_asyncios_loop


def test_asyncios_loop_keeps_nothing_else(attributes_of_asyncios_loop):
    assert attributes_of_asyncios_loop - {internal.name for internal in LISTS["KEPT_BY_LOOP"]} == set()


@pytest.mark.fastloop_only
def test_a_new_loop_has_nothing_in_its_dict(loop):
    assert vars(loop) == {}


# What asyncio's server keeps


@for_each("KEPT_BY_SERVER")
def test_asyncios_server_keeps_the_attribute(internal):
    assert internal.name in vars(asyncio.base_events.Server(None, [], None, None, 100, None))


@pytest.mark.skipif(sys.version_info < (3, 13), reason="before Python 3.13 a server only counts its connections")
def test_asyncios_server_keeps_its_connections_in_a_weak_set():
    assert type(asyncio.base_events.Server(None, [], None, None, 100, None)._clients) is weakref.WeakSet


# What asyncio's streams keep


FED = {
    asyncio.StreamReaderProtocol.data_received: "_stream_reader feed_data",
    asyncio.StreamReaderProtocol._stream_reader.fget: "_stream_reader_wr",
    asyncio.StreamReader.feed_data: "_buffer _eof _limit _paused _transport _wakeup_waiter extend pause_reading",
    asyncio.StreamReader._wakeup_waiter: "_waiter cancelled set_result",
}


@pytest.mark.parametrize("function", FED, ids=lambda function: function.__name__)
def test_feeding_a_stream_reader_touches_nothing_else(function):
    """fastloop does the same by itself, in stream_reader_feed.pyx."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    assert {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} == set(FED[function].split())


@for_each("KEPT_BY_STREAMS")
def test_asyncios_stream_has_the_attribute(internal):
    loop = asyncio.SelectorEventLoop()
    try:
        reader = asyncio.StreamReader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, lambda reader, writer: None, loop=loop)
        writer = asyncio.StreamWriter(types.SimpleNamespace(is_closing=lambda: True), protocol, reader, loop)
        made = {"StreamReader": reader, "StreamReaderProtocol": protocol, "StreamWriter": writer}
        assert hasattr(made[internal.name.split(".")[1]], last_name(internal))
    finally:
        loop.close()


# What both carry


@for_each("SHARED")
def test_asyncios_class_has_the_attribute(internal):
    found_in_asyncio(internal)


@for_each("SHARED")
@pytest.mark.fastloop_only
def test_fastloops_class_has_the_attribute(internal, implementation):
    class_name, attribute = internal.name.split(".")[1:]
    assert hasattr(getattr(implementation, class_name), attribute)


# The list and the sources


def code_of(path):
    """The text of a source file without comments and docstrings; other strings may name an attribute."""
    return re.sub(r'"""(?:.|\n)*?"""|#.*', "", path.read_text(encoding="utf-8"))


def sources():
    return [path for path in sorted(PACKAGE.rglob("*")) if path.suffix in {".py", ".pyx", ".pxd"} and path != THE_LIST]


def private_names_of_asyncio():
    """What asyncio's modules define with a leading underscore, at their top or on objects of the classes that matter here."""
    classes = [asyncio.SelectorEventLoop, asyncio.Runner, asyncio.Future, asyncio.Task, asyncio.Handle, asyncio.TimerHandle]
    names = {name for cls in classes for name in dir(cls)}
    class_names = {cls.__name__ for top in classes for cls in top.__mro__ if cls.__module__.startswith("asyncio.")}
    for module_name, tree in asyncio_sources().items():
        names |= {name for name, value in vars(sys.modules[module_name]).items() if not inspect.ismodule(value)}
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and (node.name in class_names or "EventLoopPolicy" in node.name):
                names |= {store.attr for store in ast.walk(node) if isinstance(store, ast.Attribute) and isinstance(store.ctx, ast.Store)}
                names |= {store.id for store in ast.walk(node) if isinstance(store, ast.Name) and isinstance(store.ctx, ast.Store)}
    return {name for name in names if re.match(r"_[A-Za-z]", name)}


def test_every_private_name_of_asyncio_in_the_sources_is_listed():
    # A name that is found here but that fastloop chose itself now exists in asyncio, too: choose another one.
    listed = {part.removesuffix("()") for internal in EVERYTHING for part in internal.name.split(".")}
    unlisted = private_names_of_asyncio() - listed
    used = {path.relative_to(PACKAGE).as_posix(): set(re.findall(r"\b_[A-Za-z]\w*", code_of(path))) for path in sources()}
    assert {file_name: names & unlisted for file_name, names in used.items() if names & unlisted} == {}


def test_every_name_from_a_private_module_of_asyncio_is_listed():
    modules = {name for name, value in vars(asyncio).items() if getattr(value, "__name__", None) == f"asyncio.{name}"}
    listed = {tuple(internal.name.split(".")[1:3]) for internal in EVERYTHING}
    offenders = []
    for path in sources():
        code = code_of(path)
        used = set(re.findall(rf"\b({'|'.join(modules)})\.([a-z]\w*)", code))
        for module, names in re.findall(r"from asyncio\.(\w+) import (.+)", code):
            used |= {(module, name.strip()) for name in names.split(",")}
        used = {(module, name) for module, name in used if hasattr(getattr(asyncio, module, None), name)}
        offenders += [f"{path.relative_to(PACKAGE)}: {'.'.join(use)}" for use in used - listed if use[1] not in asyncio.__all__]
    assert offenders == []


@pytest.mark.parametrize("internal", EVERYTHING, ids=lambda internal: internal.name)
def test_the_file_said_to_use_the_name_does_so(internal):
    for file_name in internal.used_by.split():
        assert re.search(rf"\b{last_name(internal)}\b", code_of(PACKAGE / file_name)), f"{file_name} does not use {internal.name}"
