"""NameMethods: getaddrinfo() and getnameinfo(), without the default executor.

Owns: the loop's Lookups, from its first lookup on.
Promises: asyncio's results and errors. A full default executor does not stop name resolution. Numeric addresses need no thread.
  A socket.getaddrinfo() that the program has replaced is called for every question, in a thread. If run_in_executor() is
  overridden, or nothing may be started any more, asyncio's code does everything.
Driven by: the program's tasks, and asyncio's code that connects and binds.
"""

import _socket
import asyncio
import socket
from asyncio import base_events
from functools import wraps

from fastloop.api.lookups import Lookups
from fastloop.core.loop_core import LoopCore
from fastloop.net.numeric_address import numeric_answer

# None if the program has replaced it by now. What is replaced later is noticed in each call.
PYTHONS_GETADDRINFO = socket.getaddrinfo if getattr(socket.getaddrinfo, "__globals__", None) is vars(socket) else None

# With these no resolver asks anybody.
NUMERIC_ADDRESS = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
NUMERIC_NAME = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV


class NameMethods:
    """The part of the loop that turns names into addresses and back."""

    async def getaddrinfo(self, host, port, *, family=0, type=0, proto=0, flags=0):
        """Return what socket.getaddrinfo() returns, without blocking the loop. Raises socket.gaierror, a kind of OSError.

        Equal calls at the same time cause one lookup. Numeric hosts and ports are answered at once.
        """
        # Where asyncio finds it, and programs patch it.
        function = base_events.socket.getaddrinfo
        if function is PYTHONS_GETADDRINFO and not self._debug:
            answer = numeric_answer(function, host, port, family, type, proto, flags)
            if answer is not None:
                return answer
        if self._must_leave_it_to_asyncio():
            return await super().getaddrinfo(host, port, family=family, type=type, proto=proto, flags=flags)
        key = None
        arguments = host, port, family, type, proto, flags
        if self._debug:
            function = self._getaddrinfo_debug
        elif function is PYTHONS_GETADDRINFO:
            if is_numeric(host, port) and isinstance(flags, int):
                try:
                    return function(host, port, family, type, proto, flags | NUMERIC_ADDRESS)
                except OSError:
                    # The flags may have caused it.
                    pass
            key = key_of("getaddrinfo", arguments)
        return await self._lookups_to_use().ask(self, key, function, *arguments)

    async def getnameinfo(self, sockaddr, flags=0):
        """Return what socket.getnameinfo() returns, without blocking the loop."""
        if self._must_leave_it_to_asyncio():
            return await super().getnameinfo(sockaddr, flags)
        function = base_events.socket.getnameinfo
        is_original = function is _socket.getnameinfo
        if is_original and isinstance(flags, int) and flags & NUMERIC_NAME == NUMERIC_NAME:
            return function(sockaddr, flags)
        key = key_of("getnameinfo", (*sockaddr, flags)) if is_original and type(sockaddr) is tuple else None
        return await self._lookups_to_use().ask(self, key, function, sockaddr, flags)

    def _must_leave_it_to_asyncio(self):
        return self._executor_shutdown_called or self.is_closed() or self.run_in_executor != LoopCore.run_in_executor.__get__(self)

    def _lookups_to_use(self):
        if self._lookups is None:
            self._lookups = Lookups()
        return self._lookups

    @wraps(asyncio.BaseEventLoop.shutdown_default_executor, assigned=(), updated=())
    async def shutdown_default_executor(self, *args, **options):
        """Wait until the default executor's functions have ended, and the name lookups that somebody waits for.

        Lookups that nobody waits for any more are left to their threads.
        """
        began_s = self.time()
        await super().shutdown_default_executor(*args, **options)
        if self._lookups is not None:
            timeout_s = args[0] if args else options.get("timeout")
            await self._lookups.finish(None if timeout_s is None else max(0, began_s + timeout_s - self.time()))

    def _end_lookups(self):
        if self._lookups is not None:
            self._lookups.end()


def is_numeric(host, port):
    """Whether a host and a port need no lookup. False in all cases of doubt."""
    if not (port is None or type(port) is int or isinstance(port, str | bytes) and port.isascii() and port.isdigit()):
        return False
    if host is None:
        return True
    try:
        text = host.decode("ascii") if isinstance(host, bytes) else host
        address, percent_sign, zone = text.partition("%")
        if ":" not in address:
            socket.inet_pton(socket.AF_INET, text)
        elif socket.inet_pton(socket.AF_INET6, address) and percent_sign:
            return zone != ""
    except (OSError, ValueError, AttributeError, TypeError):
        return False
    return True


def key_of(function_name, arguments):
    """What is equal for equal questions, or None if another question might look equal."""
    if not all(argument is None or type(argument) in (str, bytes) or isinstance(argument, int) for argument in arguments):
        return None
    # Without its type, text would be compared with bytes, which python -bb forbids.
    return function_name, *(argument if isinstance(argument, int) else (type(argument), argument) for argument in arguments)
