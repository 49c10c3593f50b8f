"""ChildWatcher: waits for the exit of one child process, and signals it.

Owns: a pidfd, a descriptor of the process. Unlike its number, it never means another process.
Promises: the child is reaped, by its pid alone and only once it has exited. No Python code runs between that and the note of its status
  in the Popen object, so a signal handler that raises loses no status. No signal is sent to a process that was reaped.
Driven by: a callback that waits for the pidfd, as for a descriptor. There is no thread and no handler of SIGCHLD.
"""

import os
import signal
from asyncio import base_events

from libc.errno cimport ENOSYS

from fastloop.core.interruption cimport call_uninterrupted_with
from fastloop.net.socket_core cimport SocketCore
from fastloop.net.syscalls cimport net_close


cdef:
    # The return code where the status of a child is unknown, as in asyncio.
    int UNKNOWN = 255
    # None on systems without pidfds.
    object open_pidfd = getattr(os, "pidfd_open", None)
    object send_to_pidfd = getattr(signal, "pidfd_send_signal", None)


cdef class ChildWatcher:
    """Calls exited(returncode) when the child of a Popen object has exited. Raises OSError if there is no pidfd for it."""

    cdef:
        SocketCore loop
        # A subprocess.Popen.
        object process
        object exited
        int pidfd

    def __cinit__(self):
        self.pidfd = -1

    def __init__(self, SocketCore loop, process, exited):
        if open_pidfd is None:
            raise OSError(ENOSYS, os.strerror(ENOSYS))
        self.loop, self.process, self.exited = loop, process, exited
        self.pidfd = open_pidfd(process.pid)
        loop._add_reader(self.pidfd, self._child_exited)

    def __dealloc__(self):
        if self.pidfd >= 0:
            net_close(self.pidfd)

    def __del__(self):
        loop = self.loop
        if self.pidfd >= 0 and loop is not None and loop.has_closed and not loop.is_forked:
            base_events.logger.warning("Loop %r that handles pid %r is closed", loop, self.process.pid)

    def _child_exited(self):
        """Runs as a callback of the loop."""
        cdef int pidfd = self.pidfd
        if pidfd < 0:
            return
        returncode = reap(self.process)
        self.loop._remove_reader(pidfd)
        self.pidfd = -1
        net_close(pidfd)
        exited, self.exited = self.exited, None
        call_uninterrupted_with(self.loop, exited, returncode)

    def send_signal(self, number):
        """Send a signal to the child, if it was not reaped yet. Returns False if the system cannot do so."""
        if self.pidfd < 0 or self.process.returncode is not None:
            return True
        if send_to_pidfd is None:
            return False
        try:
            send_to_pidfd(self.pidfd, number)
        except ProcessLookupError:
            # The program has reaped it by itself.
            pass
        except OSError as error:
            if error.errno == ENOSYS:
                return False
            raise
        return True


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
