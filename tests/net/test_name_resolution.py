"""loop.getaddrinfo() and loop.getnameinfo(): socket's answers, which nothing else delays, and no thread where none is needed.

`resolver` takes the place of the system's resolver, below Python's own socket.getaddrinfo(). It blocks until it is released.
"""

import _socket
import asyncio
import concurrent.futures
import contextlib
import gc
import itertools
import logging
import os
import socket
import threading
import traceback
import warnings

import pytest

from actors.coroutines import cancel
from actors.failures import SomeError, raising
from actors.kernel import start, until
from actors.programs import run_python
from actors.threads import in_thread

ANSWER = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))]


class Resolver:
    """Answers each question, named by its host, when it is released; counts the questions."""

    def __init__(self):
        self.questions = []
        self.answers = {}
        self.released = threading.Event()

    def __call__(self, host, *rest):
        self.questions.append(host)
        assert self.released.wait(20)
        answer = self.answers.get(host, ANSWER)
        if isinstance(answer, BaseException):
            raise answer
        return answer


@pytest.fixture
def resolver(monkeypatch, loop):
    resolver = Resolver()
    monkeypatch.setattr(_socket, "getaddrinfo", resolver)
    yield resolver
    resolver.released.set()


def lookup_threads():
    return [thread for thread in threading.enumerate() if thread.name == "fastloop-lookup"]


@pytest.fixture
def no_thread(monkeypatch, loop):
    """No thread can be started."""
    monkeypatch.setattr(threading.Thread, "start", raising(AssertionError("a thread was started")))


async def several(loop, count, host="name.test", port=80, **options):
    """Tasks that ask the same question, and whose question is under way."""
    return [await start(loop.getaddrinfo(host, port, **options)) for _ in range(count)]


# Numeric addresses

HOSTS = ["127.0.0.1", b"127.0.0.1", "::1", b"::1", "::0001", "::ffff:1.2.3.4", "fe80::1%lo", "fe80::1%1", "ff02::1%lo", None, 5, ["::1"]]
# The system may ask a server for these if it is not told that they are numeric.
NAMES = ["fe80::1%no-such", "::1%lo", "1.2.3.4%lo", "127.1", "0x7f000001", "010.0.0.1", "256.1.1.1", "", "1.2.3.4\0", b"\xff"]
NAMES += ["\uff11.2.3.4", ":"]
PORTS = [80, 0, "80", b"80", None, "", "http", " 80", "+80", "-1", -1, 65_536, 2**70, True, 8.0, "\u0663"]
FAMILIES = [0, socket.AF_INET, socket.AF_INET6, socket.AF_UNIX]
TYPES = [0, socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET, 99]
PROTOS = [0, socket.IPPROTO_TCP, socket.IPPROTO_UDP, socket.IPPROTO_ICMP, 132, 999]
FLAGS = [0, *(getattr(socket, f"AI_{name}") for name in ("PASSIVE", "CANONNAME", "ADDRCONFIG", "V4MAPPED", "NUMERICHOST", "NUMERICSERV"))]
FLAGS += [socket.AI_V4MAPPED | socket.AI_ALL, socket.AI_PASSIVE | socket.AI_CANONNAME, 1 << 20, 1.5]


def outcome(function, *args):
    try:
        return function(*args)
    except Exception as error:
        return type(error), str(error)


async def outcome_of(coroutine):
    try:
        return await coroutine
    except Exception as error:
        return type(error), str(error)


def questions(host):
    """Every combination of port and one other argument, and every combination of the others with one port."""
    yield from ((host, port, family, 0, 0, 0) for port in PORTS for family in FAMILIES)
    yield from ((host, port, 0, type, 0, flags) for port in PORTS for type in TYPES[:3] for flags in FLAGS[:3])
    yield from ((host, 80, *rest) for rest in itertools.product(FAMILIES, TYPES, PROTOS, FLAGS))


@pytest.mark.time_limit(120)
@pytest.mark.parametrize("host", HOSTS + NAMES, ids=ascii)
async def test_every_question_has_the_answer_of_the_socket_module(loop, host):
    for _, port, family, type, proto, flags in questions(host):
        if host in NAMES and isinstance(flags, int):
            flags |= socket.AI_NUMERICHOST
        expected = outcome(socket.getaddrinfo, host, port, family, type, proto, flags)
        found = await outcome_of(loop.getaddrinfo(host, port, family=family, type=type, proto=proto, flags=flags))
        assert found == expected, (port, family, type, proto, flags)


