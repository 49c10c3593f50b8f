"""Pairs of descriptors that pipe transports serve, of each kind."""

import contextlib
import os
import pty
import socket
import tempfile
import tty


def _pipe():
    return os.pipe()


def _fifo():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "fifo")
        os.mkfifo(path)
        reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        return reading, os.open(path, os.O_WRONLY)


def _socket():
    one, other = socket.socketpair()
    return one.detach(), other.detach()


def _pty():
    controller, terminal = pty.openpty()
    tty.setraw(terminal)
    return controller, terminal


MAKERS = {"pipe": _pipe, "fifo": _fifo, "socket": _socket, "pty": _pty}
KINDS = tuple(MAKERS)
# Whose writing end hears when the reading end is gone.
KINDS_THAT_HEAR = ("pipe", "fifo", "socket")


class Pipe:
    """A reading and a writing end. One becomes a transport; the other one stays a descriptor that does not block."""

    def __init__(self, kind):
        self.reading, self.writing = MAKERS[kind]()
        os.set_blocking(self.reading, False)
        os.set_blocking(self.writing, False)
        self._own = {self.reading, self.writing}

    def file(self, end):
        """The end as a file object, which from now on owns the descriptor."""
        fd = self.reading if end == "read" else self.writing
        self._own.discard(fd)
        return open(fd, "rb" if end == "read" else "wb", 0)

    def send(self, data):
        """Write data, all of it."""
        assert os.write(self.writing, data) == len(data)

    def receive(self):
        """Return what there is to read; b"" at the end of file and if there is nothing."""
        received = []
        # A pseudo-terminal whose other end is closed has no end of file.
        with contextlib.suppress(OSError):
            while data := os.read(self.reading, 65536):
                received.append(data)
        return b"".join(received)

    def cut(self, end):
        """Close an end that is a descriptor."""
        fd = self.reading if end == "read" else self.writing
        self._own.discard(fd)
        os.close(fd)

    def close(self):
        while self._own:
            os.close(self._own.pop())
