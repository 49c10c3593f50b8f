"""The operating system's account of a process, read from outside: CPU time of all its threads, user and system, and resident memory."""

import os
import pathlib
import sys
import time

from benchmarks import Failure

IDLENESS_CHECKS, IDLENESS_INTERVAL_S = 20, 0.0005


def cpu_ns(pid):
    """Return the CPU time until now, when the process has come to rest."""
    _await_idleness(pid)
    if sys.platform == "linux":
        # The process's CPU-time clock, numbered as clock_getcpuclockid(3) does: to the nanosecond, where /proc/PID/stat
        # counts hundredths of a second.
        return time.clock_gettime_ns((~pid << 3) | 2)
    times = _psutil_process(pid).cpu_times()
    return int((times.user + times.system) * 1e9)


def resident_bytes(pid):
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:
        return _psutil_process(pid).memory_info().rss


def _await_idleness(pid):
    # A server's last answer is there before it has done all that belongs to it. And Linux updates the clock of another process when
    # its threads stop, or at a tick. For a running one it may be a few milliseconds behind.
    # The wait is limited: a loop that never rests is billed for its unrest.
    for _ in range(IDLENESS_CHECKS):
        time.sleep(IDLENESS_INTERVAL_S)
        if not _is_running(pid):
            break


def _is_running(pid):
    """Whether a thread is on a processor or waits for one; unknown counts as yes."""
    try:
        for stat in pathlib.Path(f"/proc/{pid}/task").glob("*/stat"):
            # "TID (name) STATE ...", and the name may contain anything.
            if stat.read_text().rpartition(")")[2].split()[0] == "R":
                return True
    except (FileNotFoundError, ProcessLookupError):
        # A thread has just ended.
        return True
    return not os.path.exists("/proc/self/stat")


def _psutil_process(pid):
    try:
        import psutil
    except ImportError:
        raise Failure("the CPU time and memory of a process need psutil here: pip install psutil") from None
    return psutil.Process(pid)
