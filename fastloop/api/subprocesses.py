"""Subprocesses: asyncio's transports over fastloop's pipes, and an exit that is noticed through a pidfd.

Owns: nothing. The child belongs to its transport, the pidfd to the transport's ChildWatcher.
Promises: what asyncio's subprocesses do, in its order of events, without a thread and without a handler of SIGCHLD. They work in
  any thread and with any number of loops. A thread waits where the system has no pidfd to give. A child watcher that the program
  has set is used.
Driven by: subprocess_exec() and subprocess_shell(), through asyncio's hook.
"""

import asyncio
import functools
import signal
from asyncio import events, unix_events

from fastloop.transports.child_watcher import ChildWatcher

# Python 3.14 has neither policies with child watchers nor public watchers.
_POLICY = getattr(unix_events, "_UnixDefaultEventLoopPolicy", None)
_HAS_WATCHERS = hasattr(_POLICY, "get_child_watcher")
_THREADED = getattr(unix_events, "ThreadedChildWatcher", None) or unix_events._ThreadedChildWatcher


class SubprocessMethods:
    """The part of the loop that starts subprocesses."""

    async def _make_subprocess_transport(self, protocol, args, shell, stdin, stdout, stderr, bufsize, extra=None, **options):
        if _HAS_WATCHERS and _program_has_set_a_watcher():
            return await super()._make_subprocess_transport(protocol, args, shell, stdin, stdout, stderr, bufsize, extra, **options)
        waiter = self.create_future()
        transport = _UnixSubprocessTransport(
            self, protocol, args, shell, stdin, stdout, stderr, bufsize, waiter=waiter, extra=extra, **options
        )
        try:
            transport._watch()
            await waiter
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException:
            transport.close()
            await transport._wait()
            raise
        return transport


class _UnixSubprocessTransport(unix_events._UnixSubprocessTransport):
    """asyncio's transport, by its name, which its repr shows."""

    _child = None

    def _watch(self):
        """Have _process_exited() called when the child exits."""
        exited = functools.partial(_child_exited, self._loop, self)
        try:
            self._child = ChildWatcher(self._loop, self._proc, exited)
        except OSError:
            # No pidfds here, no descriptor left, or the child is gone already.
            _threads().add_child_handler(self._pid, self._loop._child_watcher_callback, self)

    def send_signal(self, number):
        """Send a signal to the child. Does nothing if it has exited; ProcessLookupError once connection_lost() was called."""
        self._check_proc()
        if self._returncode is None and self._proc.returncode is None and (self._child is None or not self._child.send_signal(number)):
            super().send_signal(number)

    def terminate(self):
        """Send SIGTERM, see send_signal()."""
        self.send_signal(signal.SIGTERM)

    def kill(self):
        """Send SIGKILL, see send_signal()."""
        self.send_signal(signal.SIGKILL)


def _child_exited(loop, transport, returncode):
    loop._child_watcher_callback(transport._pid, returncode, transport)


@functools.cache
def _threads():
    """asyncio's watcher that has a thread for each child."""
    return _THREADED()


@functools.cache
def _default_watcher():
    """The class of the watcher that asyncio's policy makes where the program has set none."""
    policy = _POLICY()
    policy._init_watcher()
    return type(policy._watcher)


def _program_has_set_a_watcher():
    policy = asyncio.get_event_loop_policy()
    method = getattr(type(policy), "get_child_watcher", None)
    if method is not _POLICY.get_child_watcher:
        # A policy of the program's own. The base class has a method that always raises.
        return method not in (None, events.AbstractEventLoopPolicy.get_child_watcher)
    return policy._watcher is not None and type(policy._watcher) is not _default_watcher()
