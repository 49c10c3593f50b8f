"""subprocess_exec() and subprocess_shell(), and the processes of asyncio over them."""

import asyncio
import gc
import os
import resource
import signal
import subprocess
import sys
import threading

import pytest

from actors.children import child_processes
from actors.descriptors import open_descriptors
from actors.failures import raising
from actors.kernel import settle, until

PIPE = asyncio.subprocess.PIPE
PYTHON = sys.executable


class Recorder(asyncio.SubprocessProtocol):
    def __init__(self):
        self.calls = []
        self.data = {1: bytearray(), 2: bytearray()}
        self.over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        self.calls.append("connection_made")

    def pipe_data_received(self, fd, data):
        self.data[fd] += data

    def pipe_connection_lost(self, fd, error):
        self.calls.append(f"pipe {fd}")

    def process_exited(self):
        self.calls.append("process_exited")

    def connection_lost(self, error):
        self.calls.append("connection_lost")
        self.over.set_result(error)


@pytest.fixture(autouse=True)
def no_children(loop):
    """No test leaves a child, running or a zombie."""
    before = child_processes()
    yield
    for thread in waiting_threads():
        thread.join()
    assert child_processes() <= before


def waiting_threads():
    """asyncio's threads that wait for children."""
    return [thread for thread in threading.enumerate() if "waitpid" in thread.name]


def script(code, *args, **options):
    return asyncio.create_subprocess_exec(PYTHON, "-c", code, *args, **options)


# What a protocol is told


async def test_protocol_is_told_of_everything_in_order(loop):
    code = "import sys; sys.stdout.write('out'); sys.stderr.write('error'); sys.exit(int(sys.stdin.read()))"
    transport, protocol = await loop.subprocess_exec(Recorder, PYTHON, "-c", code)
    assert (transport.get_pid(), transport.get_returncode()) == (transport.get_extra_info("subprocess").pid, None)
    stdin = transport.get_pipe_transport(0)
    stdin.write(b"7")
    stdin.close()
    assert await protocol.over is None
    assert protocol.data == {1: b"out", 2: b"error"}
    assert sorted(protocol.calls) == sorted(["connection_made", "pipe 0", "pipe 1", "pipe 2", "process_exited", "connection_lost"])
    assert (protocol.calls[0], protocol.calls[-1]) == ("connection_made", "connection_lost")
    assert transport.get_returncode() == 7
    transport.close()


async def test_connection_lost_waits_for_the_pipes_of_a_grandchild(loop):
    transport, protocol = await loop.subprocess_shell(Recorder, "sleep 60 & echo $!", stdin=None, stderr=None)
    await until(lambda: "process_exited" in protocol.calls and protocol.data[1])
    assert protocol.calls == ["connection_made", "process_exited"]
    os.kill(int(protocol.data[1]), signal.SIGKILL)
    await protocol.over
    assert protocol.calls[2:] == ["pipe 1", "connection_lost"]
    transport.close()


