"""SelectorView: the loop's watched descriptors, in the form in which asyncio asks a selector.

Owns: nothing; the scheduler's table is the truth.
Promises: what asyncio's transports ask for their repr(), and what debuggers ask: get_key() and get_map(); and select(), which has the
  loop ask the kernel. It is no selector: what is watched changes by the loop's add_reader() and its kin.
"""

from selectors import EVENT_READ, EVENT_WRITE, SelectorKey


class SelectorView:
    """Which descriptors the loop watches, and for what."""

    def __init__(self, loop):
        self._loop = loop

    def get_map(self):
        """Return a dict from descriptor to SelectorKey, whose data is the pair of the reader's and the writer's handle."""
        watched = {} if self._loop is None else self._loop._watched()
        return {fd: _key(fd, *parts) for fd, parts in watched.items()}

    def get_key(self, fileobj):
        """Return the SelectorKey of a descriptor or file object, also of one that is closed. Raises KeyError if it is not watched."""
        keys = self.get_map()
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        key = keys.get(fd) or next((key for key in keys.values() if key.fileobj is fileobj), None)
        if key is None:
            raise KeyError(f"{fileobj!r} is not registered")
        return key

    def select(self, timeout=None):
        """Wait until something can run: an event, a timer, a callback of another thread; at most timeout seconds.

        What can run is in the loop's ready queue then, so that the list of events is empty. This is a turn without its callbacks, for
        libraries that run the loop from within a callback.
        """
        self._loop._ask_kernel(timeout)
        return []

    def close(self):
        """Let go of the loop, which closes its poller by itself."""
        self._loop = None


def _key(fd, file, reader, writer):
    events = (EVENT_READ if reader is not None else 0) | (EVENT_WRITE if writer is not None else 0)
    return SelectorKey(fd if file is None else file, fd, events, (reader, writer))
