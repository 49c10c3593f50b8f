"""Hypothesis strategies that make programs, one for each group of the differential test.

A group is a part of the language: fewer kinds of actions in a program make it more likely that they meet. Bodies become shorter with
their depth.
"""

import functools

from hypothesis import strategies as st

import program as language

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
        st.builds(language.CallSoon, inner),
        st.builds(language.CallSoon, inner, st.booleans()),
        st.builds(language.Ticker, st.integers(1, 4), inner),
        st.builds(language.CallSoonThreadsafe, inner, st.sampled_from([False, False, True])),
        st.builds(language.CancelHandle, st.integers(0, 8)),
        st.builds(language.SetVariable, st.integers(1, 3)),
        st.builds(language.Raise, st.sampled_from([False, False, False, True])),
        st.just(language.Stop()),
    ]


def timers(inner, depth):
    return [st.builds(language.CallLater, TICKS, inner), st.builds(language.CallAt, TICKS, inner)]


def futures(inner, depth):
    return [
        st.builds(language.AddDoneCallback, SMALL, inner),
        st.builds(language.AddDoneCallback, SMALL, inner),
        st.builds(language.SetResult, SMALL),
        st.builds(language.SetException, SMALL),
        st.builds(language.CancelFuture, SMALL),
        st.builds(language.NewFuture, SMALL),
        st.builds(language.RemoveDoneCallback, SMALL, SMALL),
    ]


def task_controls(coroutine_body):
    return [
        st.builds(language.Spawn, coroutine_body),
        st.builds(language.Spawn, coroutine_body),
        st.builds(language.CancelTask, st.integers(0, 6)),
        st.builds(language.Uncancel, st.integers(0, 6)),
    ]


def shared_objects(inner, depth):
    both = st.integers(0, 1)
    return [
        st.builds(language.SetEvent, both),
        st.builds(language.ClearEvent, both),
        st.builds(language.PutNowait, both),
        st.builds(language.GetNowait, both),
    ]


def awaits(coroutine_body, coroutine_bodies):
    both = st.integers(0, 1)
    return [
        st.builds(language.Sleep),
        st.builds(language.Sleep),
        st.builds(language.Sleep, TICKS),
        st.builds(language.AwaitFuture, SMALL),
        st.builds(language.AwaitTask, SMALL),
        st.builds(language.AwaitBody, coroutine_body),
        st.builds(language.Gather, coroutine_bodies, st.booleans()),
        st.builds(language.Wait, coroutine_bodies, st.booleans(), st.none() | TICKS),
        st.builds(language.ShieldFuture, SMALL),
        st.builds(language.ShieldBody, coroutine_body),
        st.builds(language.WaitFor, TICKS, coroutine_body),
        st.builds(language.Timeout, TICKS, coroutine_body),
        st.builds(language.Group, coroutine_bodies, coroutine_body),
        st.builds(language.Catch, coroutine_body),
        st.builds(language.Catch, coroutine_body),
        st.builds(language.WaitEvent, both),
        st.builds(language.Get, both),
        st.builds(language.Put, both),
        st.builds(language.Locked, both, coroutine_body),
    ]


ENDS = st.integers(0, 3)


def descriptors(inner, depth):
    return [
        st.builds(language.AddReader, ENDS, st.sampled_from([100, 100, 1, 2, 0]), inner),
        st.builds(language.AddReader, ENDS, st.just(100), inner),
        st.builds(language.AddWriter, ENDS, inner),
        st.builds(language.RemoveReader, ENDS),
        st.builds(language.RemoveWriter, ENDS),
        st.builds(language.Send, ENDS, SIZES),
        st.builds(language.Send, ENDS, SIZES),
        st.builds(language.Receive, ENDS),
        st.builds(language.ShutDown, ENDS),
    ]


def socket_awaits():
    return [st.builds(language.SockReceive, ENDS), st.builds(language.SockSend, ENDS, SIZES)]


def reactions(inner):
    return st.builds(language.Reactions, inner, inner, inner, inner, st.booleans(), st.sampled_from([False, False, True]))


def transports(inner, depth):
    return [
        st.builds(language.Connect, ENDS, reactions(inner), st.booleans()),
        st.builds(language.Write, ENDS, SIZES),
        st.builds(language.Write, ENDS, SIZES),
        st.builds(language.WriteLines, ENDS, SIZES),
        st.builds(language.WriteEof, ENDS),
        st.builds(language.Close, ENDS),
        st.builds(language.Abort, ENDS),
        st.builds(language.PauseReading, ENDS),
        st.builds(language.ResumeReading, ENDS),
    ]


