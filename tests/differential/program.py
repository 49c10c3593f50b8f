"""Small programs of the differential test, as data.

A program is a sequence of phases; in each the loop runs for so many turns, or until a coroutine is done. What a callback or a
coroutine does is its body: a tuple of actions. Some actions have bodies themselves, for the callbacks that they schedule.
Resources have small numbers, taken modulo their count, so that every program is valid.
show() prints a program as the Python expression that makes it: what a failure prints can be kept as a test.
"""

import dataclasses
import functools

FUTURES = 3
EVENTS = 2
QUEUES = 2
LOCKS = 2


@dataclasses.dataclass(frozen=True)
class Node:
    """A part of a program."""

    def _repr_pretty_(self, printer, cycle):
        # hypothesis prints its examples; its own printer takes time exponential in the depth.
        printer.text(show(self))


Body = tuple[Node, ...]


class Action(Node):
    """Something that is done at once."""


class Await(Node):
    """Something that a coroutine waits for."""


def kind_of(base, name, *needed, **defaults):
    """Make a class of nodes with these fields."""
    fields = [*needed, *((field, object, default) for field, default in defaults.items())]
    return dataclasses.make_dataclass(name, fields, bases=(base,), frozen=True)


action = functools.partial(kind_of, Action)
waiting = functools.partial(kind_of, Await)


# What callbacks do, and coroutines too

# in_shared_context: in a context that all such callbacks share.
CallSoon = action("CallSoon", body=(), in_shared_context=False)
CallLater = action("CallLater", "ticks", body=())
CallAt = action("CallAt", "ticks", body=())
# from_thread: from another thread, which has ended when the action is over.
CallSoonThreadsafe = action("CallSoonThreadsafe", body=(), from_thread=False)
CancelHandle = action("CancelHandle", "handle")
# A callback that schedules itself with call_soon() so many times, and does its body the last time.
Ticker = action("Ticker", "turns", body=())
NewFuture = action("NewFuture", "future")
SetResult = action("SetResult", "future")
SetException = action("SetException", "future")
CancelFuture = action("CancelFuture", "future")
AddDoneCallback = action("AddDoneCallback", "future", body=())
# Removes one of the callbacks that were added to the future.
RemoveDoneCallback = action("RemoveDoneCallback", "future", "callback")
# create_task()
Spawn = action("Spawn", body=())
CancelTask = action("CancelTask", "task")
Uncancel = action("Uncancel", "task")
SetEvent = action("SetEvent", "event")
ClearEvent = action("ClearEvent", "event")
PutNowait = action("PutNowait", "queue")
GetNowait = action("GetNowait", "queue")
# Sets the context variable.
SetVariable = action("SetVariable", "value")
# is_exit: SystemExit, which leaves the loop.
Raise = action("Raise", is_exit=False)
# loop.stop()
Stop = action("Stop")


# What coroutines do

Sleep = waiting("Sleep", ticks=0)
AwaitFuture = waiting("AwaitFuture", "future")
# Awaits a task that is younger than this coroutine, so that nothing waits for itself.
AwaitTask = waiting("AwaitTask", "task")
# Awaits a coroutine directly.
AwaitBody = waiting("AwaitBody", body=())
Gather = waiting("Gather", "bodies", return_exceptions=False)
Wait = waiting("Wait", "bodies", is_first_enough=False, ticks=None)
ShieldFuture = waiting("ShieldFuture", "future")
ShieldBody = waiting("ShieldBody", body=())
WaitFor = waiting("WaitFor", "ticks", body=())
Timeout = waiting("Timeout", "ticks", body=())
# TaskGroup
Group = waiting("Group", "bodies", body=())
# Does the body; whatever it raises, a cancellation too, ends there.
Catch = waiting("Catch", body=())
WaitEvent = waiting("WaitEvent", "event")
Get = waiting("Get", "queue")
Put = waiting("Put", "queue")
Locked = waiting("Locked", "lock", body=())


# Descriptors. An end is a socket: of a pair, of a client of the server, or of a connection that the server accepted.

# The reader takes up to so many bytes in each call; with 0 it is called again in every turn, a few times.
AddReader = action("AddReader", "end", takes=100, body=())
RemoveReader = action("RemoveReader", "end")
# The writer removes itself.
AddWriter = action("AddWriter", "end", body=())
RemoveWriter = action("RemoveWriter", "end")
Send = action("Send", "end", "size")
Receive = action("Receive", "end")
# shutdown(SHUT_WR)
ShutDown = action("ShutDown", "end")
SockReceive = waiting("SockReceive", "end")
SockSend = waiting("SockSend", "end", "size")


# Transports


@dataclasses.dataclass(frozen=True)
class Reactions(Node):
    """A protocol: what it does when its methods are called."""

    made: Body = ()
    data: Body = ()
    eof: Body = ()
    lost: Body = ()
    stays_open: bool = False
    is_buffered: bool = False


# Gives the end a transport: a task that awaits create_connection() or connect_accepted_socket().
Connect = action("Connect", "end", protocol=Reactions(), is_accepted=False)
Write = action("Write", "end", "size")
WriteLines = action("WriteLines", "end", "size")
WriteEof = action("WriteEof", "end")
Close = action("Close", "end")
Abort = action("Abort", "end")
PauseReading = action("PauseReading", "end")
ResumeReading = action("ResumeReading", "end")
# A new client of the server, connected by the kernel at once.
Dial = action("Dial")
CloseServer = action("CloseServer")


# Datagrams and pipes: Connect gives their ends transports too.

# has_address: with the peer's address, where it has one.
SendTo = action("SendTo", "end", "size", has_address=False)
# Closes the descriptor of an end without a transport: a reader of a pipe that leaves, or a port at which nobody listens any more.
CloseDescriptor = action("CloseDescriptor", "end")


# Streams

# limit: of the reader's buffer.
OpenStream = waiting("OpenStream", "end", limit=2**16)
ReadUntil = waiting("ReadUntil", "end", "letter")
ReadLine = waiting("ReadLine", "end")
ReadAll = waiting("ReadAll", "end")
Drain = waiting("Drain", "end")
Read = waiting("Read", "end", "size")
ReadExactly = waiting("ReadExactly", "end", "size")
WaitClosed = waiting("WaitClosed", "end")


@dataclasses.dataclass(frozen=True)
class Phase(Node):
    # How long the loop runs at most. An idle phase lasts a few milliseconds, in which the loop sleeps when it has nothing to do.
    turns: int = 10
    # Done before the loop runs.
    before: Body = ()
    # A coroutine for run_until_complete(); without one run_forever() runs.
    main: Body | None = None
    is_idle: bool = False


@dataclasses.dataclass(frozen=True)
class Program(Node):
    phases: tuple[Phase, ...]
    # "ticked": one tick of the loop's clock is one turn. "real": it is a millisecond.
    clock: str = "ticked"
    # Of pairs, each "unix", "tcp", "udp", "unix datagrams" or "pipe": pair n has the ends 2 n and 2 n + 1. Those of a pipe are its
    # reading and its writing end.
    pairs: tuple[str, ...] = ()
    # What the server's connections do.
    server: Reactions | None = None
    is_debug: bool = False
    is_eager: bool = False


def show(node, indent=0):
    """Return the expression that makes a node, in lines, without fields that have their default values."""
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
