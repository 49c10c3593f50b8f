"""OutsideWork: what a loop waits for that it does not do itself.

Owns: the executor's futures and the child processes that one loop has started.
Promises: work that somebody waits for counts until the loop has heard of its end.
Driven by: the virtual loop, which asks before its clock jumps.
"""

import threading
import weakref
from contextlib import contextmanager


class OutsideWork:
    """The work under way outside of one loop."""

    def __init__(self):
        self._futures = set()
        self._executors = weakref.WeakSet()
        self._children = weakref.WeakSet()
        # Calls that are under way inside the loop's own methods.
        self._call_count = 0

    @contextmanager
    def call(self):
        """Work is under way inside the block."""
        self._call_count += 1
        try:
            yield
        finally:
            self._call_count -= 1

    def add_future(self, executor, future):
        """A future of run_in_executor(). It counts until it is done."""
        if executor is not None:
            self._executors.add(executor)
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)

    def add_child(self, transport):
        """The transport of a subprocess. It counts until the process has exited."""
        self._children.add(transport)

    def is_under_way(self):
        """Whether an executor's function, a name lookup or a child process is under way."""
        return bool(self._call_count or self._futures) or any(child.get_returncode() is None for child in self._children)

    def has_other_threads(self, own_executor):
        """Whether threads live that may call the loop. The threads of the loop's executors do so only for the futures above."""
        threads = set(threading.enumerate()) - {threading.current_thread()}
        for executor in (own_executor, *self._executors):
            threads -= set(getattr(executor, "_threads", ()))
        return any(thread.name != "fastloop-lookup" for thread in threads)
