"""What "fastloop does the same as asyncio" means.

Owns: the loops that are compared, and how the rules of rules.py are applied.

A program's trace on fastloop must be one of the traces that asyncio could have. It is compared with the trace that asyncio has. Only
if the two differ, the rules are tried.
"""

import asyncio
import collections
import contextvars
import difflib
import itertools
import selectors
import sys

import program as language
import rules
from interpreter_io import IoInterpreter

# Exact in binary, and far longer than the clock's resolution.
TICK_S = 2**-10
# What each reading of the ticked clock adds: two timers never have the same deadline. asyncio's heap says nothing of their order.
READING_S = 2**-36
MOST_BATCH_ORDERS = 60
# In an answer with more descriptors only so many change places.
MOST_REARRANGED = 4
MOST_REPETITIONS = 3


# The loops


class BatchSelector(selectors.DefaultSelector):
    """A selector that rearranges the kernel's answers."""

    def __init__(self, choices=()):
        super().__init__()
        self.choices = choices
        # For each answer with several descriptors: how many orders it has, and how long the trace was by then.
        self.answers = []
        self.trace = []

    def select(self, timeout=None):
        events = super().select(timeout)
        if len(events) > 1:
            number = len(self.answers)
            orders = list(itertools.permutations(events[:MOST_REARRANGED]))
            self.answers.append((len(orders), len(self.trace)))
            if number < len(self.choices):
                events[:MOST_REARRANGED] = orders[self.choices[number]]
        return events


def loop_classes(base):
    """Two loop classes by the name of their clock."""

    class RealLoop(base):
        ticks = 0
        tick_s = 0.001

    class TickedLoop(base):
        """A loop with a clock that the program's driver moves."""

        ticks = 0
        tick_s = TICK_S
        readings = 0

        def time(self):
            self.readings += 1
            return self.ticks * TICK_S + self.readings * READING_S

    return {"real": RealLoop, "ticked": TickedLoop}


class AsyncioLoop(asyncio.SelectorEventLoop):
    """asyncio's loop, but it keeps rule QUEUED_TWICE."""

    def __init__(self, selector=None):
        super().__init__(selector)
        self.left_out = collections.Counter()

    def _add_callback(self, handle):
        if handle in self._ready:
            self.left_out[rules.QUEUED_TWICE] += 1
        else:
            super()._add_callback(handle)


ASYNCIO_CLASSES = loop_classes(AsyncioLoop)


def native_task(loop, coroutine, **kwargs):
    return asyncio.Task(coroutine, loop=loop, **kwargs)


class Implementation:
    """A way to run programs."""

    def __init__(self, name, classes, task_factory=None):
        self.name = name
        self.classes = classes
        self.task_factory = task_factory

    def trace(self, program, selector=None, left_out=None):
        """Run the program on a new loop and return its trace. left_out counts the rules that left something out."""
        cls = self.classes[program.clock]
        loop = cls() if selector is None else cls(selector)
        try:
            loop.set_debug(program.is_debug)
            if program.is_eager and sys.version_info >= (3, 12):
                loop.set_task_factory(asyncio.eager_task_factory)
            elif self.task_factory is not None:
                loop.set_task_factory(self.task_factory)
            interpreter = IoInterpreter(program, loop)
            if left_out is not None:
                interpreter.left_out = loop.left_out = left_out
            if selector is not None:
                selector.trace = interpreter.trace
            # In a context of its own: what a program sets outside its loop must not be there for the next one.
            return contextvars.Context().run(interpreter.run)
        finally:
            loop.set_exception_handler(lambda loop, context: None)
            loop.close()


ASYNCIO = Implementation("asyncio", ASYNCIO_CLASSES)


def fastloop_implementations():
    import fastloop

    classes = loop_classes(fastloop.EventLoop)
    return [Implementation("fastloop", classes), Implementation("fastloop, asyncio's tasks", classes, native_task)]


# The comparison


class Verdicts:
    """How many programs were compared, and how often which rule was needed."""

    def __init__(self):
        self.compared = 0
        self.by_rule = collections.Counter()

    def percent(self, rule):
        return 100 * self.by_rule[rule] / self.compared

    def __str__(self):
        counts = [f"{rule.name}: {count}" for rule, count in self.by_rule.most_common()]
        return "\n    ".join([f"{self.compared} programs", *counts])


def difference(program, tested, verdicts=None):
    """Compare a program on an implementation with asyncio; return None, or the difference as text."""
    verdicts = verdicts or Verdicts()
    verdicts.compared += 1
    expected = ASYNCIO.trace(program, left_out=verdicts.by_rule)
    found = tested.trace(program)
    if found == expected:
        return None
    rule = applying_rule(program, tested, expected, found)
    if rule is not None:
        verdicts.by_rule[rule] += 1
        return None
    return report(program, tested, expected, found)


def applying_rule(program, tested, expected, found):
    """The rule by which two different traces are both right, or None."""
    for rule in rules.SAME_LINES:
        if rule.applied(expected) == rule.applied(found):
            return rule
    if is_possible_batch_order(program, found):
        return rules.BATCH_ORDER
    expected_traces, found_traces = [expected], [found]
    for _ in range(MOST_REPETITIONS):
        expected_traces.append(ASYNCIO.trace(program))
        found_traces.append(tested.trace(program))
        if any(same(expected, found) for expected in expected_traces for found in found_traces):
            return rules.REAL_TIME
    if any(trace != expected for trace in expected_traces):
        return rules.ASYNCIO_VARIES
    return None


def agreed_length(trace, other):
    """How many lines two traces have in common before the first difference."""
    pairs = zip(rules.without_differences_in_lines(trace), rules.without_differences_in_lines(other), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def same(trace, other):
    return trace == other or rules.without_differences_in_lines(trace) == rules.without_differences_in_lines(other)


def is_possible_batch_order(program, found):
    """Search the orders of the kernel's answers for one that gives the found trace on asyncio."""
    waiting = [()]
    for _ in range(MOST_BATCH_ORDERS):
        if not waiting:
            return False
        choices = waiting.pop()
        selector = BatchSelector(choices)
        trace = ASYNCIO.trace(program, selector)
        if same(trace, found):
            return True
        # Answers after the first difference did not cause it.
        agreed = agreed_length(trace, found)
        for number in range(len(choices), len(selector.answers)):
            orders, trace_length = selector.answers[number]
            if trace_length <= agreed:
                kept = (*choices, *[0] * (number - len(choices)))
                waiting.extend((*kept, choice) for choice in range(1, orders))
    return False


def report(program, tested, expected, found):
    lines = difflib.unified_diff(expected, found, "asyncio", tested.name, lineterm="", n=6)
    return "\n".join([language.show(program), "", *lines])
