"""Hypothesis strategies that make programs, one for each group of the differential test.

A group is a part of the language: fewer kinds of actions in a program make it more likely that they meet. Bodies become shorter with
their depth.
"""

import functools

from hypothesis import strategies as st

from program import (
    Abort,
    AddDoneCallback,
    AddReader,
    AddWriter,
    AwaitBody,
    AwaitFuture,
    AwaitTask,
    CallAt,
    CallLater,
    CallSoon,
    CallSoonThreadsafe,
    CancelFuture,
    CancelHandle,
    CancelTask,
    Catch,
    ClearEvent,
    Close,
    CloseServer,
    Connect,
    Dial,
    Drain,
    Gather,
    Get,
    GetNowait,
    Group,
    Locked,
    NewFuture,
    OpenStream,
    PauseReading,
    Phase,
    Program,
    Put,
    PutNowait,
    Raise,
    Reactions,
    Read,
    ReadExactly,
    Receive,
    RemoveDoneCallback,
    RemoveReader,
    RemoveWriter,
    ResumeReading,
    Send,
    SetEvent,
    SetException,
    SetResult,
    SetVariable,
    ShieldBody,
    ShieldFuture,
    ShutDown,
    Sleep,
    SockReceive,
    SockSend,
    Spawn,
    Stop,
    Ticker,
    Timeout,
    Uncancel,
    Wait,
    WaitClosed,
    WaitEvent,
    WaitFor,
    Write,
    WriteEof,
    WriteLines,
)

TICKS = st.sampled_from([0, 0, 0.5, 1, 1, 2, 3, -1])
SMALL = st.integers(0, 2)
SIZES = st.integers(1, 6)
MOST_DEPTH = 3


def body(actions, depth, longest=3):
    """A strategy for bodies of what actions(depth - 1) makes."""
    if depth <= 0:
        return st.just(())
    return st.lists(st.deferred(lambda: actions(depth - 1)), max_size=longest).map(tuple)


def bodies(actions, depth):
    return st.lists(body(actions, depth, 2), min_size=1, max_size=3).map(tuple)


# Each of the following makes the strategies of some actions, given how to make the bodies inside.


def callbacks(inner, depth):
    return [
        st.builds(CallSoon, inner),
        st.builds(CallSoon, inner, st.booleans()),
        st.builds(Ticker, st.integers(1, 4), inner),
        st.builds(CallSoonThreadsafe, inner, st.sampled_from([False, False, True])),
        st.builds(CancelHandle, st.integers(0, 8)),
        st.builds(SetVariable, st.integers(1, 3)),
        st.builds(Raise, st.sampled_from([False, False, False, True])),
        st.just(Stop()),
    ]


def timers(inner, depth):
    return [st.builds(CallLater, TICKS, inner), st.builds(CallAt, TICKS, inner)]


def futures(inner, depth):
    return [
        st.builds(AddDoneCallback, SMALL, inner),
        st.builds(AddDoneCallback, SMALL, inner),
        st.builds(SetResult, SMALL),
        st.builds(SetException, SMALL),
        st.builds(CancelFuture, SMALL),
        st.builds(NewFuture, SMALL),
        st.builds(RemoveDoneCallback, SMALL, SMALL),
    ]


def task_controls(coroutine_body):
    return [
        st.builds(Spawn, coroutine_body),
        st.builds(Spawn, coroutine_body),
        st.builds(CancelTask, st.integers(0, 6)),
        st.builds(Uncancel, st.integers(0, 6)),
    ]


def shared_objects(inner, depth):
    both = st.integers(0, 1)
    return [
        st.builds(SetEvent, both),
        st.builds(ClearEvent, both),
        st.builds(PutNowait, both),
        st.builds(GetNowait, both),
    ]


def awaits(coroutine_body, coroutine_bodies):
    both = st.integers(0, 1)
    return [
        st.builds(Sleep),
        st.builds(Sleep),
        st.builds(Sleep, TICKS),
        st.builds(AwaitFuture, SMALL),
        st.builds(AwaitTask, SMALL),
        st.builds(AwaitBody, coroutine_body),
        st.builds(Gather, coroutine_bodies, st.booleans()),
        st.builds(Wait, coroutine_bodies, st.booleans(), st.none() | TICKS),
        st.builds(ShieldFuture, SMALL),
        st.builds(ShieldBody, coroutine_body),
        st.builds(WaitFor, TICKS, coroutine_body),
        st.builds(Timeout, TICKS, coroutine_body),
        st.builds(Group, coroutine_bodies, coroutine_body),
        st.builds(Catch, coroutine_body),
        st.builds(Catch, coroutine_body),
        st.builds(WaitEvent, both),
        st.builds(Get, both),
        st.builds(Put, both),
        st.builds(Locked, both, coroutine_body),
    ]


ENDS = st.integers(0, 3)


def descriptors(inner, depth):
    return [
        st.builds(AddReader, ENDS, st.sampled_from([100, 100, 1, 2, 0]), inner),
        st.builds(AddReader, ENDS, st.just(100), inner),
        st.builds(AddWriter, ENDS, inner),
        st.builds(RemoveReader, ENDS),
        st.builds(RemoveWriter, ENDS),
        st.builds(Send, ENDS, SIZES),
        st.builds(Send, ENDS, SIZES),
        st.builds(Receive, ENDS),
        st.builds(ShutDown, ENDS),
    ]


