"""Points CPython's test modules at the implementation under test.

There are two ways: a fixture that builds one of asyncio's private loops gets the loop under test instead, and a test class with
attributes for a Task or Future class gets subclasses with the classes under test, alone and paired with the native ones.
One function per test module that needs it, found by the module's name; all other modules work through substitution.py alone.
Generated classes are called Own... ; "C" is asyncio's C implementation and "Py" its Python one, as in CPython's tests.
"""

import asyncio
import sys

from test.test_asyncio import utils as test_utils

from virtual_clock import virtual_clock_loop_class


def adapt(module, subject):
    """Change module (one of CPython's test modules) in memory, for subject."""
    short_name = module.__name__.rpartition(".")[2]
    adaptation = ADAPTATIONS.get(short_name)
    if adaptation is not None:
        adaptation(module, subject)


def add_class(module, name, *bases, **attributes):
    """Add a test class to module, as if it had been written there."""
    attributes = {"__module__": module.__name__, "__qualname__": name, **attributes}
    generated = type(name, bases, attributes)
    setattr(module, name, generated)
    return generated


def use_loop_under_test(subject):
    """Make new_test_loop() of CPython's TestCase give the loop under test, on virtual time where the test moves the clock."""
    virtual_clock_loop = virtual_clock_loop_class(asyncio.SelectorEventLoop)

    def new_test_loop(self, gen=None):
        loop = asyncio.new_event_loop() if gen is None else virtual_clock_loop(gen)
        self.set_event_loop(loop)
        return loop

    original = test_utils.TestCase.new_test_loop
    test_utils.TestCase.new_test_loop = new_test_loop
    return original


def new_loop_in_set_up(self):
    """A setUp() for classes that would build a bare BaseEventLoop with a mocked selector."""
    test_utils.TestCase.setUp(self)
    self.loop = asyncio.new_event_loop()
    self.set_event_loop(self.loop)


def swapping_asyncio_names(**replacements):
    """Return a setUp() that replaces asyncio.NAME (and its submodule's) with these classes until the test ends."""

    def set_up(self):
        super(type(self), self).setUp()
        for name, replacement in replacements.items():
            for owner in (asyncio, asyncio.tasks, asyncio.futures):
                if hasattr(owner, name):
                    self.addCleanup(setattr, owner, name, getattr(owner, name))
                    setattr(owner, name, replacement)

    return set_up


def adapt_test_tasks(module, subject):
    original_test_loop = use_loop_under_test(subject)
    own_task, own_future = subject.task_class, subject.future_class
    c_task, c_future = asyncio.Task, asyncio.Future
    py_task, py_future = module.tasks._PyTask, module.futures._PyFuture

    # The C classes carry all_tasks and current_task of the C implementation, which is where own tasks register.
    with_c, with_py = module.CTask_PyFuture_Tests, module.PyTask_CFuture_Tests
    own_pair = {"Task": own_task, "Future": own_future}
    add_class(module, "OwnTask_OwnFuture_Tests", module.CTask_CFuture_Tests, **own_pair)
    add_class(module, "OwnTask_CFuture_Tests", with_c, Task=own_task, Future=c_future)
    add_class(module, "OwnTask_PyFuture_Tests", with_c, Task=own_task, Future=py_future)
    add_class(module, "CTask_OwnFuture_Tests", with_c, Task=c_task, Future=own_future)
    add_class(module, "PyTask_OwnFuture_Tests", with_py, Task=py_task, Future=own_future)
    add_class(module, "OwnTask_OwnFuture_OnForeignLoop_Tests", module.CTask_CFuture_Tests, new_test_loop=original_test_loop, **own_pair)

    for name, task, future in (
        ("OwnTask_OwnFuture_SubclassTests", own_task, own_future),
        ("OwnTaskSubclass_CFuture_Tests", own_task, c_future),
        ("CTask_OwnFutureSubclass_Tests", c_task, own_future),
    ):
        module.add_subclass_tests(add_class(module, name, with_c, Task=task, Future=future))

    add_class(module, "OwnTask_Future_Tests", module.CTask_Future_Tests, setUp=swapping_asyncio_names(Task=own_task, Future=own_future))
    add_class(module, "OwnIntrospectionTests", module.CIntrospectionTests, Task=own_task)
    add_class(
        module,
        "OwnCurrentLoopTests",
        module.CCurrentLoopTests,
        current_task=staticmethod(asyncio.current_task),
        new_task=lambda self, coro: own_task(coro, loop=self.loop),
    )
    add_class(module, "OwnGenericTaskTests", module.GenericTaskTests, setUp=swapping_asyncio_names(Task=own_task, Future=own_future))
    # The original looks at the private ready queue to see when nothing is left to run.
    module.GatherTestsBase._run_loop = run_a_few_turns


