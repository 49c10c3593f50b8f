"""Small programs of the differential test, as data.

A program is a sequence of phases; in each the loop runs for so many turns, or until a coroutine is done. What a callback or a
coroutine does is its body: a tuple of actions. Some actions carry bodies of their own, for the callbacks that they schedule.
Resources are called by small numbers, taken modulo of how many there are, so that every program is a valid one.
show() prints a program as the Python expression that makes it: what a failure prints can be kept as a test.
"""

import dataclasses

FUTURES = 3
EVENTS = 2
QUEUES = 2
LOCKS = 2


@dataclasses.dataclass(frozen=True)
class Node:
    """A part of a program."""

    def _repr_pretty_(self, printer, cycle):
        # hypothesis prints what it made; its own way takes time exponential in the depth.
        printer.text(show(self))


Body = tuple[Node, ...]


# What callbacks do, and coroutines too


class Action(Node):
    """Something that is done at once."""


def action(cls):
    return dataclasses.dataclass(frozen=True)(cls)


@action
class CallSoon(Action):
    body: Body = ()
    # Run it in a context that all such callbacks share.
    in_shared_context: bool = False


@action
class CallLater(Action):
    ticks: float
    body: Body = ()


@action
class CallAt(Action):
    ticks: float
    body: Body = ()


@action
class CallSoonThreadsafe(Action):
    body: Body = ()
    # From another thread, which has ended when the action is over.
    from_thread: bool = False


@action
class CancelHandle(Action):
    handle: int


@action
class Ticker(Action):
    """A callback that schedules itself with call_soon() so many times, and does its body the last time."""

    turns: int
    body: Body = ()


@action
class NewFuture(Action):
    future: int


@action
class SetResult(Action):
    future: int


@action
class SetException(Action):
    future: int


@action
class CancelFuture(Action):
    future: int


@action
class AddDoneCallback(Action):
    future: int
    body: Body = ()


@action
class RemoveDoneCallback(Action):
    """Remove one of the callbacks that were added to the future."""

    future: int
    callback: int


@action
class Spawn(Action):
    """create_task()"""

    body: Body = ()


@action
class CancelTask(Action):
    task: int


@action
class Uncancel(Action):
    task: int


@action
class SetEvent(Action):
    event: int


@action
class ClearEvent(Action):
    event: int


@action
class PutNowait(Action):
    queue: int


@action
class GetNowait(Action):
    queue: int


@action
class SetVariable(Action):
    """Set the context variable."""

    value: int


@action
class Raise(Action):
    # SystemExit, which leaves the loop.
    is_exit: bool = False


@action
class Stop(Action):
    """loop.stop()"""


# What coroutines do


class Await(Node):
    """Something that a coroutine waits for."""


@action
class Sleep(Await):
    ticks: float = 0


@action
class AwaitFuture(Await):
    future: int


@action
class AwaitTask(Await):
    """Await a task that is younger than this coroutine, so that nothing waits for itself."""

    task: int


@action
class AwaitBody(Await):
    """Await a coroutine directly."""

    body: Body = ()


@action
class Gather(Await):
    bodies: tuple[Body, ...]
    return_exceptions: bool = False


@action
class Wait(Await):
    bodies: tuple[Body, ...]
    is_first_enough: bool = False
    ticks: float | None = None


@action
class ShieldFuture(Await):
    future: int


@action
class ShieldBody(Await):
    body: Body = ()


@action
class WaitFor(Await):
    ticks: float
    body: Body = ()


@action
class Timeout(Await):
    ticks: float
    body: Body = ()


@action
class Group(Await):
    """TaskGroup"""

    bodies: tuple[Body, ...]
    body: Body = ()


@action
class Catch(Await):
    """Do the body; whatever it raises, a cancellation too, ends there."""

    body: Body = ()


@action
class WaitEvent(Await):
    event: int


@action
class Get(Await):
    queue: int


@action
class Put(Await):
    queue: int


@action
class Locked(Await):
    lock: int
    body: Body = ()


