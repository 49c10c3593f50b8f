"""Transports of pipes: asyncio's, with changes of state that no signal handler interrupts.

Owns: nothing.
Promises: asyncio's semantics, messages and repr, and what transports/pipe_steps.pyx promises.
Driven by: connect_read_pipe(), connect_write_pipe() and subprocesses, through asyncio's hooks.
"""

from asyncio import unix_events

from fastloop.transports.pipe_steps import ReadPipeSteps, WritePipeSteps


class PipeMethods:
    """The part of the loop that makes the transports of pipes."""

    def _make_read_pipe_transport(self, pipe, protocol, waiter=None, extra=None):
        return _UnixReadPipeTransport(self, pipe, protocol, waiter, extra)

    def _make_write_pipe_transport(self, pipe, protocol, waiter=None, extra=None):
        return _UnixWritePipeTransport(self, pipe, protocol, waiter, extra)


class _UnixReadPipeTransport(ReadPipeSteps, unix_events._UnixReadPipeTransport):
    """asyncio's transport, by its name, which its repr shows."""


class _UnixWritePipeTransport(WritePipeSteps, unix_events._UnixWritePipeTransport):
    """asyncio's transport, by its name, which its repr shows."""
