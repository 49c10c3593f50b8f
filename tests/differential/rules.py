"""The only ways in which fastloop may differ from asyncio in the differential test, each with its reason.

There are three kinds: what asyncio itself leaves open, lines of the trace that mean the same, and what programs do not do because
fastloop differs on purpose. The comparison counts how often each rule was needed.
"""

import dataclasses
import re
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Rule:
    name: str
    why: str
    # What the rule makes equal, or what it leaves out.
    what: str
    # For rules about lines: the line that both traces have instead, or None if neither has it.
    replace: Callable[[str], str | None] | None = None

    def applied(self, trace):
        return [line for line in map(self.replace, trace) if line is not None]


# What asyncio leaves open; see comparison.py

BATCH_ORDER = Rule(
    "order of a batch",
    "the kernel tells of several descriptors at once in any order, and asyncio takes its order",
    "the traces of asyncio with each answer of the kernel rearranged in every way",
)
REAL_TIME = Rule(
    "real time",
    "on a busy machine a timer comes later than it should, behind or together with what should have come after it; and what goes "
    "through the loopback interface may take its time",
    "the traces of a few repetitions on both loops",
)
ASYNCIO_VARIES = Rule(
    "asyncio varies", "on asyncio itself the program has different traces from run to run", "every trace; such programs must be few"
)


# Lines that mean the same

REPORT_KEYS = Rule(
    "keys of a report",
    "fastloop calls connection_made() and connection_lost() without a handle, and tells of the transport and the protocol instead",
    "the keys of the exception handler's context, where the message is 'Exception in callback'",
    lambda line: re.sub(
        r"^(handler Exception in callback .*) (exception,handle,message|exception,message,protocol,transport)$", r"\1", line
    ),
)
ACCEPTING_REPORT = Rule(
    "report of a connection that was not accepted",
    "fastloop tells the exception handler in every mode, asyncio in debug mode only",
    "traces with and without that report",
    lambda line: None if line.startswith("handler Error on transport creation for incoming connection") else line,
)
WRITE_EOF_ERROR = Rule(
    "write_eof() to a peer that has left",
    "asyncio lets the error of shutdown(2) out; fastloop ignores it, as both do for the errors of send(2)",
    "write_eof() with and without OSError",
    lambda line: re.sub(r"write_eof raised OSError\(.*\)", "write_eof ", line),
)
CLASS_NAME = Rule(
    "class in an AttributeError",
    "CPython shows the name that a class was compiled with, whatever __class__ says",
    "the class whose object has no such attribute",
    lambda line: re.sub(r"AttributeError\('[^']*' object", "AttributeError(object", line),
)
SAME_LINES = (CLASS_NAME, REPORT_KEYS, ACCEPTING_REPORT, WRITE_EOF_ERROR)


# What programs do not do

READER_BESIDE_OPERATION = Rule(
    "add_reader() and remove_reader() beside sock_recv()",
    "on asyncio these take the descriptor away from the operation, which then waits forever; fastloop keeps the two apart",
    "readers and writers of a socket for which sock_recv() or sock_sendall() waits, or will wait",
)
OPERATIONS_AT_ONCE = Rule(
    "two calls of sock_recv() or sock_sendall() at once",
    "on asyncio the second one takes the descriptor away from the first, which then waits forever; on fastloop they take turns",
    "the second call for the same socket while the first one waits",
)
READING_AFTER_EOF = Rule(
    "reading on after the end of file",
    "asyncio calls eof_received() again when reading is paused and resumed; fastloop calls it once",
    "resume_reading() after eof_received() has returned True",
)
NAMELESS_PEER = Rule(
    "sendto(data) on half of a Unix pair",
    "asyncio takes a peer without a name for no peer, and the error ends the transport; fastloop sends",
    "sendto() without an address on half of a Unix pair of datagram sockets",
)
EXIT_WHILE_CONNECTING = Rule(
    "SystemExit in connection_made()",
    "asyncio wakes who waits for the connection through a handle of its own, which then runs a turn later",
    "SystemExit in connection_made(); it raises another exception",
)
PAUSED_WHILE_CONNECTING = Rule(
    "pause_reading() in connection_made()",
    "asyncio before Python 3.11.4 reads all the same",
    "pause_reading() in a connection's own connection_made(), on those Pythons",
)
WRITELINES_AFTER_LOSS = Rule(
    "writelines() after the connection is lost",
    "asyncio of Python 3.12 and 3.13 fails there, and watches a closed descriptor; later ones drop the lines, as write() does",
    "writelines() of a lost connection, on those Pythons",
)
CLOSED_WHILE_ACCEPTING = Rule(
    "a server that is closed while it accepts",
    "asyncio leaves the connection to the garbage collector; fastloop closes it",
    "closing the server while a connection waits for its connection_made()",
)
QUEUED_TWICE = Rule(
    "a reader that is queued twice",
    "when SystemExit ends a turn before the reader was called, asyncio's next turn finds the descriptor ready again and calls it "
    "twice; fastloop calls it once",
    "the second call, on asyncio",
)
INTERRUPTED_RUN = Rule(
    "a run that SystemExit has ended",
    "if its future was done, asyncio's callback that ends a run_until_complete() is still in the queue and ends the next run; fastloop "
    "drops all such callbacks, and the next run continues where the interrupted one was",
    "such callbacks, on asyncio",
)


def without_differences_in_lines(trace):
    """The trace with what SAME_LINES make equal."""
    for rule in SAME_LINES:
        trace = rule.applied(trace)
    return trace
