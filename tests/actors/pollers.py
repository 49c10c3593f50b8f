"""The poller (fastloop/poll/poller.h) as a Python object: poller_probe.c, compiled once for each backend."""

import ctypes
import os
import sys
from pathlib import Path

PROBE_SOURCE = Path(__file__).parents[1] / "poll" / "poller_probe.c"

READABLE, WRITABLE, CLOSED, EDGE = 1, 2, 4, 8

if sys.platform.startswith("linux"):
    NATIVE = "epoll"
elif sys.platform == "darwin" or "bsd" in sys.platform:
    NATIVE = "kqueue"
else:
    NATIVE = "poll"

DEFINES = {NATIVE: [], "poll": ["-DFASTLOOP_FORCE_POLL"], f"{NATIVE}, pipe": ["-DFASTLOOP_FORCE_PIPE"]}
if NATIVE == "epoll":
    DEFINES["kqueue"] = ["-DFASTLOOP_FORCE_KQUEUE_EMULATION", f"-I{PROBE_SOURCE.parent / 'kqueue_emulation'}"]
BACKENDS = sorted({*DEFINES} - {f"{NATIVE}, pipe"})
WAKEUPS = sorted({*BACKENDS, f"{NATIVE}, pipe"})


def load_probe(library):
    probe = ctypes.CDLL(str(library), use_errno=True)
    unsigned, handle, ns = ctypes.c_uint, ctypes.c_void_p, ctypes.c_int64
    probe.probe_new.restype = handle
    probe.probe_name.restype = ctypes.c_char_p
    probe.probe_event_flags.restype = unsigned
    probe.probe_busy_poll_measure.restype = ns
    probe.probe_timeout_to_ms.argtypes = [ns]
    probe.probe_refuse_epoll_pwait2.argtypes = [ctypes.c_int]
    arguments = {
        "busy_poll_open": [],
        "busy_poll_is_due": [ns],
        "busy_poll_note busy_poll_make_brief busy_poll_turn_off busy_poll_limit": [ctypes.c_int],
        "busy_poll_note_cost": [ctypes.c_int, ctypes.c_int, ns],
        "busy_poll_measure": [ctypes.c_int, ns],
        "busy_poll_us": [],
        "free open close reopen_after_fork name has_only_milliseconds": [],
        "wakeup_open wakeup_close wakeup_fd wakeup_signal wakeup_drain wakeup_reopen_after_fork": [],
        "set_interest": [ctypes.c_int, unsigned, unsigned],
        "rearm": [ctypes.c_int, unsigned],
        "forget event_fd event_flags": [ctypes.c_int],
        "wait": [ns, ctypes.c_int],
        "errno_after_cleanup": [ctypes.c_int, ctypes.c_int],
    }
    # Without a result type, ctypes would take what is left in a register for an int, and -1 for a failure.
    for name in (
        "free close rearm forget wakeup_close wakeup_signal wakeup_drain busy_poll_open busy_poll_note busy_poll_note_cost"
        " busy_poll_make_brief busy_poll_turn_off busy_poll_limit"
    ).split():
        getattr(probe, f"probe_{name}").restype = None
    for names, types in arguments.items():
        for name in names.split():
            getattr(probe, f"probe_{name}").argtypes = [handle, *types]
    return probe


class Poller:
    """A poller with a wake-up: C's -1 becomes OSError, a batch becomes a list of (fd, flags)."""

    def __init__(self, library):
        self.library = library
        self.probe = library.probe_new()
        self.last_count = 0

    def call(self, name, *arguments):
        result = getattr(self.library, f"probe_{name}")(self.probe, *arguments)
        if result == -1:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))
        return result

    def open(self):
        self.call("open")

    def close(self):
        self.library.probe_close(self.probe)

    def dispose(self):
        self.close()
        self.library.probe_wakeup_close(self.probe)
        self.library.probe_free(self.probe)

    def set_interest(self, file, old, new):
        self.call("set_interest", number(file), old, new)

    def rearm(self, file, directions):
        self.library.probe_rearm(self.probe, number(file), directions)

    def forget(self, file):
        self.library.probe_forget(self.probe, number(file))

    def wait(self, timeout_s=10.0, capacity=8192):
        """Ten seconds mean "this must come": a test that gets nothing fails on its assertion, not by hanging."""
        return self.wait_ns(int(timeout_s * 1e9), capacity)

    def wait_ns(self, timeout_ns, capacity=8192):
        self.last_count = 0
        self.last_count = self.call("wait", timeout_ns, capacity)
        return self.last_batch()

    def last_batch(self):
        indices = range(self.last_count)
        return [(self.call("event_fd", index), self.library.probe_event_flags(self.probe, index)) for index in indices]

    def ready(self, timeout_s=0.0):
        """A wait's events as {fd: flags}, with directions that the backend reports apart put together."""
        merged = {}
        for fd, flags in self.wait(timeout_s):
            merged[fd] = merged.get(fd, 0) | flags
        return merged

    def reopen_after_fork(self):
        self.call("reopen_after_fork")

    @property
    def name(self):
        return self.library.probe_name(self.probe).decode()

    @property
    def has_only_milliseconds(self):
        return bool(self.library.probe_has_only_milliseconds(self.probe))


def number(file):
    return file if isinstance(file, int) else file.fileno()