@pytest.mark.fastloop_only
@pytest.mark.parametrize("host", ["127.0.0.1", b"127.0.0.1", "::1", "fe80::1%lo", None], ids=ascii)
@pytest.mark.parametrize("port", [80, "80", b"80"])
async def test_a_numeric_host_and_port_are_answered_at_once_and_without_a_thread(loop, no_thread, host, port):
    question = loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    with pytest.raises(StopIteration) as stopped:
        question.send(None)
    assert stopped.value.value == socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


@pytest.mark.fastloop_only
@pytest.mark.parametrize("host, port", [("127.0.0.1", "http"), ("name.test", 80), ("127.0.0.1", ""), ("127.0.0.1%lo", 80)])
async def test_what_may_be_a_name_is_looked_up_in_a_thread(loop, resolver, host, port):
    (task,) = await several(loop, 1, host, port)
    assert len(lookup_threads()) == 1
    resolver.released.set()
    assert await task == ANSWER


@pytest.mark.fastloop_only
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_numeric_connections_servers_and_endpoints_start_no_thread(loop, no_thread, host):
    server = await loop.create_server(asyncio.Protocol, host, 0)
    address = server.sockets[0].getsockname()
    transport, _ = await loop.create_connection(asyncio.Protocol, *address[:2], local_addr=(host, 0))
    transport.close()
    with socket.socket(server.sockets[0].family) as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, address)
    server.close()
    await server.wait_closed()
    everywhere = await loop.create_server(asyncio.Protocol, None, 0)
    everywhere.close()
    endpoint, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=(host, 0), remote_addr=(host, 9))
    endpoint.close()
    await asyncio.sleep(0)


# Names


@pytest.mark.fastloop_only
async def test_a_full_default_executor_does_not_stop_name_resolution(loop, needs_localhost):
    is_released = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        loop.set_default_executor(executor)
        blocked = loop.run_in_executor(None, is_released.wait, 20)
        assert await loop.getaddrinfo("localhost", 80) == socket.getaddrinfo("localhost", 80)
        is_released.set()
        await blocked


async def test_a_name_is_looked_up_without_blocking_the_loop(loop, resolver):
    (task,) = await several(loop, 1)
    resolver.released.set()
    assert await task == ANSWER


@pytest.mark.fastloop_only
async def test_equal_questions_under_way_are_asked_once_and_each_answer_is_a_list_of_its_own(loop, resolver):
    tasks = await several(loop, 5)
    resolver.released.set()
    answers = await asyncio.gather(*tasks)
    assert resolver.questions == ["name.test"]
    assert answers == [ANSWER] * 5
    assert len(set(map(id, answers))) == 5


@pytest.mark.fastloop_only
async def test_different_questions_are_asked_each(loop, resolver):
    options = [{}, {"port": "80"}, {"port": b"80"}, {"port": 81}, {"host": b"name.test"}, {"flags": 2}, {"type": 1}, {"family": 2}]
    tasks = [task for each in options for task in await several(loop, 1, **each)]
    assert len(lookup_threads()) == len(options)
    resolver.released.set()
    await asyncio.gather(*tasks)
    assert len(resolver.questions) == len(options)


async def test_an_argument_that_only_looks_equal_gets_its_own_error(loop, resolver):
    tasks = await several(loop, 1, flags=0)
    with pytest.raises(TypeError):
        resolver.answers["name.test"] = TypeError("a float is no flag")
        resolver.released.set()
        await loop.getaddrinfo("name.test", 80, flags=0.0)
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_question_after_the_answer_is_asked_anew(loop, resolver):
    resolver.released.set()
    for _ in range(3):
        await loop.getaddrinfo("name.test", 80)
    assert len(resolver.questions) == 3


async def test_a_question_between_the_answer_and_its_delivery_is_asked_anew(loop, resolver):
    (task,) = await several(loop, 1)
    finished = threading.Event()
    deliver, loop.call_soon_threadsafe = loop.call_soon_threadsafe, lambda *args, **kw: (finished.set(), deliver(*args, **kw))
    resolver.released.set()
    assert finished.wait(20)
    del loop.call_soon_threadsafe
    await loop.getaddrinfo("name.test", 80)
    await task
    assert len(resolver.questions) == 2


