"""Cancelling a task at its n-th turn, while somebody takes the number of every descriptor that is closed."""

import contextlib
import fcntl
import os

from actors.descriptors import open_descriptors


class NumberTaker:
    """Takes the number of a descriptor as soon as it is closed, with one of its own, and notices if somebody closes that."""

    def __init__(self):
        self._fd, self._other = os.pipe()
        self._inode = os.fstat(self._fd).st_ino
        self._taken = set()
        self._before = self._seen = open_descriptors().keys()

    def take(self):
        now = open_descriptors().keys()
        for number in self._seen - now:
            # A thread may have taken it.
            fd = fcntl.fcntl(self._fd, fcntl.F_DUPFD_CLOEXEC, number)
            if fd == number:
                self._taken.add(number)
            else:
                os.close(fd)
        self._seen = self._seen | now

    def check(self):
        """Return what was left open, and which of its own descriptors were closed."""
        intact = {number for number in self._taken if is_inode(number, self._inode)}
        left = {number: name for number, name in open_descriptors().items() if number not in self._before | intact}
        return left, self._taken - intact

    def close(self):
        for number in self._taken:
            if is_inode(number, self._inode):
                os.close(number)
        os.close(self._fd)
        os.close(self._other)


def is_inode(number, inode):
    with contextlib.suppress(OSError):
        return os.fstat(number).st_ino == inode
    return False


def turn_by_turn(loop_class):
    """A loop class that calls before_turn() before each turn."""

    class TurnByTurnLoop(loop_class):
        before_turn = staticmethod(lambda: None)

        def _run_once(self):
            self.before_turn()
            super()._run_once()

    return TurnByTurnLoop


def cancelled_at_turn(loop, coroutine, turn, taker):
    """Run the coroutine in a task that is cancelled before that turn; return the task, which is done.

    The taker takes numbers before every turn.
    """
    task = loop.create_task(coroutine)
    turns = 0

    def before_turn():
        nonlocal turns
        taker.take()
        if turns == turn:
            task.cancel()
        turns += 1

    loop.before_turn = before_turn
    task.add_done_callback(lambda _: loop.stop())
    loop.run_forever()
    taker.take()
    loop.before_turn = taker.take
    return task