async def test_pipes_are_pipes(loop):
    code = "import os, stat; print([stat.S_ISFIFO(os.fstat(fd).st_mode) for fd in (0, 1, 2)]); open('/dev/stdout', 'w').close()"
    process = await script(code, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    assert await process.communicate() == (b"[True, True, True]\n", b"")


async def test_repr_shows_what_asyncios_shows(loop):
    transport, protocol = await loop.subprocess_shell(Recorder, "read line; exit 5", stdout=None, stderr=None)
    stdin = transport.get_pipe_transport(0)
    assert repr(transport) == f"<_UnixSubprocessTransport pid={transport.get_pid()} running stdin={stdin!r}>"
    stdin.write(b"line\n")
    await protocol.over
    assert repr(transport) == f"<_UnixSubprocessTransport pid={transport.get_pid()} returncode=5 stdin={stdin!r}>"
    transport.close()


# asyncio's processes


@pytest.mark.parametrize("size", [0, 1, 65536, 3_000_000])
async def test_communicate_both_ways(loop, size):
    data = os.urandom(size)
    process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
    assert await process.communicate(data) == (data, None)
    assert process.returncode == 0


async def test_child_that_does_not_read_its_input(loop):
    process = await asyncio.create_subprocess_exec("true", stdin=PIPE, stdout=PIPE)
    assert await process.communicate(bytes(1_000_000)) == (b"", None)


OPTIONS = {
    "cwd": ({"cwd": "/"}, "os.getcwd()", "/"),
    "env": ({"env": {"NAME": "value"}}, "os.environ.get('NAME')", "value"),
    "umask": ({"umask": 0o27}, "os.umask(0)", "23"),
    "start_new_session": ({"start_new_session": True}, "os.getsid(0) == os.getpid()", "True"),
    "process_group": ({"process_group": 0}, "os.getpgid(0) == os.getpid()", "True"),
    "preexec_fn": ({"preexec_fn": lambda: os.nice(3)}, "os.nice(0) > 0", "True"),
    "restore_signals": ({"restore_signals": False}, "signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN", "True"),
    "executable": ({"executable": PYTHON}, "1 + 1", "2"),
    "pipesize": ({"pipesize": 1 << 17}, "__import__('fcntl').fcntl(1, 1032)", "131072"),
    "extra_groups": ({"extra_groups": []} if os.getuid() == 0 else {}, "1", "1"),
}


@pytest.mark.parametrize("name", OPTIONS)
async def test_options_of_popen(loop, name):
    options, expression, expected = OPTIONS[name]
    process = await script(f"import os, signal; print({expression})", stdout=PIPE, **options)
    assert await process.communicate() == (expected.encode() + b"\n", None)


async def test_descriptors_that_are_passed(loop):
    reading, writing = os.pipe()
    process = await script(f"import os; os.write({writing}, b'passed')", pass_fds=[writing])
    os.close(writing)
    assert await process.wait() == 0
    assert os.read(reading, 10) == b"passed"
    os.close(reading)


async def test_error_output_goes_to_the_output(loop):
    process = await script("import os; os.write(2, b'error')", stdout=PIPE, stderr=asyncio.subprocess.STDOUT)
    assert await process.communicate() == (b"error", None)


@pytest.mark.parametrize("option", [{"universal_newlines": True}, {"bufsize": 1}, {"text": True}, {"encoding": "utf-8"}], ids=str)
async def test_options_that_asyncio_refuses(loop, option):
    with pytest.raises(ValueError, match="must be"):
        await asyncio.create_subprocess_exec("true", **option)


@pytest.mark.parametrize(
    "error, program, options",
    [
        (FileNotFoundError, "/nonexistent/program", {}),
        (PermissionError, "/etc/passwd", {}),
        (FileNotFoundError, "true", {"cwd": "/nonexistent"}),
        (subprocess.SubprocessError, "true", {"preexec_fn": lambda: 1 / 0}),
        (TypeError, "true", {"no_such_option": 1}),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_program_that_cannot_start_leaves_nothing(loop, error, program, options):
    before = open_descriptors().keys()
    with pytest.raises(error):
        await asyncio.create_subprocess_exec(program, stdin=PIPE, stdout=PIPE, stderr=PIPE, **options)
    await settle()
    assert open_descriptors().keys() == before


def test_hooks_of_fork_do_not_run_in_the_child(loop, run):
    calls = []
    ran = os.open(os.devnull, os.O_WRONLY)
    is_on = True
    reading, writing = os.pipe()
    os.register_at_fork(after_in_child=lambda: is_on and os.write(writing, b"child"), before=lambda: is_on and calls.append("before"))

    async def main():
        process = await asyncio.create_subprocess_exec("true")
        await process.wait()

    run(main())
    is_on = False
    os.close(ran)
    os.close(writing)
    assert (os.read(reading, 10), calls) == (b"", [])
    os.close(reading)


# Signals


@pytest.mark.parametrize("method, number", [("kill", signal.SIGKILL), ("terminate", signal.SIGTERM), ("send_signal", signal.SIGUSR1)])
async def test_signal_ends_the_child(loop, method, number):
    process = await asyncio.create_subprocess_exec("sleep", "60")
    getattr(process, method)(*([number] if method == "send_signal" else []))
    assert await process.wait() == -number
    for again in (process.kill, process.terminate):
        with pytest.raises(ProcessLookupError):
            again()


async def test_signal_that_does_not_exist(loop):
    process = await asyncio.create_subprocess_exec("sleep", "60")
    with pytest.raises((OSError, ValueError)):
        process.send_signal(12345)
    process.kill()
    await process.wait()


async def start_and_exit(loop, returncode):
    """Return (transport, protocol, pid) of a child that has exited, which the loop has not noticed yet."""
    transport, protocol = await loop.subprocess_shell(Recorder, f"read line; exit {returncode}", stdout=None, stderr=None)
    transport.get_pipe_transport(0).write(b"line\n")
    os.waitid(os.P_PID, transport.get_pid(), os.WEXITED | os.WNOWAIT)
    return transport, protocol, transport.get_pid()


# asyncio's watcher on a thread reaps the child at once; the one over a pidfd reports 255, since Popen has reaped it.
@pytest.mark.fastloop_only
@pytest.mark.parametrize("method", ["kill", "terminate", "close"])
async def test_child_that_has_exited_unnoticed_keeps_its_return_code(loop, method):
    transport, protocol, _ = await start_and_exit(loop, 3)
    getattr(transport, method)()
    await protocol.over
    assert transport.get_returncode() == 3
    transport.close()


@pytest.mark.fastloop_only
@pytest.mark.parametrize("reap", ["waitpid", "Popen.wait"])
async def test_child_that_the_program_has_reaped_gets_no_signal(loop, reap, caplog, monkeypatch):
    transport, protocol, pid = await start_and_exit(loop, 3)
    if reap == "waitpid":
        os.waitpid(pid, 0)
    else:
        transport.get_extra_info("subprocess").wait()
    # The number may be another process by now.
    monkeypatch.setattr(os, "kill", lambda *args: pytest.fail("a number was signalled"))
    transport.kill()
    transport.send_signal(signal.SIGTERM)
    await protocol.over
    warning = [f"Unknown child process pid {pid}, will report returncode 255"]
    assert transport.get_returncode() == (255 if reap == "waitpid" else 3)
    assert [record.getMessage() for record in caplog.records] == (warning if reap == "waitpid" else [])
    transport.close()


# asyncio's watchers lose the exit.
@pytest.mark.fastloop_only
def test_exit_is_not_lost_when_the_warning_of_an_unknown_child_is_interrupted(loop, monkeypatch):
    async def main():
        process = await asyncio.create_subprocess_shell("read line", stdin=PIPE)
        process.stdin.write(b"line\n")
        os.waitpid(process.pid, 0)
        return await process.wait()

    monkeypatch.setattr(asyncio.base_events.logger, "warning", raising(KeyboardInterrupt))
    task = loop.create_task(main())
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(task)
    assert loop.run_until_complete(asyncio.wait_for(task, 20)) == 255


# Cancellation


@pytest.mark.parametrize("turns", range(12))
async def test_cancelled_start_kills_and_reaps(loop, turns):
    before = open_descriptors().keys()
    starting = asyncio.ensure_future(asyncio.create_subprocess_exec("sleep", "60", stdin=PIPE, stdout=PIPE, stderr=PIPE))
    for _ in range(turns):
        await asyncio.sleep(0)
    starting.cancel()
    try:
        process = await starting
    except asyncio.CancelledError:
        pass
    else:
        process.kill()
        await process.communicate()
        process._transport.close()
    await settle()
    assert open_descriptors().keys() == before


@pytest.mark.parametrize("turns", range(1, 8))
async def test_cancelled_communicate_leaves_the_child_running(loop, turns):
    process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
    communicating = asyncio.ensure_future(process.communicate(bytes(1_000_000)))
    for _ in range(turns):
        await asyncio.sleep(0)
    communicating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await communicating
    assert process.returncode is None
    process.kill()
    await process.stdout.read()
    assert await process.wait() == -signal.SIGKILL
    process._transport.close()


async def test_cancelled_wait_can_be_repeated(loop):
    process = await asyncio.create_subprocess_exec("sleep", "60")
    waiting = [asyncio.ensure_future(process.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    await asyncio.sleep(0)
    process.kill()
    assert await process.wait() == await waiting[0] == await waiting[2] == -signal.SIGKILL
    assert waiting[1].cancelled()


async def test_time_limit_on_a_wait(loop):
    process = await asyncio.create_subprocess_exec("sleep", "60")
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(process.wait(), 0.01)
    process.kill()
    await process.wait()


# Loops and threads


def test_child_started_in_another_thread_than_the_main_one(new_loop):
    results = []

    async def main():
        process = await script("import sys; print(sys.stdin.read())", stdin=PIPE, stdout=PIPE)
        results.append(await process.communicate(b"hello"))
        process._transport.close()

    def work():
        loop = new_loop()
        loop.run_until_complete(main())
        loop.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [(b"hello\n", None)] * 4


@pytest.mark.fastloop_only
async def test_no_thread_is_started_and_no_signal_handled(loop):
    before = threading.active_count(), signal.getsignal(signal.SIGCHLD)
    process = await asyncio.create_subprocess_exec("sleep", "60")
    during = threading.active_count(), signal.getsignal(signal.SIGCHLD)
    process.kill()
    await process.wait()
    assert during == before


@pytest.fixture
def allow_descriptors(monkeypatch):
    """From the start of a child on, no descriptor can be opened, so there is no pidfd; until the function is called."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    popen = subprocess.Popen

    def start(*args, **options):
        process = popen(*args, **options)
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        return process

    monkeypatch.setattr(subprocess, "Popen", start)
    yield lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.fastloop_only
async def test_thread_waits_where_no_descriptor_is_left(loop, allow_descriptors):
    process = await asyncio.create_subprocess_exec("sleep", "60")
    allow_descriptors()
    assert len(waiting_threads()) == 1
    process.terminate()
    assert await process.wait() == -signal.SIGTERM


@pytest.mark.fastloop_only
async def test_thread_leaves_the_reaping_to_the_loop(loop, allow_descriptors):
    transport, protocol, pid = await start_and_exit(loop, 3)
    allow_descriptors()
    for thread in waiting_threads():
        thread.join()
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    transport.kill()
    await protocol.over
    assert transport.get_returncode() == 3
    transport.close()


@pytest.mark.skipif(not hasattr(asyncio, "set_child_watcher"), reason="Python 3.14 has no child watchers to set")
@pytest.mark.filterwarnings("ignore:.*child_watcher.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*ChildWatcher.*:DeprecationWarning")
async def test_child_watcher_of_the_program_is_used(loop):
    class Watcher(asyncio.ThreadedChildWatcher):
        def add_child_handler(self, pid, callback, *args):
            pids.append(pid)
            super().add_child_handler(pid, callback, *args)

    pids = []
    asyncio.set_child_watcher(Watcher())
    try:
        process = await asyncio.create_subprocess_exec("true")
        assert await process.wait() == 0
    finally:
        asyncio.set_child_watcher(None)
    assert pids == [process.pid]


@pytest.mark.fastloop_only
@pytest.mark.parametrize("waits_in", ["loop", "thread"])
def test_child_that_outlives_its_loop_is_reported(new_loop, caplog, request, waits_in):
    loop = new_loop()
    allow_descriptors = request.getfixturevalue("allow_descriptors") if waits_in == "thread" else lambda: None
    starting = loop.subprocess_exec(asyncio.SubprocessProtocol, "sleep", "60", stdin=None, stdout=None, stderr=None)
    transport, _ = loop.run_until_complete(starting)
    allow_descriptors()
    process, text = transport.get_extra_info("subprocess"), repr(loop)
    loop.close()
    threads = waiting_threads()
    with pytest.warns(ResourceWarning, match="unclosed transport <_UnixSubprocessTransport pid="):
        if threads:
            # A thread keeps the transport.
            transport.__del__()
        del transport
        gc.collect()
    for thread in threads:
        thread.join()
    # The transport has killed it. Without a thread, the owner of the Popen object reaps it.
    assert process.wait() == -signal.SIGKILL
    expected = f"Loop {text.replace('closed=False', 'closed=True')} that handles pid {process.pid} is closed"
    assert [record.getMessage() for record in caplog.records] == [expected]


# Many


@pytest.mark.time_limit(120)
async def test_five_hundred_children_at_once_are_all_reaped(loop):
    before, children_before = open_descriptors().keys(), child_processes()
    transports = []

    async def one(number):
        transport, protocol = await loop.subprocess_shell(Recorder, f"read line; exit {number % 256}", stdout=None, stderr=None)
        transports.append(transport)
        return transport, protocol, number % 256

    started = [await one(number) for number in range(500)]
    assert len(child_processes() - children_before) == 500
    assert all(transport.get_returncode() is None for transport in transports)
    for transport, _, _ in started:
        transport.get_pipe_transport(0).write(b"line\n")
    for transport, protocol, expected in started:
        await protocol.over
        assert transport.get_returncode() == expected
        transport.close()
    await settle()
    assert child_processes() == children_before
    assert open_descriptors().keys() == before


@pytest.mark.fastloop_only
async def test_child_that_cannot_be_reaped_is_reported_and_watched_no_longer(loop, monkeypatch):
    """As on asyncio's loop since Python 3.15."""
    reports = []
    loop.set_exception_handler(lambda loop, context: reports.append(context["exception"]))
    process = await asyncio.create_subprocess_exec("cat", stdin=-1)
    error = OSError("not now")
    with monkeypatch.context() as patched:
        patched.setattr(os, "waitpid", raising(error))
        process.stdin.close()
        while not reports:
            await asyncio.sleep(0)
    os.waitpid(process.pid, 0)
    process._transport._process_exited(0)
    assert await process.wait() == 0
    process._transport.close()
    assert reports == [error]