async def test_a_cancelled_asker_takes_no_answer_from_the_others(loop, resolver):
    tasks = await several(loop, 3)
    await cancel(tasks[0])
    resolver.released.set()
    assert await asyncio.gather(*tasks[1:]) == [ANSWER] * 2


async def test_a_question_that_nobody_waits_for_any_more_is_not_joined(loop, resolver):
    for task in await several(loop, 2):
        await until(lambda: resolver.questions)
        await cancel(task)
    asked = len(resolver.questions)
    (task,) = await several(loop, 1)
    await until(lambda: len(resolver.questions) == asked + 1)
    resolver.released.set()
    assert await task == ANSWER


async def test_each_asker_gets_an_exception_of_its_own(loop, resolver):
    resolver.answers["name.test"] = socket.gaierror(socket.EAI_NONAME, "unknown")
    tasks = await several(loop, 3)
    resolver.released.set()
    errors = await asyncio.gather(*tasks, return_exceptions=True)
    assert [(type(error), error.errno, error.strerror) for error in errors] == [(socket.gaierror, socket.EAI_NONAME, "unknown")] * 3
    assert len(set(map(id, errors))) == (3 if "fastloop" in type(loop).__module__ else 1)


@pytest.mark.fastloop_only
async def test_an_exception_that_is_raised_again_and_again_does_not_change_for_the_others(loop, resolver):
    resolver.answers["name.test"] = socket.gaierror("unknown")
    tasks = await several(loop, 2)
    resolver.released.set()
    first, second = await asyncio.gather(*tasks, return_exceptions=True)
    lines = traceback.extract_tb(second.__traceback__)
    for _ in range(3):
        with contextlib.suppress(socket.gaierror):
            try:
                raise SomeError
            finally:
                raise first
    assert traceback.extract_tb(second.__traceback__) == lines
    assert lines[-1].name == "__call__"
    assert type(first.__context__) is SomeError and second.__context__ is None


async def test_a_failed_lookup_leaves_no_cycle_of_references(loop, monkeypatch):
    def fail(*args):
        raise socket.gaierror("unknown")

    monkeypatch.setattr(_socket, "getaddrinfo", fail)
    gc.collect()
    gc.disable()
    try:
        with contextlib.suppress(socket.gaierror):
            await loop.getaddrinfo("name.test", 80)
        # The thread's own frames and the loop's last step may refer to it.
        await loop.shutdown_default_executor()
        await asyncio.sleep(0)
        assert [found for found in gc.get_objects() if type(found) is socket.gaierror] == []
    finally:
        gc.enable()


# What the program patches and overrides


@pytest.mark.parametrize("host", ["name.test", "127.0.0.1"])
async def test_a_patched_socket_getaddrinfo_is_called_for_every_question_in_a_thread(loop, monkeypatch, host):
    calls = []

    def getaddrinfo(*args):
        calls.append((args, threading.current_thread() is threading.main_thread()))
        return ANSWER

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    answers = await asyncio.gather(*[loop.getaddrinfo(host, 80, type=1) for _ in range(3)])
    assert answers == [ANSWER] * 3
    assert calls == [((host, 80, 0, 1, 0, 0), False)] * 3


async def test_an_overridden_run_in_executor_gets_the_lookups(loop):
    calls = []

    async def run_in_executor(*args):
        calls.append(args)
        return ANSWER

    loop.run_in_executor = run_in_executor
    try:
        assert await loop.getaddrinfo("name.test", 80) == ANSWER
        assert await loop.getnameinfo(("127.0.0.1", 80), 0) == ANSWER
    finally:
        del loop.run_in_executor
    assert calls == [
        (None, socket.getaddrinfo, "name.test", 80, 0, 0, 0, 0),
        (None, socket.getnameinfo, ("127.0.0.1", 80), 0),
    ]


@pytest.mark.parametrize("slow_s, level", [(0, logging.INFO), (60, logging.DEBUG)])
async def test_debug_mode_logs_lookups_and_slow_ones_as_information(loop, caplog, needs_localhost, slow_s, level):
    loop.set_debug(True)
    loop.slow_callback_duration = slow_s
    with caplog.at_level(logging.DEBUG, "asyncio"):
        await loop.getaddrinfo("localhost", 80)
    loop.slow_callback_duration = 60
    records = [record for record in caplog.records if "address info" in record.message]
    assert [record.levelno for record in records] == [logging.DEBUG, level]
    assert records[0].message.startswith("Get address info localhost:80")


# getnameinfo()


