"""Lookups: questions to the system's resolver, which may block for long, in threads of their own.

Owns: the threads of one loop, and each question until it is answered.
Promises: equal questions under way are asked once, and each asker gets an answer of its own. Nothing is remembered: a question
  that comes after the answer is asked anew. A question that nobody waits for any more is dropped, or its answer is.
  The threads are daemons, so a resolver that is stuck does not delay the end of the process.
Driven by: getaddrinfo() and getnameinfo() in the loop's thread, and the threads, which call back through call_soon_threadsafe().
"""

import asyncio
import collections
import threading
import warnings

from fastloop.python.exception_arguments import exception_from_executor

# Of one loop. More questions wait their turn.
MAX_THREADS = 32
# A thread that has had nothing to do for so long ends.
MAX_IDLE_S = 10


class Question:
    """One call of a function that may block, and the futures that wait for its result, in the order of asking."""

    def __init__(self, loop, function, arguments):
        self._loop = loop
        self._function = function
        self._arguments = arguments
        self._result = self._error = None
        # Changed in the loop's thread only.
        self.askers = {}
        self.is_answered = False

    def ask(self):
        """Called in a thread."""
        try:
            self._result = self._function(*self._arguments)
        except BaseException as error:
            self._error = error
        self.is_answered = True

    def deliver(self):
        """Called in the thread that has asked: have the loop answer."""
        try:
            self._loop.call_soon_threadsafe(self._answer_all)
        except RuntimeError:
            self._result = self._error = None
            if not self._loop.is_closed():
                raise

    def _answer_all(self):
        try:
            for asker in list(self.askers):
                self._answer(asker)
                del self.askers[asker]
            # Its traceback refers to this question.
            self._error = None
        finally:
            if self.askers:
                # A signal handler has raised in between.
                self._loop.call_soon(self._answer_all)

    def _answer(self, asker):
        if asker.done():
            return
        if self._error is None:
            # Every asker may change its list.
            asker.set_result(list(self._result) if type(self._result) is list else self._result)
        else:
            error = exception_from_executor(self._error)
            asker.set_exception(error if len(self.askers) == 1 else copy_of_exception(error))


def copy_of_exception(error):
    """An exception that can be raised beside error: each raise adds lines to a traceback, and sets a context."""
    import copy

    try:
        twin = copy.copy(error).with_traceback(error.__traceback__)
    except Exception:
        return error
    twin.__context__ = error.__context__
    twin.__cause__, twin.__suppress_context__ = error.__cause__, error.__suppress_context__
    return twin


class Lookups:
    """The questions of one loop, and the threads that ask them."""

    def __init__(self):
        # Questions that others may join, by what identifies them, and all futures that wait. Used in the loop's thread only.
        self._joinable = {}
        self._askers = set()

        # All threads use what follows, while they hold this lock. It is reentrant, because the collector may close another loop.
        self._changed = threading.Condition(threading.RLock())
        self._waiting = collections.deque()
        self._threads = set()
        # Those that are inside the function that may block. A thread leaves this set without the lock.
        self._asking = set()
        self._idle_count = 0
        self._has_ended = False

    async def ask(self, loop, key, function, *arguments):
        """Return what the function returns in a thread. key: equal for equal questions, or None for one that nobody may join."""
        question = self._joinable.get(key)
        is_new = question is None or question.is_answered
        if is_new:
            question = Question(loop, function, arguments)
        asker = loop.create_future()
        try:
            question.askers[asker] = None
            self._askers.add(asker)
            if is_new:
                self._begin(question)
                if key is not None:
                    self._joinable[key] = question
            return await asker
        finally:
            self._askers.discard(asker)
            question.askers.pop(asker, None)
            if not question.askers and self._joinable.get(key) is question:
                del self._joinable[key]
            # What is raised refers to this frame.
            del asker, question

    def _begin(self, question):
        with self._changed:
            self._waiting.append(question)
            if self._idle_count >= len(self._waiting):
                self._changed.notify()
            elif len(self._threads) < MAX_THREADS:
                self._start_thread(question)

    def _start_thread(self, question):
        thread = threading.Thread(target=self._work, name="fastloop-lookup", daemon=True)
        self._threads.add(thread)
        try:
            thread.start()
        except BaseException as error:
            self._threads.discard(thread)
            # The other threads can ask it. What a signal handler has raised must be heard of.
            if not self._threads or not isinstance(error, Exception):
                self._waiting.remove(question)
                raise

    def _work(self):
        thread = threading.current_thread()
        try:
            while (question := self._next_question(thread)) is not None:
                question.ask()
                self._asking.discard(thread)
                question.deliver()
                question = None
        finally:
            with self._changed:
                self._threads.discard(thread)
                self._asking.discard(thread)

    def _next_question(self, thread):
        """Wait for a question. Returns None if the thread must end, which then counts no longer."""
        with self._changed:
            while True:
                while self._waiting:
                    question = self._waiting.popleft()
                    if question.askers:
                        self._asking.add(thread)
                        return question
                    question = None
                if self._has_ended or not self._was_called() and not self._waiting:
                    self._threads.discard(thread)
                    return None

    def _was_called(self):
        self._idle_count += 1
        try:
            return self._changed.wait(MAX_IDLE_S)
        finally:
            self._idle_count -= 1

    def end(self):
        """Drop what waits, and have the threads end. Those that are stuck in the resolver end when it returns."""
        with self._changed:
            self._has_ended = True
            self._waiting.clear()
            self._changed.notify_all()

    async def finish(self, timeout_s):
        """Wait for the lookups that somebody waits for, then end the threads."""
        if self._askers:
            _, unanswered = await asyncio.wait(self._askers, timeout=timeout_s)
            if unanswered:
                warnings.warn(f"{len(unanswered)} name lookups did not end within {timeout_s} seconds", RuntimeWarning, stacklevel=3)
        self.end()
        for thread in self._threads - self._asking:
            thread.join()