def datagrams(inner, depth):
    sizes = st.integers(0, 6)
    return [
        st.builds(language.Connect, ENDS, reactions(inner)),
        st.builds(language.SendTo, ENDS, sizes, st.booleans()),
        st.builds(language.SendTo, ENDS, sizes, st.booleans()),
        st.builds(language.Send, ENDS, sizes),
        st.builds(language.Receive, ENDS),
        st.builds(language.Close, ENDS),
        st.builds(language.Abort, ENDS),
        st.builds(language.CloseDescriptor, ENDS),
    ]


def pipes(inner, depth):
    return [
        st.builds(language.Connect, ENDS, reactions(inner)),
        st.builds(language.Connect, ENDS, reactions(inner)),
        st.builds(language.Write, ENDS, SIZES),
        st.builds(language.Write, ENDS, SIZES),
        st.builds(language.WriteEof, ENDS),
        st.builds(language.Send, ENDS, SIZES),
        st.builds(language.Receive, ENDS),
        st.builds(language.Close, ENDS),
        st.builds(language.PauseReading, ENDS),
        st.builds(language.ResumeReading, ENDS),
        st.builds(language.CloseDescriptor, ENDS),
    ]


def serving(inner, depth):
    return [
        st.just(language.Dial()),
        st.just(language.Dial()),
        st.builds(language.Send, st.integers(0, 6), SIZES),
        st.just(language.CloseServer()),
    ]


def stream_awaits():
    return [
        st.builds(language.OpenStream, ENDS),
        st.builds(language.OpenStream, ENDS, st.sampled_from([2**16, 3])),
        st.builds(language.ReadUntil, ENDS, SIZES),
        st.builds(language.ReadLine, ENDS),
        st.builds(language.ReadAll, ENDS),
        st.builds(language.Drain, ENDS),
        st.builds(language.Read, ENDS, SIZES),
        st.builds(language.ReadExactly, ENDS, SIZES),
        st.builds(language.WaitClosed, ENDS),
    ]


# The groups


class ProgramGroup:
    """A part of the language."""

    def __init__(
        self,
        parts,
        more_awaits=None,
        *,
        has_coroutines=True,
        pairs=0,
        kinds=("unix", "unix", "tcp"),
        has_server=False,
        clocks=("ticked",),
        is_idle=False,
        weight=1,
    ):
        self.parts = parts
        self.more_awaits = more_awaits
        self.has_coroutines = has_coroutines
        self.pairs = pairs
        self.kinds = kinds
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
        if {transports, datagrams, pipes}.intersection(self.parts):
            before = st.tuples(self.connections(), before).map(lambda parts: parts[0] + parts[1])
        main = st.none()
        if self.has_coroutines:
            main = st.none() | body(self.coroutine_actions, MOST_DEPTH, 4)
        phase = st.builds(language.Phase, st.integers(3, 12), before, main, st.just(self.is_idle))
        return st.lists(phase, min_size=1, max_size=3).map(tuple)

    def connections(self):
        """Often the ends of the first pair begin as transports, because otherwise few programs have two that talk to each other."""
        connect = st.builds(language.Connect, st.just(0), reactions(body(self.actions, 2)), st.booleans())
        connect_peer = st.builds(language.Connect, st.just(1), reactions(body(self.actions, 2)), st.booleans())
        return st.just(()) | st.tuples(connect) | st.tuples(connect, connect_peer)

    def programs(self):
        pairs = st.lists(st.sampled_from(self.kinds), min_size=self.pairs, max_size=self.pairs).map(tuple)
        server = reactions(body(self.actions, 2)) if self.has_server else st.none()
        return st.builds(
            language.Program,
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
    "datagrams": ProgramGroup(
        [callbacks, datagrams, datagrams], pairs=2, kinds=("udp", "udp", "unix datagrams"), clocks=("ticked", "real")
    ),
    "pipes": ProgramGroup([callbacks, pipes, pipes], pairs=2, kinds=("pipe",), clocks=("ticked", "real")),
    "streams": ProgramGroup([callbacks, transports], stream_awaits, pairs=2, clocks=("ticked", "real")),
    "servers": ProgramGroup([callbacks, transports, serving, serving], has_server=True, pairs=1, clocks=("ticked", "real")),
    "idle loops": ProgramGroup([callbacks, descriptors, transports], socket_awaits, pairs=2, clocks=("real",), is_idle=True, weight=0.5),
}


def share(group, programs):
    """How many programs a group has, of so many in all."""
    return round(programs * GROUPS[group].weight / sum(group.weight for group in GROUPS.values()))
