"""Scripts of feeds and reads, and what they lead to: for one reader class on one loop, as a log that can be compared.

A script is a list of turns, a turn a list of actions. Every action and everything that a read sees goes into the log, in the
order in which it happens and with the number of the turn.
"""

import asyncio
import sys

from hypothesis import strategies as st

from actors.failures import SomeError

HAS_SEVERAL_SEPARATORS = sys.version_info >= (3, 13)

# Few different bytes, so that separators are often found, and often only in part.
data = st.binary(max_size=12).map(lambda text: bytes(b"ab\n"[byte % 3] for byte in text))
separator = data.filter(len) | st.just(b"\n") | st.just(b"")
if HAS_SEVERAL_SEPARATORS:
    separator |= st.lists(separator, max_size=3).map(tuple)
size = st.integers(-1, 14)
reading = (
    st.tuples(st.just("read"), size)
    | st.tuples(st.just("readexactly"), size)
    | st.tuples(st.just("readuntil"), separator)
    | st.sampled_from([("readline",), ("__anext__",)])
)
reads = st.lists(reading, min_size=1, max_size=3)
error = st.sampled_from([SomeError("set"), asyncio.IncompleteReadError(b"ab", 5), asyncio.LimitOverrunError("far", 1)])
action = (
    st.tuples(st.just("feed"), data)
    | st.tuples(st.just("feed"), data)
    | st.tuples(st.just("start"), reads)
    | st.tuples(st.just("start"), reads)
    | st.tuples(st.just("cancel"), st.integers(0, 3))
    | st.tuples(st.just("eof"))
    | st.tuples(st.just("fail"), error)
    | st.tuples(st.just("throw"), reading, error)
    | st.tuples(st.just("look"))
)
turns = st.lists(st.lists(action, max_size=4), max_size=8)
limit = st.sampled_from([1, 3, 8, 1000])


def told(error):
    """What can be compared of an exception."""
    details = [getattr(error, name, None) for name in ("partial", "expected", "consumed")]
    return (type(error).__name__, error.args, *details, type(error.__context__).__name__)


class Player:
    """Plays a script with one reader. It is the reader's transport too."""

    def __init__(self, reader, log):
        self.reader, self.log, self.turn = reader, log, 0
        self.tasks = []
        reader.set_transport(self)

    def note(self, *event):
        self.log.append((self.turn, *event, self.reader._paused))

    def pause_reading(self):
        self.note("pause")

    def resume_reading(self):
        self.note("resume")

    async def read_one_by_one(self, name, readings):
        for method, *arguments in readings:
            try:
                self.note(name, method, await getattr(self.reader, method)(*arguments))
            except (Exception, asyncio.CancelledError) as error:
                self.note(name, method, told(error))

    def act(self, kind, *arguments):
        if kind == "feed" and not self.reader._eof:
            self.reader.feed_data(*arguments)
        elif kind == "start":
            self.tasks.append(asyncio.ensure_future(self.read_one_by_one(f"task {len(self.tasks)}", *arguments)))
        elif kind == "cancel" and arguments[0] < len(self.tasks):
            self.tasks[arguments[0]].cancel()
        elif kind == "eof":
            self.reader.feed_eof()
        elif kind == "fail":
            self.reader.set_exception(*arguments)
        elif kind == "throw":
            self.throw(*arguments)
        elif kind == "look":
            self.note("look", bytes(self.reader._buffer), self.reader.at_eof(), self.reader.exception())

    def throw(self, reading, error):
        """Throw into a read, which waits if there is nothing to read."""
        coroutine = getattr(self.reader, reading[0])(*reading[1:])
        try:
            waits = coroutine.send(None)
            self.note("throw", waits is self.reader._waiter)
            self.note("throw", coroutine.throw(error))
        except (Exception, StopIteration, asyncio.CancelledError) as raised:
            self.note("throw", told(raised), getattr(raised, "value", None), self.reader._waiter is None)
        coroutine.close()

    async def play(self, script):
        for actions in script:
            for number, (kind, *arguments) in enumerate(actions):
                try:
                    self.act(kind, *arguments)
                except Exception as error:
                    self.note(number, kind, told(error))
            await asyncio.sleep(0)
            self.turn += 1
        # A cancelled task continues with its next read.
        while not all(task.done() for task in self.tasks):
            for task in self.tasks:
                task.cancel()
            await asyncio.sleep(0)
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.note("end", bytes(self.reader._buffer), self.reader.at_eof(), repr(self.reader).replace(repr(self), ""))


def log_of(new_event_loop, reader_class, limit, script, *, debug=False):
    loop = new_event_loop()
    loop.set_debug(debug)
    log = []
    try:
        player = Player(reader_class(limit=limit, loop=loop), log)
        loop.run_until_complete(player.play(script))
    finally:
        loop.close()
    return log
