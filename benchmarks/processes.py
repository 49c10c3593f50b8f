"""Child processes that answer lines with lines of JSON.

Promise: a failure names its reason. A process leads a process group, which is killed with the block that started it: whether a loop
ends in good order is not the subject here.
"""

import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import tempfile

from benchmarks import Failure

# Longer than any answer takes.
ANSWER_LIMIT_S = 50.0


def python_command(name, *arguments):
    """Return what runs a command of run.py. -P: neither the current folder nor benchmarks/ is on the import path."""
    return [sys.executable, "-P", str(pathlib.Path(__file__).with_name("run.py")), name, *map(str, arguments)]


class Process:
    """A child that says a line of JSON when it is ready, the greeting, and one for each line that it is given."""

    def __init__(self, command, stack):
        """Start it. It ends with stack, a contextlib.ExitStack."""
        self._errors = stack.enter_context(tempfile.TemporaryFile("w+"))
        self._process = stack.enter_context(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, process_group=0)
        )
        self.pid = self._process.pid
        stack.callback(self._kill)
        self.greeting = self.read()

    def ask(self, line):
        """Send line and return the answer's content."""
        try:
            os.write(self._process.stdin.fileno(), f"{line}\n".encode())
        except BrokenPipeError:
            # It has ended; read() says why.
            pass
        return self.read()

    def read(self):
        # It prints a line only when asked, so there is none in the buffer of stdout.
        if not select.select([self._process.stdout], [], [], ANSWER_LIMIT_S)[0]:
            raise Failure(f"no answer after {ANSWER_LIMIT_S:g} s")
        line = self._process.stdout.readline()
        if not line:
            raise Failure(self._reason_for_its_end())
        try:
            answer = json.loads(line)
        except ValueError:
            raise Failure(f"it printed {line.strip()!r}") from None
        if "failure" in answer:
            raise Failure(answer["failure"])
        return answer

    def last_words(self):
        self._errors.seek(0)
        return self._errors.read().strip().rpartition("\n")[2].strip()

    def _reason_for_its_end(self):
        status, words = self._process.wait(timeout=ANSWER_LIMIT_S), self.last_words()
        if status < 0:
            return f"ended by {signal.Signals(-status).name}" + (f": {words}" if words else "")
        return words or f"exit status {status} without a word"

    def _kill(self):
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            # macOS answers EPERM for a group in which only zombies are left.
            pass