def run_a_few_turns(self, loop):
    for _ in range(10):
        test_utils.run_briefly(loop)


def adapt_test_futures(module, subject):
    use_loop_under_test(subject)
    own_future = subject.future_class
    own_subclass = type("OwnFutureSubclass", (own_future,), {})

    add_class(module, "OwnFutureTests", module.CFutureTests, cls=own_future)
    add_class(module, "OwnSubFutureTests", module.CSubFutureTests, cls=own_subclass)
    add_class(module, "OwnFutureDoneCallbackTests", module.CFutureDoneCallbackTests, _new_future=lambda self: own_future(loop=self.loop))
    add_class(
        module, "OwnSubFutureDoneCallbackTests", module.CSubFutureDoneCallbackTests, _new_future=lambda self: own_subclass(loop=self.loop)
    )
    add_class(module, "OwnFutureInheritanceTests", module.CFutureInheritanceTests, _get_future_cls=lambda self: own_future)


def adapt_test_futures2(module, subject):
    add_class(module, "OwnFutureTests", module.CFutureTests, cls=subject.task_class)


def adapt_test_eager_task_factory(module, subject):
    own_task = subject.task_class
    add_class(module, "OwnEagerTaskFactoryLoopTests", module.CEagerTaskFactoryLoopTests, Task=own_task)
    add_class(module, "OwnNonEagerTests", module.NonEagerCTaskTests, Task=own_task)
    add_class(module, "OwnEagerTests", module.EagerCTaskTests, Task=own_task)


def adapt_test_free_threading(module, subject):
    def lazy_factory(self, loop, coro, **kwargs):
        return subject.task_class(coro, loop=loop, **kwargs)

    def eager_factory(self, loop, coro, eager_start=True, **kwargs):
        return subject.task_class(coro, loop=loop, eager_start=eager_start, **kwargs)

    own_names = swapping_asyncio_names(Task=subject.task_class, Future=subject.future_class)
    base = module.TestCFreeThreading
    add_class(module, "TestOwnFreeThreading", base, setUp=own_names, factory=lazy_factory)
    add_class(module, "TestEagerOwnFreeThreading", base, setUp=own_names, factory=eager_factory)


def adapt_test_graph(module, subject):
    own_names = swapping_asyncio_names(Task=subject.task_class, Future=subject.future_class)
    add_class(module, "TestCallStackOwn", module.TestCallStackC, setUp=own_names)


def adapt_test_base_events(module, subject):
    # The baseline keeps the fixture that it was written for.
    if subject.name != "asyncio":
        module.BaseEventLoopTests.setUp = new_loop_in_set_up


def adapt_test_pep492(module, subject):
    module.BaseTest.setUp = new_loop_in_set_up


def adapt_test_runners(module, subject):
    def new_loop(self):
        loop = asyncio.SelectorEventLoop()
        loop.shutdown_ag_run = False
        shutdown_asyncgens = loop.shutdown_asyncgens

        async def noting_shutdown_asyncgens():
            loop.shutdown_ag_run = True
            await shutdown_asyncgens()

        loop.shutdown_asyncgens = noting_shutdown_asyncgens
        return loop

    module.BaseTest.new_loop = new_loop


def adapt_test_subprocess(module, subject):
    use_loop_under_test(subject)


ADAPTATIONS = {name.removeprefix("adapt_"): function for name, function in vars(sys.modules[__name__]).items() if name.startswith("adapt_")}