SOCKADDRS = [("127.0.0.1", 80), ("::1", 80), ("::1", 80, 0, 1), ("name.test", 80), ("127.0.0.1",), 5, ("::1", 2**40)]


@pytest.mark.parametrize("sockaddr", SOCKADDRS)
@pytest.mark.parametrize("flags", [3, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV, 1 << 20, 1.5])
async def test_getnameinfo_has_the_answer_of_the_socket_module(loop, sockaddr, flags):
    assert await outcome_of(loop.getnameinfo(sockaddr, flags)) == outcome(socket.getnameinfo, sockaddr, flags)


@pytest.mark.fastloop_only
async def test_getnameinfo_that_asks_for_no_name_starts_no_thread(loop, no_thread):
    flags = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    assert await loop.getnameinfo(("127.0.0.1", 80), flags) == ("127.0.0.1", "80")


# The threads


def threads_ended():
    return until(lambda: lookup_threads() == [])


@pytest.mark.fastloop_only
async def test_threads_are_bounded_and_every_question_is_answered(loop, resolver):
    hosts = [f"name{number}.test" for number in range(100)]
    tasks = [asyncio.create_task(loop.getaddrinfo(host, 80)) for host in hosts]
    await until(lambda: len(resolver.questions) == 32)
    assert len(lookup_threads()) == 32
    await cancel(tasks.pop())
    resolver.released.set()
    assert await asyncio.gather(*tasks) == [ANSWER] * 99
    # What was cancelled before its turn was not asked.
    assert sorted(resolver.questions) == sorted(hosts[:-1])


@pytest.mark.fastloop_only
async def test_a_thread_is_used_again(loop, resolver):
    resolver.released.set()
    threads = set()
    for _ in range(20):
        await loop.getaddrinfo("name.test", 80)
        threads.update(lookup_threads())
        await until(lambda: loop._lookups._idle_count == 1)
    assert len(threads) == 1


@pytest.mark.fastloop_only
async def test_a_thread_without_work_ends_and_another_one_takes_the_next_question(loop, resolver, monkeypatch):
    monkeypatch.setattr("fastloop.api.lookups.MAX_IDLE_S", 0.001)
    resolver.released.set()
    for _ in range(3):
        assert await loop.getaddrinfo("name.test", 80) == ANSWER
        await threads_ended()


