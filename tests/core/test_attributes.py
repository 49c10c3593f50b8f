"""What programs patch stays patchable: attributes, weak references, subclasses and private names of loop, handles, futures, tasks."""

import asyncio
import gc
import socket
import threading
import weakref

import pytest


def test_loop_takes_attributes(loop):
    loop.attribute = "value"
    assert loop.attribute == "value"
    del loop.attribute
    assert not hasattr(loop, "attribute")


def test_loop_can_be_referenced_weakly_and_hashed(loop):
    assert weakref.ref(loop)() is loop
    assert {loop: 1}[loop] == 1
    assert loop in weakref.WeakSet([loop])


def test_loop_is_what_isinstance_checks_look_for(loop):
    assert isinstance(loop, asyncio.AbstractEventLoop)
    assert isinstance(loop, asyncio.BaseEventLoop)
    assert isinstance(loop, asyncio.SelectorEventLoop)


def test_loop_can_be_subclassed(implementation, no_leaks):
    class Loop(implementation.EventLoop):
        def __init__(self):
            super().__init__()
            self.extra = []

        def call_exception_handler(self, context):
            self.extra.append(context)

    loop = Loop()
    loop.call_soon(lambda: 1 / 0)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    assert [type(context["exception"]) for context in loop.extra] == [ZeroDivisionError]


async def use_the_running_loop():
    await asyncio.sleep(0.001)
    await asyncio.create_task(asyncio.sleep(0))
    running = asyncio.get_running_loop()
    running.call_soon(int)
    running.call_at(running.time(), int)
    running.get_debug()
    future = running.create_future()
    running.call_later(0, future.set_result, None)
    await future


@pytest.mark.parametrize("name", ["call_soon", "call_later", "call_at", "create_task", "create_future", "time", "get_debug"])
def test_method_overridden_in_a_subclass_is_the_one_that_code_gets(implementation, no_leaks, name):
    calls = []

    def override(self, *args, **options):
        calls.append(name)
        return getattr(implementation.EventLoop, name)(self, *args, **options)

    loop = type("Loop", (implementation.EventLoop,), {name: override})()
    loop.run_until_complete(use_the_running_loop())
    loop.close()
    assert name in calls


@pytest.mark.parametrize("name", ["call_soon", "call_later", "call_at", "create_task", "create_future", "time"])
async def test_method_assigned_to_the_loop_is_the_one_that_code_gets(loop, name):
    calls = []
    original = getattr(loop, name)

    def replacement(*args, **options):
        calls.append(name)
        return original(*args, **options)

    setattr(loop, name, replacement)
    await use_the_running_loop()
    delattr(loop, name)
    assert name in calls


async def test_connection_method_assigned_to_the_loop_is_used(loop):
    async def create_connection(*args, **options):
        return "transport", "protocol"

    loop.create_connection = create_connection
    assert await loop.create_connection(asyncio.Protocol, "example.invalid", 80) == ("transport", "protocol")


async def test_getaddrinfo_assigned_to_the_loop_is_used_by_create_connection(loop):
    asked = []

    async def getaddrinfo(host, port, **options):
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", listener.getsockname())]

    with socket.create_server(("127.0.0.1", 0)) as listener:
        loop.getaddrinfo = getaddrinfo
        transport, _ = await loop.create_connection(asyncio.Protocol, "a.name.invalid", 80)
        transport.close()
        await asyncio.sleep(0)
    assert asked == ["a.name.invalid"]


def test_handles_can_be_referenced_weakly_and_hashed(loop):
    handle, timer = loop.call_soon(int), loop.call_later(10, int)
    assert weakref.ref(handle)() is handle and weakref.ref(timer)() is timer
    assert len({handle, timer}) == 2
    handle.cancel()
    timer.cancel()


def test_handles_carry_the_private_names_that_libraries_read(loop):
    handle, timer = loop.call_soon(int, "1"), loop.call_later(10, int, "2")
    assert (handle._callback, handle._args, handle._cancelled) == (int, ("1",), False)
    assert (timer._callback, timer._args, timer._cancelled) == (int, ("2",), False)
    assert timer._when == timer.when()
    assert handle._loop is loop
    handle.cancel()
    timer.cancel()
    assert (handle._callback, handle._args, handle._cancelled) == (None, None, True)


def test_handle_can_be_run_by_hand(loop):
    calls = []
    handle = loop.call_later(1000, calls.append, 1)
    handle._run()
    handle.cancel()
    assert calls == [1]


def test_futures_and_tasks_take_attributes(loop):
    future, task = loop.create_future(), loop.create_task(asyncio.sleep(0))
    for object_ in (future, task):
        object_.attribute = "value"
        assert object_.attribute == "value"
        assert weakref.ref(object_)() is object_
        del object_.attribute
        assert not hasattr(object_, "attribute")
    loop.run_until_complete(task)


def test_future_hashes_and_compares_by_identity(loop):
    first, second = loop.create_future(), loop.create_future()
    assert first != second and first == first
    assert len({first, second}) == 2


def test_thread_id_read_by_libraries_is_set_while_the_loop_runs(loop, run_turn):
    seen = []
    loop.call_soon(lambda: seen.append(loop._thread_id))
    run_turn()
    assert seen == [threading.get_ident()]
    assert loop._thread_id is None


# The interpreter calls a built-in method the fast way only on an object of exactly the class that defines the method.
@pytest.mark.fastloop_only
async def test_hot_methods_are_defined_by_the_class_of_their_objects(loop, connections):
    _, transport, _ = await connections.tcp()
    hot = {
        loop: ["call_soon", "call_later", "call_at", "create_task", "create_future", "time"],
        asyncio.current_task(): ["done", "result", "cancel", "add_done_callback"],
        transport: ["write", "writelines", "is_closing", "get_extra_info"],
    }
    for thing, names in hot.items():
        for name in names:
            method = getattr(type(thing), name)
            assert method.__objclass__ is type(thing), method
            assert getattr(thing, name).__self__ is thing


@pytest.mark.fastloop_only
async def test_transport_makes_no_dictionary_before_it_needs_one(connections):
    _, transport, _ = await connections.tcp()
    assert dict not in map(type, gc.get_referents(transport))
    transport.note = "the program's own"
    assert vars(transport) == {"note": "the program's own"}
