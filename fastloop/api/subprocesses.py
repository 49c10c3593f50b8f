"""Subprocesses: asyncio's transports over fastloop's pipes, and an exit that is noticed through a pidfd.

Owns: nothing. The child belongs to its transport, which has a ChildWatcher.
Promises: what asyncio's subprocesses do, in its order of events, without a handler of SIGCHLD and mostly without a thread. They work in
  any thread and with any number of loops. A child watcher that the program has set is used.
Driven by: subprocess_exec() and subprocess_shell(), through asyncio's hook.
"""

import asyncio
import functools
import signal
from asyncio import events, unix_events

from fastloop.transports.child_watcher import ChildWatcher

# None since Python 3.14, whose loops have a watcher each.
_POLICY = getattr(unix_events, "_UnixDefaultEventLoopPolicy", None)


class SubprocessMethods:
    """The part of the loop that starts subprocesses."""

    async def _make_subprocess_transport(self, protocol, args, shell, stdin, stdout, stderr, bufsize, extra=None, **options):
        if _program_has_set_a_watcher(self):
            return await super()._make_subprocess_transport(protocol, args, shell, stdin, stdout, stderr, bufsize, extra, **options)
        waiter = self.create_future()
        transport = _UnixSubprocessTransport(
            self, protocol, args, shell, stdin, stdout, stderr, bufsize, waiter=waiter, extra=extra, **options
        )
        transport._watch()
        try:
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

    def _watch(self):
        """Have _process_exited() called when the child exits."""
        loop = self._loop
        if _POLICY is None:
            # What the callback does there. An interruption inside it would lose the exit.
            exited = self._process_exited
        else:
            exited = functools.partial(loop._child_watcher_callback, self._pid, transp=self)
        self._child = ChildWatcher(loop, self._proc, exited)

    def send_signal(self, number):
        """Send a signal to the child. Does nothing if it has exited; ProcessLookupError once connection_lost() was called."""
        self._check_proc()
        self._child.send_signal(number)

    def terminate(self):
        """Send SIGTERM, see send_signal()."""
        self.send_signal(signal.SIGTERM)

    def kill(self):
        """Send SIGKILL, see send_signal()."""
        self.send_signal(signal.SIGKILL)


def _program_has_set_a_watcher(loop):
    if loop._watcher is not None:
        # Made by asyncio's constructor. Where it has not chosen pidfds, fastloop leaves the waiting to it.
        return type(loop._watcher) is not unix_events._PidfdChildWatcher
    policy = asyncio.get_event_loop_policy()
    method = getattr(type(policy), "get_child_watcher", None)
    if method is not _POLICY.get_child_watcher:
        # A policy of the program's own. The method of the base class always raises.
        return method not in (None, events.AbstractEventLoopPolicy.get_child_watcher)
    return policy._watcher is not None and type(policy._watcher) is not _default_watcher()


@functools.cache
def _default_watcher():
    """The class of the watcher that asyncio's policy makes where the program has set none."""
    policy = _POLICY()
    policy._init_watcher()
    return type(policy._watcher)