@pytest.mark.fastloop_only
async def test_a_thread_that_cannot_be_started_fails_the_lookup_only_if_there_is_no_other(loop, resolver, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", raising(RuntimeError("can't start new thread")))
        with pytest.raises(RuntimeError, match="start new thread"):
            await loop.getaddrinfo("name.test", 80)
    (first,) = await several(loop, 1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", raising(RuntimeError("can't start new thread")))
        (second,) = await several(loop, 1, "other.test")
    resolver.released.set()
    assert await asyncio.gather(first, second) == [ANSWER] * 2


@pytest.mark.fastloop_only
async def test_ctrl_c_while_a_thread_starts_is_not_lost(loop, resolver, monkeypatch):
    (first,) = await several(loop, 1)
    asking = loop.getaddrinfo("other.test", 80)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(threading.Thread, "start", raising(KeyboardInterrupt))
        asking.send(None)
    resolver.released.set()
    assert await first == ANSWER
    assert resolver.questions == ["name.test"]


# Ends


async def test_shutdown_of_the_default_executor_waits_for_lookups_that_somebody_waits_for(loop, resolver):
    tasks = await several(loop, 2)
    ending = await start(loop.shutdown_default_executor())
    resolver.released.set()
    await ending
    assert [task.done() for task in tasks] == [True, True]
    assert lookup_threads() == []
    with pytest.raises(RuntimeError, match="shutdown has been called"):
        await loop.getaddrinfo("name.test", 80)


@pytest.mark.fastloop_only
async def test_shutdown_does_not_wait_for_a_lookup_that_nobody_waits_for(loop, resolver):
    (task,) = await several(loop, 1)
    await until(lambda: resolver.questions)
    await cancel(task)
    await loop.shutdown_default_executor()
    assert len(lookup_threads()) == 1
    resolver.released.set()
    await threads_ended()


@pytest.mark.fastloop_only
async def test_shutdown_with_a_time_limit_says_which_lookups_are_left(loop, resolver):
    if "timeout" not in asyncio.BaseEventLoop.shutdown_default_executor.__code__.co_varnames:
        pytest.skip("Python 3.12 added the time limit")
    (task,) = await several(loop, 1)
    with pytest.warns(RuntimeWarning, match="1 name lookups did not end"):
        await loop.shutdown_default_executor(timeout=0.001)
    resolver.released.set()
    assert await task == ANSWER
    await threads_ended()


@pytest.mark.fastloop_only
def test_a_lookup_that_ends_after_the_loop_closed_harms_nobody(new_loop, resolver, logged_errors):
    loop = new_loop()
    coroutine = loop.getaddrinfo("name.test", 80)
    task = loop.create_task(coroutine)
    queued = [loop.create_task(loop.getaddrinfo(f"{number}.test", 80)) for number in range(40)]
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    resolver.released.set()
    while lookup_threads():
        lookup_threads()[0].join(20)
    assert not any(each.done() for each in [task, *queued])
    assert len(resolver.questions) <= 32
    for each in [task, *queued]:
        each._log_destroy_pending = False


PROGRAM_WITH_STUCK_RESOLVER = """
import _socket, asyncio, threading
import fastloop

asked = threading.Event()

def getaddrinfo(*args):
    asked.set()
    threading.Event().wait()

_socket.getaddrinfo = getaddrinfo

async def main():
    loop = asyncio.get_running_loop()
    waiting = asyncio.create_task(loop.getaddrinfo("name.test", 80))
    while not asked.is_set():
        await asyncio.sleep(0)
    try:
        await asyncio.wait_for(loop.getaddrinfo("name.test", 80), 0.01)
    except asyncio.TimeoutError:
        print("timeout")

fastloop.run(main())
print("ended")
"""


@pytest.mark.fastloop_only
@pytest.mark.usefixtures("implementation")
def test_a_resolver_that_is_stuck_delays_neither_run_nor_the_end_of_the_process():
    ended = run_python("-c", PROGRAM_WITH_STUCK_RESOLVER)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("timeout\nended\n", "", 0)


@pytest.mark.fastloop_only
def test_a_forked_child_can_close_its_parents_loop_and_look_names_up_in_its_own(implementation, loop, resolver, run_turn):
    task = loop.create_task(loop.getaddrinfo("name.test", 80))
    run_turn(2)
    # As a thread might.
    with loop._lookups._changed, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                loop.close()
                resolver.released = threading.Event()
                resolver.released.set()
                own_loop = implementation.new_event_loop()
                os._exit(0 if own_loop.run_until_complete(own_loop.getaddrinfo("name.test", 80)) == ANSWER else 1)
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    resolver.released.set()
    assert loop.run_until_complete(task) == ANSWER


@pytest.mark.fastloop_only
def test_an_interruption_during_the_delivery_leaves_nobody_without_an_answer(loop, resolver, monkeypatch):
    resolver.answers["name.test"] = socket.gaierror("unknown")
    tasks = [loop.create_task(loop.getaddrinfo("name.test", 80)) for _ in range(3)]
    resolver.released.set()
    with monkeypatch.context() as patch:
        patch.setattr("fastloop.api.lookups.copy_of_exception", raising(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            loop.run_forever()
    errors = loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    assert [type(error) for error in errors] == [socket.gaierror] * 3


def test_loops_in_several_threads_look_names_up_at_the_same_time(implementation, resolver):
    async def ask():
        loop = asyncio.get_running_loop()
        return await asyncio.gather(*[loop.getaddrinfo(f"{number % 7}.test", 80) for number in range(50)])

    def run_loop():
        with contextlib.closing(implementation.new_event_loop()) as loop:
            answers = loop.run_until_complete(ask())
            loop.run_until_complete(loop.shutdown_default_executor())
            return answers == [ANSWER] * 50

    resolver.released.set()
    with concurrent.futures.ThreadPoolExecutor(4) as executor:
        assert all(executor.map(lambda _: run_loop(), range(8)))


def test_names_are_looked_up_while_another_thread_closes_its_loop(implementation, loop, resolver):
    def open_and_close():
        for _ in range(20):
            with contextlib.closing(implementation.new_event_loop()) as own_loop:
                own_loop.run_until_complete(own_loop.getaddrinfo("name.test", 80))
                own_loop.run_until_complete(own_loop.shutdown_default_executor())

    resolver.released.set()
    with in_thread(open_and_close):
        for _ in range(20):
            assert loop.run_until_complete(loop.getaddrinfo("name.test", 80)) == ANSWER