def socket_awaits():
    return [st.builds(SockReceive, ENDS), st.builds(SockSend, ENDS, SIZES)]


def reactions(inner):
    return st.builds(Reactions, inner, inner, inner, inner, st.booleans(), st.sampled_from([False, False, True]))


def transports(inner, depth):
    return [
        st.builds(Connect, ENDS, reactions(inner), st.booleans()),
        st.builds(Write, ENDS, SIZES),
        st.builds(Write, ENDS, SIZES),
        st.builds(WriteLines, ENDS, SIZES),
        st.builds(WriteEof, ENDS),
        st.builds(Close, ENDS),
        st.builds(Abort, ENDS),
        st.builds(PauseReading, ENDS),
        st.builds(ResumeReading, ENDS),
    ]


def serving(inner, depth):
    return [st.just(Dial()), st.just(Dial()), st.builds(Send, st.integers(0, 6), SIZES), st.just(CloseServer())]


def stream_awaits():
    return [
        st.builds(OpenStream, ENDS),
        st.builds(OpenStream, ENDS),
        st.builds(Drain, ENDS),
        st.builds(Read, ENDS, SIZES),
        st.builds(ReadExactly, ENDS, SIZES),
        st.builds(WaitClosed, ENDS),
    ]


# The groups


class ProgramGroup:
    """A part of the language."""

    def __init__(
        self, parts, more_awaits=None, *, has_coroutines=True, pairs=0, has_server=False, clocks=("ticked",), is_idle=False, weight=1
    ):
        self.parts = parts
        self.more_awaits = more_awaits
        self.has_coroutines = has_coroutines
        self.pairs = pairs
        self.has_server = has_server
        self.clocks = clocks
        self.is_idle = is_idle
        # Its share of the programs.
        self.weight = weight
        # Strategies are made once for each depth.
        self.actions = functools.cache(self.make_actions)
        self.coroutine_actions = functools.cache(self.make_coroutine_actions)

    def make_actions(self, depth):
        inner = body(self.actions, depth)
        choices = [strategy for part in self.parts for strategy in part(inner, depth)]
        if self.has_coroutines:
            choices += task_controls(body(self.coroutine_actions, depth))
        return st.one_of(choices)

    def make_coroutine_actions(self, depth):
        choices = awaits(body(self.coroutine_actions, depth), bodies(self.coroutine_actions, depth))
        if self.more_awaits is not None:
            choices += self.more_awaits() * 4
        return st.one_of(st.one_of(choices), self.actions(depth))

    def phases(self):
        before = body(self.actions, MOST_DEPTH, 6)
        if transports in self.parts:
            before = st.tuples(self.connections(), before).map(lambda parts: parts[0] + parts[1])
        main = st.none()
        if self.has_coroutines:
            main = st.none() | body(self.coroutine_actions, MOST_DEPTH, 4)
        phase = st.builds(Phase, st.integers(3, 12), before, main, st.just(self.is_idle))
        return st.lists(phase, min_size=1, max_size=3).map(tuple)

    def connections(self):
        """Often the ends of the first pair begin as transports, else few programs have two that talk to each other."""
        connect = st.builds(Connect, st.just(0), reactions(body(self.actions, 2)), st.booleans())
        connect_peer = st.builds(Connect, st.just(1), reactions(body(self.actions, 2)), st.booleans())
        return st.just(()) | st.tuples(connect) | st.tuples(connect, connect_peer)

    def programs(self):
        pairs = st.lists(st.sampled_from(["unix", "unix", "tcp"]), min_size=self.pairs, max_size=self.pairs).map(tuple)
        server = reactions(body(self.actions, 2)) if self.has_server else st.none()
        return st.builds(
            Program,
            self.phases(),
            st.sampled_from(self.clocks),
            pairs,
            server,
            st.sampled_from([False] * 5 + [True]),
            st.sampled_from([False] * 5 + [True]),
        )


GROUPS = {
    "callbacks": ProgramGroup([callbacks, timers, futures], has_coroutines=False),
    "tasks": ProgramGroup([callbacks, futures, shared_objects]),
    "tasks and timers": ProgramGroup([callbacks, timers, timers, futures, shared_objects]),
    "descriptors": ProgramGroup([callbacks, descriptors], socket_awaits, pairs=2, clocks=("ticked", "real")),
    "transports": ProgramGroup([callbacks, transports, transports], pairs=2, clocks=("ticked", "real")),
    "transports and descriptors": ProgramGroup([transports, descriptors], pairs=2, clocks=("ticked", "real")),
    "streams": ProgramGroup([callbacks, transports], stream_awaits, pairs=2, clocks=("ticked", "real")),
    "servers": ProgramGroup([callbacks, transports, serving, serving], has_server=True, pairs=1, clocks=("ticked", "real")),
    "idle loops": ProgramGroup([callbacks, descriptors, transports], socket_awaits, pairs=2, clocks=("real",), is_idle=True, weight=0.5),
}


def share(group, programs):
    """How many of so many programs in all a group has."""
    return round(programs * GROUPS[group].weight / sum(group.weight for group in GROUPS.values()))
