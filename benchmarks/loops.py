"""The event loops that can be measured, by name.

Owns: how each is imported and made, and the check that it is the one that runs.
Promise: a loop is imported by load_factory() only, in the process that measures it. Some loops patch asyncio on import.
"""

import importlib
import importlib.util
import os
import platform
from dataclasses import dataclass

from benchmarks import Failure, native_programs

SUBJECT = "fastloop"
# A server in C that only makes its system calls. It takes part where a scenario can use it.
YARDSTICK = "limit"
# fastloop with the other of its ways to do TLS. It takes part in the scenarios of TLS.
MEMORYBIO = "fastloop-memorybio"
# No loops of their own: they are in no ratio as "the best other loop".
COMPANIONS = {YARDSTICK, MEMORYBIO}
DEFAULT_LOOPS = ("fastloop", "asyncio", "uvloop", YARDSTICK)


@dataclass(frozen=True)
class LoopDefinition:
    """One loop: where it comes from, how a user gets it, and what in its module makes one."""

    name: str
    module: str
    how_to_get: str
    factory: str = "new_event_loop"

    def reason_for_absence(self):
        """Return why the loop cannot be measured here, None if it can."""
        return None if importlib.util.find_spec(self.module) else f"it is not installed: {self.how_to_get}"

    def version(self):
        """Return the installed version, "unknown" for a module without one, None if the loop is absent."""
        if self.reason_for_absence():
            return None
        if self.module == "asyncio":
            return platform.python_version()
        # Imported here because it takes a third of the time that a process needs to start.
        import importlib.metadata

        try:
            return importlib.metadata.version(self.module)
        except importlib.metadata.PackageNotFoundError:
            return "unknown"

    def load_factory(self):
        """Import the loop and return the function that makes one."""
        return getattr(importlib.import_module(self.module), self.factory)

    def identify(self, loop):
        """Return the name of the loop's class. RuntimeError if it is another package's."""
        full_name = f"{type(loop).__module__}.{type(loop).__qualname__}"
        if full_name.partition(".")[0] != self.module:
            raise RuntimeError(f"expected a loop of {self.module}, running on {full_name}")
        return full_name


class MemorybioDefinition(LoopDefinition):
    """fastloop, told not to call OpenSSL directly."""

    def load_factory(self):
        os.environ["FASTLOOP_TLS_ENGINE"] = "memorybio"
        return super().load_factory()


class AiofastnetDefinition(LoopDefinition):
    """A loop whose transports are replaced by those of the package aiofastnet."""

    def reason_for_absence(self):
        is_installed = all(map(importlib.util.find_spec, (self.module, "aiofastnet")))
        return None if is_installed else f"it is not installed: {self.how_to_get}"

    def version(self):
        addition = LoopDefinition("aiofastnet", "aiofastnet", self.how_to_get).version()
        return addition and f"{super().version()}+{addition}"

    def load_factory(self):
        factory = super().load_factory()
        return importlib.import_module("aiofastnet").loop_factory(factory)


class YardstickDefinition(LoopDefinition):
    """The C server in the place of a loop; session.py starts it."""

    def reason_for_absence(self):
        try:
            native_programs.path_of(self.module)
        except Failure as failure:
            return str(failure)

    def version(self):
        return None if self.reason_for_absence() else "C epoll"


LOOPS = {
    definition.name: definition
    for definition in (
        # The name on PyPI belongs to an unrelated project: the source tree is the only way.
        LoopDefinition("fastloop", "fastloop", "pip install . (in the source tree)"),
        LoopDefinition("asyncio", "asyncio", "part of Python"),
        LoopDefinition("uvloop", "uvloop", "pip install uvloop"),
        AiofastnetDefinition("uvloop+aiofastnet", "uvloop", "pip install uvloop aiofastnet"),
        LoopDefinition("rloop", "rloop", "pip install rloop"),
        LoopDefinition("rsloop", "rsloop", "pip install rsloop"),
        LoopDefinition("zuvloop", "zuvloop", "pip install zuvloop (Python 3.14 or later)"),
        LoopDefinition("loopmini", "loopmini", "pip install loopmini"),
        LoopDefinition("blazio", "blazio", "pip install blazio (Python 3.12 or later)"),
        LoopDefinition("talyn", "talyn", "pip install talyn (Python 3.13 or later)", factory="Loop"),
        MemorybioDefinition(MEMORYBIO, "fastloop", "pip install . (in the source tree)"),
        YardstickDefinition(YARDSTICK, "limit_server", "needs Linux and a C compiler"),
    )
}
PEERS = tuple(name for name in LOOPS if name not in (SUBJECT, "asyncio", *COMPANIONS))
