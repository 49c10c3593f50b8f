"""SelectorView: the descriptors that the loop watches, in the form of a selector.

Owns: nothing; the scheduler's table is the truth.
Promises: get_key() and get_map(), which debuggers and the repr() of asyncio's transports use, and select(), which makes
  the loop poll the kernel. It is not a selector: only the loop's add_reader() and the like change what is watched.
"""

from selectors import EVENT_READ, EVENT_WRITE, SelectorKey


class SelectorView:
    """Which descriptors the loop watches, and for what."""

    def __init__(self, loop):
        self._loop = loop

    def get_map(self):
        """Return a dict from descriptor to SelectorKey. The data of a key is the pair of the reader's and the writer's handle."""
        watched = {} if self._loop is None else self._loop._watched()
        return {fd: _key(fd, *parts) for fd, parts in watched.items()}

    def get_key(self, fileobj):
        """Return the SelectorKey of a descriptor or file object, even of a closed one. Raises KeyError if it is not watched."""
        keys = self.get_map()
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        key = keys.get(fd) or next((key for key in keys.values() if key.fileobj is fileobj), None)
        if key is None:
            raise KeyError(f"{fileobj!r} is not registered")
        return key

    def select(self, timeout=None):
        """Wait until something can run: an event, a timer, a callback of another thread. Waits at most timeout seconds.

        What can run is then in the loop's ready queue, so the list of events is empty. This is a turn without its
        callbacks, for libraries that run the loop from within a callback.
        """
        self._loop._ask_kernel(timeout)
        return []

    def close(self):
        """Drop the loop, which closes its poller by itself."""
        self._loop = None


def _key(fd, file, reader, writer):
    events = (EVENT_READ if reader is not None else 0) | (EVENT_WRITE if writer is not None else 0)
    return SelectorKey(fd if file is None else file, fd, events, (reader, writer))
