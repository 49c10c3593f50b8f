"""LoopStatistics: what loop.statistics() returns.

Owns: the fields and their meaning.
Promises: frozen, comparable, and dataclasses.asdict() makes a dict for any monitoring system.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopStatistics:
    """What a loop has done since it was made, or since the last statistics(reset=True), and what it has now.

    Bytes are those that transports and the loop's sock_*() methods moved through sockets and pipes; with TLS, the encrypted ones.
    """

    turns: int
    """Passes of the loop: collect events and due timers, run what is ready."""
    callbacks: int
    """Callbacks that ran, and transports that did their work. Task steps are not among them."""
    task_steps: int
    """How often the loop resumed a task's coroutine."""
    polls: int
    """Questions to the kernel: calls of epoll_wait(), kevent() or poll()."""
    events: int
    """Events that the kernel reported."""
    busy_polls: int
    """Waits that began by polling for a few microseconds (FASTLOOP_BUSY_POLL_US)."""
    busy_poll_hits: int
    """How many of them had an event before the loop went to sleep."""
    asleep_s: float
    """Seconds in which the loop waited for something to do."""
    busy_s: float
    """Seconds in which it ran and did not wait."""
    most_ready: int
    """The most callbacks that were ready when a turn began to run them."""
    timers: int
    """Timers that wait now."""
    watched_descriptors: int
    """Descriptors that the loop watches now: connections, listeners, add_reader() and add_writer()."""
    transports: int
    """Transports that are open now. A TLS connection is one."""
    tasks: int
    """Tasks that are not done now."""
    bytes_received: int
    bytes_sent: int
    longest_callback_s: float
    """How long the longest callback or task step took, in seconds. 0.0 if none has run."""
    longest_callback: str | None
    """What it was. None below about 0.1 ms. "one of 8 callbacks" if it was the first long one among very short ones; then
    longest_callback_s is what they took together."""
    longest_callback_at: float | None
    """When it ended, in seconds as in time.time(). None if none has run."""

    @property
    def utilization(self) -> float:
        """The share of its time in which the loop was busy, from 0.0 to 1.0."""
        return self.busy_s / (self.busy_s + self.asleep_s) if self.busy_s > 0.0 else 0.0