# Descriptors. An end is a socket: of a pair, of a client of the server, or of a connection that the server accepted.


@action
class AddReader(Action):
    """The reader takes up to so many bytes in each call; with 0 it is called again in every turn, a few times."""

    end: int
    takes: int = 100
    body: Body = ()


@action
class RemoveReader(Action):
    end: int


@action
class AddWriter(Action):
    """The writer removes itself."""

    end: int
    body: Body = ()


@action
class RemoveWriter(Action):
    end: int


@action
class Send(Action):
    end: int
    size: int


@action
class Receive(Action):
    end: int


@action
class ShutDown(Action):
    """shutdown(SHUT_WR)"""

    end: int


@action
class SockReceive(Await):
    end: int


@action
class SockSend(Await):
    end: int
    size: int


# Transports


@action
class Reactions(Node):
    """A protocol: what it does when its methods are called."""

    made: Body = ()
    data: Body = ()
    eof: Body = ()
    lost: Body = ()
    stays_open: bool = False
    is_buffered: bool = False


@action
class Connect(Action):
    """Give the end a transport: a task that awaits create_connection() or connect_accepted_socket()."""

    end: int
    protocol: Reactions = Reactions()
    is_accepted: bool = False


@action
class Write(Action):
    end: int
    size: int


@action
class WriteLines(Action):
    end: int
    size: int


@action
class WriteEof(Action):
    end: int


@action
class Close(Action):
    end: int


@action
class Abort(Action):
    end: int


@action
class PauseReading(Action):
    end: int


@action
class ResumeReading(Action):
    end: int


@action
class Dial(Action):
    """A new client of the server, connected by the kernel at once."""


@action
class CloseServer(Action):
    pass


# Streams


@action
class OpenStream(Await):
    end: int


@action
class Drain(Await):
    end: int


@action
class Read(Await):
    end: int
    size: int


@action
class ReadExactly(Await):
    end: int
    size: int


@action
class WaitClosed(Await):
    end: int


@action
class Phase(Node):
    # How long the loop runs at most; an idle phase lasts a few milliseconds, in which it sleeps when nothing is to be done.
    turns: int = 10
    # Done before the loop runs.
    before: Body = ()
    # A coroutine for run_until_complete(); without one run_forever() runs.
    main: Body | None = None
    is_idle: bool = False


@action
class Program(Node):
    phases: tuple[Phase, ...]
    # "ticked": one tick of the loop's clock is one turn. "real": it is a millisecond.
    clock: str = "ticked"
    # Of socket pairs, each "unix" or "tcp": pair n has the ends 2 n and 2 n + 1.
    pairs: tuple[str, ...] = ()
    # What the server's connections do.
    server: Reactions | None = None
    is_debug: bool = False
    is_eager: bool = False


def show(node, indent=0):
    """Return the expression that makes a node, in lines, without what has its default value."""
    if isinstance(node, tuple):
        if not node:
            return "()"
        parts = [show(part, indent + 1) for part in node]
        return join("(", parts, ",)" if len(parts) == 1 else ")", indent)
    if not isinstance(node, Node):
        return repr(node)
    parts = []
    may_be_positional = True
    for field in dataclasses.fields(node):
        value = getattr(node, field.name)
        if value == field.default:
            may_be_positional = False
            continue
        text = show(value, indent + 1)
        parts.append(text if may_be_positional else f"{field.name}={text}")
    return join(f"{type(node).__name__}(", parts, ")", indent)


def join(opening, parts, closing, indent):
    line = opening + ", ".join(parts) + closing
    if "\n" not in line and len(line) + 4 * indent <= 100:
        return line
    space = "    " * (indent + 1)
    return opening + "\n" + "".join(f"{space}{part},\n" for part in parts) + "    " * indent + (")" if closing == ",)" else closing)


def size_of(node):
    """How many nodes a program has."""
    if isinstance(node, tuple):
        return sum(map(size_of, node))
    if not isinstance(node, Node):
        return 0
    return 1 + sum(size_of(getattr(node, field.name)) for field in dataclasses.fields(node))
