"""Sockets that notice when somebody else closes their descriptors."""

import contextlib
import os
import socket


class Bystanders:
    """Sockets that take the numbers of closed descriptors, and notice if somebody else closes them."""

    def __init__(self):
        self._pairs = []

    def open(self, count=8):
        for _ in range(count):
            pair = socket.socketpair()
            self._pairs.append((pair, [os.fstat(end.fileno()).st_ino for end in pair]))

    def numbers(self):
        return {end.fileno() for pair, _ in self._pairs for end in pair}

    def check(self):
        for pair, inodes in self._pairs:
            assert [os.fstat(end.fileno()).st_ino for end in pair] == inodes, "a descriptor was closed by somebody who did not own it"
            pair[0].send(b"intact")
            assert pair[1].recv(100) == b"intact"

    def close(self):
        for pair, _ in self._pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.close()
