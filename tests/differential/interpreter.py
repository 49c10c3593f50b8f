"""Runs a program on a loop and records what happens: callbacks, futures, tasks and the phases.

Each event of the trace is a line: the place in the program ("2.0.1": the action 1 in the body of the action 0 in the body of
the action 2), what was done there, and its result. The interpreter's own callback, the driver, runs in every turn and writes
"turn 7" into the trace, so that two traces are the same only if everything happened in the same turn.
interpreter_io.py has the descriptors, transports and streams.
"""

import asyncio
import collections
import contextlib
import contextvars
import re
import threading
from asyncio import base_events

import program as language
import rules

VARIABLE = contextvars.ContextVar("VARIABLE", default=0)
# How long an idle phase lasts: longer than every timer of a program.
IDLE_S = 0.02
NEVER_S = 1000
# Callbacks that answer each other would never end.
MOST_ACTIONS = 200
CLOSING_TURNS = 8
MOST_CLOSING_ROUNDS = 30


class ProgramError(Exception):
    """What programs raise."""


class Interpreter:
    def __init__(self, program, loop):
        self.program = program
        self.loop = loop
        self.trace = []
        # How often each rule had something left out.
        self.left_out = collections.Counter()
        self.is_recording = True
        self.turn = 0
        self.turns_left = 0
        self.is_idle = False
        self.values = 0
        self.actions_left = MOST_ACTIONS
        self.shared_context = contextvars.copy_context()
        self.futures = [self.new_future(number) for number in range(language.FUTURES)]
        # Futures complain when they are collected, at no certain moment. So all are kept until the end.
        self.kept = list(self.futures)
        self.callbacks = [[] for _ in self.futures]
        self.handles = []
        self.tasks = []
        self.events = [asyncio.Event() for _ in range(language.EVENTS)]
        self.queues = [asyncio.Queue(2) for _ in range(language.QUEUES)]
        self.locks = [asyncio.Lock() for _ in range(language.LOCKS)]
        loop.set_exception_handler(self.on_exception)

    # ---- the trace ----

    def note(self, place, *words):
        if self.is_recording:
            self.trace.append(" ".join([place, *map(str, words)]))

    def on_exception(self, loop, context):
        # Messages end with a repr of the object.
        message = re.split(r" [<(]|: <", context["message"])[0]
        message = re.sub(r" (in callback|method) .*", r" \1", message)
        self.note("handler", message, describe(context.get("exception")), ",".join(sorted(set(context) - {"source_traceback"})))

    def next_value(self):
        self.values += 1
        return self.values

    # ---- phases ----

    def run(self):
        """Return the trace of the whole program."""
        with self.io():
            self.loop.call_soon(self.drive)
            for number, phase in enumerate(self.program.phases):
                self.run_phase(f"{number}", phase)
            self.close()
        return self.trace

    @contextlib.contextmanager
    def io(self):
        yield

    def close_io(self, is_last=False):
        pass

    def run_phase(self, place, phase):
        self.note(place, "phase")
        self.turns_left = phase.turns
        if phase.is_idle:
            self.is_idle = True
            self.loop.call_later(IDLE_S, self.end_idle)
        try:
            self.do_body(f"{place}b", phase.before)
        except (ProgramError, SystemExit) as error:
            self.note(place, "before raised", describe(error))
        main = None
        if phase.main is not None:
            main = self.spawn(f"{place}m", phase.main)
        while self.turns_left > 0 and not (main is not None and main.done()):
            try:
                if main is None:
                    self.loop.run_forever()
                    self.note(place, "stopped")
                else:
                    self.note(place, "main gave", self.loop.run_until_complete(main))
            except (Exception, SystemExit, asyncio.CancelledError) as error:
                self.note(place, "run raised", describe(error))
                if isinstance(error, SystemExit) and main is not None:
                    self.forget_ends_of_runs()
        if self.is_idle and main is not None and main.done():
            # The timer is still there: it ends the idle time.
            while self.is_idle:
                try:
                    self.loop.run_forever()
                except SystemExit as error:
                    self.note(place, "idle raised", describe(error))

    def forget_ends_of_runs(self):
        """Rule INTERRUPTED_RUN."""
        if isinstance(self.loop._ready, collections.deque):
            for handle in self.loop._ready:
                if handle._callback is base_events._run_until_complete_cb:
                    handle.cancel()
                    self.left_out[rules.INTERRUPTED_RUN] += 1

    def drive(self):
        self.turn += 1
        self.loop.ticks = self.turn
        self.note("turn", self.turn)
        if self.is_idle:
            return
        self.turns_left -= 1
        if self.turns_left <= 0:
            self.loop.stop()
        self.loop.call_soon(self.drive)

    def end_idle(self):
        self.is_idle = False
        self.turns_left = 0
        self.note("idle time over")
        self.loop.stop()
        self.loop.call_soon(self.drive)

    def close(self):
        """Cancel what is left and record what that does; then end it all unrecorded."""
        self.note("closing")
        for number, future in enumerate(self.futures):
            self.note(f"future {number}", state(future))
        for number, task in enumerate(self.tasks):
            self.note(f"task {number}", state(task))
            task.cancel()
        self.close_io()
        self.run_turns(CLOSING_TURNS)
        self.is_recording = False
        # Connections that were still to be accepted get transports only now.
        self.run_turns(4)
        self.close_io(is_last=True)
        self.run_turns(4)
        for _ in range(MOST_CLOSING_ROUNDS):
            pending = asyncio.all_tasks(self.loop)
            if not pending:
                return
            for task in pending:
                task.cancel()
            self.run_turns(3)
        raise AssertionError(f"tasks that do not end: {pending}")

    def run_turns(self, turns):
        self.turns_left = turns
        while self.turns_left > 0:
            try:
                self.loop.run_forever()
            except SystemExit as error:
                self.note("closing raised", describe(error))

    # ---- callbacks ----

    def do_body(self, place, body):
        if not self.is_recording:
            return
        for number, node in enumerate(body):
            self.do(f"{place}.{number}", node)

    def do(self, place, node):
        name = method_name(type(node))
        self.actions_left -= 1
        if self.actions_left < 0:
            return
        try:
            result = getattr(self, name)(place, node)
        except ProgramError:
            raise
        except Exception as error:
            self.note(place, name, "raised", describe(error))
        else:
            self.note(place, name, "" if result is None else result)

    def callback(self, place, body):
        """A function that records its call, and does the body."""

        def called(*args):
            variable = VARIABLE.get()
            self.note(place, "runs", *(describe_argument(argument) for argument in args), f"var={variable}" if variable else "")
            self.do_body(place, body)

        return called

    def call_soon(self, place, node):
        context = self.shared_context if node.in_shared_context else None
        self.handles.append(self.loop.call_soon(self.callback(place, node.body), context=context))

    def call_later(self, place, node):
        self.handles.append(self.loop.call_later(self.seconds(node.ticks), self.callback(place, node.body)))

    def call_at(self, place, node):
        when = self.loop.time() + self.seconds(node.ticks)
        self.handles.append(self.loop.call_at(when, self.callback(place, node.body)))

    def call_soon_threadsafe(self, place, node):
        def schedule():
            self.handles.append(self.loop.call_soon_threadsafe(self.callback(place, node.body)))

        if not node.from_thread:
            return schedule()
        thread = threading.Thread(target=schedule)
        thread.start()
        thread.join()

    def cancel_handle(self, place, node):
        if self.handles:
            handle = self.handles[node.handle % len(self.handles)]
            handle.cancel()
            return handle.cancelled()

    def ticker(self, place, node):
        def tick(number):
            self.note(place, "tick", number)
            if number < node.turns:
                self.loop.call_soon(tick, number + 1)
            else:
                self.do_body(place, node.body)

        self.handles.append(self.loop.call_soon(tick, 1))

    def seconds(self, ticks):
        if ticks > 0 and self.program.clock == "real" and not self.is_idle:
            # The number of turns until then depends on the machine, so the timer never fires.
            return NEVER_S
        return ticks * self.loop.tick_s

    # Futures

    def new_future(self, place, node=None):
        if node is not None:
            number = node.future % len(self.futures)
            self.futures[number] = self.new_future(number)
            self.callbacks[number] = []
            self.kept.append(self.futures[number])
            return None
        # The last one is not the loop's own kind.
        return asyncio.Future(loop=self.loop) if place == language.FUTURES - 1 else self.loop.create_future()

    def set_result(self, place, node):
        value = self.next_value()
        self.futures[node.future % len(self.futures)].set_result(value)
        return value

    def set_exception(self, place, node):
        self.futures[node.future % len(self.futures)].set_exception(ProgramError(place))

    def cancel_future(self, place, node):
        return self.futures[node.future % len(self.futures)].cancel()

    def add_done_callback(self, place, node):
        number = node.future % len(self.futures)
        callback = self.callback(place, node.body)
        self.callbacks[number].append(callback)
        self.futures[number].add_done_callback(callback)

    def remove_done_callback(self, place, node):
        number = node.future % len(self.futures)
        if self.callbacks[number]:
            callback = self.callbacks[number][node.callback % len(self.callbacks[number])]
            return self.futures[number].remove_done_callback(callback)

    # ---- tasks, and what they share ----

    def spawn(self, place, node):
        body = node if isinstance(node, tuple) else node.body
        task = self.loop.create_task(self.run_body(place, body))
        self.tasks.append(task)
        self.note(place, "task", len(self.tasks) - 1)
        return task if isinstance(node, tuple) else None

    def cancel_task(self, place, node):
        if self.tasks:
            return self.tasks[node.task % len(self.tasks)].cancel()

    def uncancel(self, place, node):
        if self.tasks:
            return self.tasks[node.task % len(self.tasks)].uncancel()

    def set_event(self, place, node):
        self.events[node.event].set()

    def clear_event(self, place, node):
        self.events[node.event].clear()

    def put_nowait(self, place, node):
        self.queues[node.queue].put_nowait(self.next_value())

    def get_nowait(self, place, node):
        return self.queues[node.queue].get_nowait()

    def set_variable(self, place, node):
        before = VARIABLE.get()
        VARIABLE.set(node.value)
        return f"{before} -> {node.value}"

    def raise_(self, place, node):
        self.note(place, "raises")
        if node.is_exit:
            raise SystemExit(place)
        raise ProgramError(place)

    def stop(self, place, node):
        self.loop.stop()

    # ---- coroutines ----

    def run_body(self, place, body):
        # Made before the first step, so that a coroutine knows which tasks are younger.
        return self.coroutine(place, body, len(self.tasks))

    async def coroutine(self, place, body, born):
        variable = VARIABLE.get()
        self.note(place, "starts", f"var={variable}" if variable else "")
        try:
            for number, node in enumerate(body):
                here = f"{place}.{number}"
                if not isinstance(node, language.Await):
                    self.do(here, node)
                    continue
                name = method_name(type(node))
                self.note(here, name)
                value = await getattr(self, name)(here, node, born)
                self.note(here, name, "gave", describe_argument(value))
        except BaseException as error:
            if isinstance(error, GeneratorExit):
                raise
            self.note(place, "leaves with", describe(error))
            raise
        self.note(place, "ends")
        return place

    async def sleep(self, place, node, born):
        await asyncio.sleep(self.seconds(node.ticks))

    async def await_future(self, place, node, born):
        return await self.futures[node.future % len(self.futures)]

    async def await_task(self, place, node, born):
        younger = self.tasks[born + 1 :]
        if younger:
            return await younger[node.task % len(younger)]

    async def await_body(self, place, node, born):
        return await self.run_body(place, node.body)

    def spawn_all(self, place, bodies):
        return [self.spawn(f"{place}.{number}", body) for number, body in enumerate(bodies)]

    async def gather(self, place, node, born):
        outer = asyncio.gather(*self.spawn_all(place, node.bodies), return_exceptions=node.return_exceptions)
        self.kept.append(outer)
        return [describe_argument(result) for result in await outer]

    async def wait(self, place, node, born):
        tasks = self.spawn_all(place, node.bodies)
        if not tasks:
            return None
        until = asyncio.FIRST_COMPLETED if node.is_first_enough else asyncio.ALL_COMPLETED
        timeout = None if node.ticks is None else self.seconds(node.ticks)
        done, _ = await asyncio.wait(tasks, return_when=until, timeout=timeout)
        return ["done" if task in done else "pending" for task in tasks]

    async def shield_future(self, place, node, born):
        outer = asyncio.shield(self.futures[node.future % len(self.futures)])
        self.kept.append(outer)
        return await outer

    async def shield_body(self, place, node, born):
        outer = asyncio.shield(self.spawn(place, node.body))
        self.kept.append(outer)
        return await outer

    async def wait_for(self, place, node, born):
        return await asyncio.wait_for(self.run_body(place, node.body), self.seconds(node.ticks))

    async def timeout(self, place, node, born):
        async with asyncio.timeout(self.seconds(node.ticks)):
            return await self.run_body(place, node.body)

    async def group(self, place, node, born):
        async with asyncio.TaskGroup() as group:
            for number, body in enumerate(node.bodies):
                self.tasks.append(group.create_task(self.run_body(f"{place}.{number}", body)))
            return await self.run_body(f"{place}b", node.body)

    async def catch(self, place, node, born):
        try:
            return await self.run_body(place, node.body)
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            return f"{describe(error)} cancelling={task.cancelling() if task else None}"

    async def wait_event(self, place, node, born):
        return await self.events[node.event].wait()

    async def get(self, place, node, born):
        return await self.queues[node.queue].get()

    async def put(self, place, node, born):
        await self.queues[node.queue].put(self.next_value())

    async def locked(self, place, node, born):
        async with self.locks[node.lock]:
            return await self.run_body(place, node.body)


METHOD_NAMES = {}


def method_name(cls):
    if cls not in METHOD_NAMES:
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()
        METHOD_NAMES[cls] = {"raise": "raise_", "close": "close_"}.get(name, name)
    return METHOD_NAMES[cls]


def describe(error):
    """An exception, without what differs from run to run."""
    if error is None:
        return ""
    if isinstance(error, BaseExceptionGroup):
        return f"{type(error).__name__}[{', '.join(map(describe, error.exceptions))}]"
    text = str(error)
    return f"{type(error).__name__}({'...' if '<' in text or '0x' in text else text})"


def state(future):
    if not future.done():
        return "pending"
    if future.cancelled():
        return "cancelled"
    return describe(future.exception()) or describe_argument(future.result())


def describe_argument(value):
    if asyncio.isfuture(value):
        return state(value)
    return describe(value) if isinstance(value, BaseException) else str(value)
