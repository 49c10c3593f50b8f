"""A loop that has nothing to do makes no system call, neither for signals nor for other threads."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest

import fastloop

STRACE = shutil.which("strace")
IDLE_S = 1.0

# A process that waits in run_forever() after it has done a little of everything.
SETTING_UP = """
import os, signal, socket, sys
sys.path.insert(0, sys.argv[1])
import fastloop

loop = fastloop.new_event_loop()
left, right = socket.socketpair()
loop.add_reader(left, int)
loop.add_signal_handler(signal.SIGUSR1, int)
loop.call_later(3600, int)
loop.call_later(0.01, int).cancel()
loop.run_until_complete(loop.run_in_executor(None, int))
loop.call_soon(lambda: print("about to be idle", flush=True))
loop.run_forever()
"""


def start_tracing(process_id, log):
    """Start strace on a running process; skip the test where that is not allowed, as in many containers."""
    tracer = subprocess.Popen([STRACE, "-f", "-p", str(process_id), "-o", str(log)], stderr=subprocess.PIPE, text=True)
    # strace says on stderr that it is attached, or why it is not.
    first_line = tracer.stderr.readline()
    if "attached" not in first_line or "attach:" in first_line:
        tracer.communicate()
        pytest.skip(f"strace cannot look at another process here: {first_line.strip()}")
    return tracer


def end(process):
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)


@pytest.fixture
def idle_process():
    folder_of_package = str(pathlib.Path(fastloop.__file__).resolve().parents[1])
    process = subprocess.Popen([sys.executable, "-c", SETTING_UP, folder_of_package], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "about to be idle\n"
    yield process
    process.kill()
    process.communicate()


@pytest.mark.skipif(STRACE is None, reason="needs strace")
def test_idle_loop_makes_no_system_call(idle_process, tmp_path):
    log = tmp_path / "strace.log"
    # The turn that printed ends, and the one that waits begins.
    time.sleep(0.2)
    tracer = start_tracing(idle_process.pid, log)
    try:
        time.sleep(0.2)
        calls_at_first = log.read_text().splitlines()
        time.sleep(IDLE_S)
        calls = log.read_text().splitlines()
        # A signal shows that strace sees what happens.
        os.kill(idle_process.pid, signal.SIGUSR1)
        time.sleep(0.2)
        calls_after_a_signal = log.read_text().splitlines()
    finally:
        end(tracer)
    # strace shows the call that each thread was in when it attached; attaching makes some kernels restart such a call.
    assert calls == calls_at_first
    assert len(calls_after_a_signal) > len(calls)
