"""What a test process sees instead of asyncio's own event loop.

Owns: every change made to asyncio for the length of one test process, and the count of loops made through it.
Promises: fastloop itself never patches asyncio. This file does, because CPython's tests name `asyncio.SelectorEventLoop`
and `asyncio.new_event_loop()`, and these names must lead to the loop under test.
Driven by worker.py, before the first test module is imported.
"""

import asyncio
import asyncio.base_events
import asyncio.unix_events
import dataclasses
import pathlib


@dataclasses.dataclass
class Subject:
    """The implementation under test and how many loops the tests made of it."""

    name: str
    where: str
    loop_class: type
    task_class: type
    future_class: type
    loops_made: int = 0
    # Loops of another class: tests that build one on purpose, or a hole in the substitution.
    other_loops_made: int = 0


def subject_named(name):
    """Return the Subject called name: "fastloop", or "asyncio" for the baseline."""
    if name == "asyncio":
        return Subject(name, asyncio.__file__, asyncio.SelectorEventLoop, asyncio.Task, asyncio.Future)
    import fastloop

    where = pathlib.Path(fastloop.__file__).resolve()
    source_tree = pathlib.Path(__file__).resolve().parents[2] / "fastloop"
    if where.is_relative_to(source_tree):
        raise SystemExit(f"conformance: {where} belongs to the source tree; install the wheel and run its copy")
    return Subject(name, str(where), fastloop.EventLoop, fastloop.Task, fastloop.Future)


def stand_in_for(subject):
    """Return a class to put behind asyncio's loop names: calling it makes a loop of exactly subject.loop_class.

    The exact class matters, because a subclass may take slower paths than the ones that people run.
    """

    class StandInType(type(subject.loop_class)):
        def __call__(cls, *args, **kwargs):
            subject.loops_made += 1
            if cls is not StandIn:
                return super().__call__(*args, **kwargs)
            for selector in args:
                selector.close()
            return subject.loop_class()

        def __instancecheck__(cls, instance):
            if cls is not StandIn:
                return super().__instancecheck__(instance)
            return isinstance(instance, subject.loop_class)

    class StandIn(subject.loop_class, metaclass=StandInType):
        pass

    return StandIn


def count_other_loops(subject):
    """Count every loop of another class than subject's that is initialised from now on."""
    base = asyncio.base_events.BaseEventLoop
    original = base.__init__

    def counting_init(self, *args, **kwargs):
        if not isinstance(self, subject.loop_class):
            subject.other_loops_made += 1
        original(self, *args, **kwargs)

    base.__init__ = counting_init


def install(subject):
    """Make asyncio's loop names, its default policy and so Runner and IsolatedAsyncioTestCase give subject's loop."""
    count_other_loops(subject)
    stand_in = stand_in_for(subject)
    unix_events = asyncio.unix_events
    for policy_name in ("_UnixDefaultEventLoopPolicy", "_DefaultEventLoopPolicy"):
        policy = getattr(unix_events, policy_name, None)
        if policy is not None:
            policy._loop_factory = stand_in
    for module in (asyncio, unix_events):
        module.SelectorEventLoop = stand_in
        if hasattr(module, "EventLoop"):
            module.EventLoop = stand_in
