"""ChildWatcher: waits for the exit of one child process, and signals it.

Owns: a pidfd, a descriptor of the process. Unlike its number, it never means another process. Where the system gives none, a thread.
Promises: the child is reaped in the loop's thread, by its pid alone and only once it has exited. No Python code runs between that and the
  note of its status in the Popen object, so a signal handler that raises loses no status. No signal is sent to a process that was reaped.
Driven by: a callback that waits for the pidfd, as for any descriptor, or the thread.
"""

import os
import signal
import threading
from asyncio import base_events

from fastloop.core.interruption cimport call_uninterrupted_with, interrupt_soon
from fastloop.net.socket_core cimport SocketCore
from fastloop.net.syscalls cimport net_close


cdef:
    # The return code where the status of a child is unknown, as in asyncio.
    int UNKNOWN = 255
    # None on systems without them.
    object open_pidfd = getattr(os, "pidfd_open", None)
    object send_to_pidfd = getattr(signal, "pidfd_send_signal", None)
    object wait_without_reaping = getattr(os, "waitid", None)


cdef class ChildWatcher:
    """Calls exited(returncode) when the child of a Popen object has exited."""

    cdef:
        SocketCore loop
        # A subprocess.Popen.
        object process
        # None once the child was reaped.
        object exited
        # -1 if a thread waits, and once the child was reaped.
        int pidfd

    def __cinit__(self):
        self.pidfd = -1

    def __init__(self, SocketCore loop, process, exited):
        self.loop, self.process, self.exited = loop, process, exited
        self.pidfd = child_pidfd(process.pid)
        if self.pidfd >= 0:
            loop._add_reader(self.pidfd, self._child_exited)
        else:
            threading.Thread(target=self._wait, name=f"waitpid-{process.pid}", daemon=True).start()

    def __dealloc__(self):
        if self.pidfd >= 0:
            net_close(self.pidfd)

    def __del__(self):
        # asyncio's threads report it too.
        if self.exited is not None and self.loop.has_closed and not self.loop.is_forked:
            report_closed_loop(self)

    def _child_exited(self):
        """Runs as a callback of the loop."""
        exited, self.exited = self.exited, None
        if exited is None:
            return
        try:
            returncode = reap(self.process)
        except BaseException as error:
            returncode = self.process.returncode
            if returncode is None:
                if isinstance(error, OSError):
                    # As in asyncio: it cannot be reaped, and is not waited for any more.
                    self.close_pidfd()
                else:
                    self.exited = exited
                raise
            # While a warning was logged. Otherwise nobody would hear of the exit, and the pidfd would be reported forever.
            interrupt_soon(self.loop, error)
        self.close_pidfd()
        call_uninterrupted_with(self.loop, exited, returncode)

    cdef int close_pidfd(self) except -1:
        cdef int pidfd = self.pidfd
        if pidfd < 0:
            return 0
        try:
            self.loop._remove_reader(pidfd)
        except BaseException as error:
            # It is removed. What a signal handler has interrupted is debug mode's text of the handle.
            interrupt_soon(self.loop, error)
        self.pidfd = -1
        net_close(pidfd)
        return 0

    def _wait(self):
        """Runs in a thread. Where the system allows it, the child stays a zombie, so that its number is not used again yet."""
        if wait_without_reaping is None:
            reap(self.process)
        else:
            try:
                wait_without_reaping(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)
            except ChildProcessError:
                # The program has reaped it.
                pass
        try:
            self.loop.call_soon_threadsafe(self._child_exited)
        except RuntimeError:
            # The loop is closed.
            self.exited = None
            reap(self.process)
            report_closed_loop(self)

    def send_signal(self, number):
        """Send a signal to the child. Does nothing if it was reaped."""
        if self.exited is None or self.process.returncode is not None:
            return
        try:
            if self.pidfd >= 0 and send_to_pidfd is not None:
                send_to_pidfd(self.pidfd, number)
            else:
                os.kill(self.process.pid, number)
        except ProcessLookupError:
            # The program has reaped it by itself.
            pass


cdef int child_pidfd(object pid) except? -2:
    """A pidfd, or -1 if the system has none to give: an old kernel, no descriptor left, or a child that is gone already."""
    try:
        return -1 if open_pidfd is None else open_pidfd(pid)
    except OSError:
        return -1


cdef object reap(object process):
    """Return the return code of a process that has exited."""
    if process.returncode is not None:
        # Popen.poll() has reaped it.
        return process.returncode
    try:
        _, status = os.waitpid(process.pid, 0)
    except ChildProcessError:
        process.returncode = UNKNOWN
        base_events.logger.warning("Unknown child process pid %d, will report returncode 255", process.pid)
        return UNKNOWN
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode


cdef int report_closed_loop(ChildWatcher watcher) except -1:
    base_events.logger.warning("Loop %r that handles pid %r is closed", watcher.loop, watcher.process.pid)
    return 0
