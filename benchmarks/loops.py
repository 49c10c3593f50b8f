"""The event loops that can be measured, by name.

Owns: how each loop is imported, made and installed, and how to see that it is the one that runs.
Promise: nothing here imports a loop before load_factory() is called; some loops patch asyncio when
they are imported, so that happens only in the process that measures them.
"""

import importlib
import importlib.util
import platform
from dataclasses import dataclass

import native_programs

SUBJECT = "fastloop"
# A C server that only makes its system calls. It stands among the loops where a scenario can use it, and is none.
YARDSTICK = "limit"
# The title of the figure that it is a yardstick for; throughput and latency are the client's, too.
YARDSTICK_METRIC = "server CPU"
DEFAULT_LOOPS = ("fastloop", "asyncio", "uvloop", YARDSTICK)


@dataclass(frozen=True)
class LoopDefinition:
    """One loop: where it comes from, how a user gets it, and what in its module makes one."""

    name: str
    module: str
    how_to_get: str
    factory: str = "new_event_loop"

    def is_available(self):
        return importlib.util.find_spec(self.module) is not None

    def version(self):
        """The installed version, "unknown" for a source tree on the path, None if absent."""
        if self.module == "asyncio":
            return platform.python_version()
        if not self.is_available():
            return None
        # Imported here: it takes a third of the time that a process needs to start, and few need it.
        import importlib.metadata

        try:
            return importlib.metadata.version(self.module)
        except importlib.metadata.PackageNotFoundError:
            return "unknown"

    def load_factory(self):
        """Import the loop and return the function that makes one."""
        return getattr(importlib.import_module(self.module), self.factory)

    def identify(self, running_loop):
        """Return the class of running_loop as text; RuntimeError if it is another package's."""
        loop_class = type(running_loop)
        full_name = f"{loop_class.__module__}.{loop_class.__qualname__}"
        if loop_class.__module__.partition(".")[0] != self.module:
            raise RuntimeError(f"expected a loop of {self.module}, running on {full_name}")
        return full_name


class YardstickDefinition(LoopDefinition):
    """The C server in the place of a loop; scenarios.server_session starts it."""

    def is_available(self):
        return native_programs.program(self.module) is not None

    def version(self):
        return "C epoll" if self.is_available() else None

    def load_factory(self):
        return None


LOOPS = {
    definition.name: definition
    for definition in (
        # The name on PyPI belongs to an unrelated project: the source tree is the only way.
        LoopDefinition("fastloop", "fastloop", "pip install . (in the source tree)"),
        LoopDefinition("asyncio", "asyncio", "part of Python"),
        LoopDefinition("uvloop", "uvloop", "pip install uvloop"),
        LoopDefinition("rloop", "rloop", "pip install rloop"),
        LoopDefinition("rsloop", "rsloop", "pip install rsloop"),
        LoopDefinition("zuvloop", "zuvloop", "pip install zuvloop (Python 3.14 or later)"),
        LoopDefinition("loopmini", "loopmini", "pip install loopmini"),
        LoopDefinition("blazio", "blazio", "pip install blazio (Python 3.12 or later)"),
        LoopDefinition("talyn", "talyn", "pip install talyn (Python 3.13 or later)", factory="Loop"),
        YardstickDefinition(YARDSTICK, "limit_server", "needs Linux and a C compiler"),
    )
}
# Other people's loops: the comparison goes on without those that do not run here.
PEERS = tuple(name for name in LOOPS if name not in (SUBJECT, "asyncio", YARDSTICK))
