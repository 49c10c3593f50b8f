"""Start-up: what a program pays before its first line runs.

Each turn is a new interpreter, and its own start is not counted. "import" is the loop's import (with asyncio, which all of them
need), "first run" adds making a loop, one empty run and its close.
"""

import sys
from contextlib import ExitStack, contextmanager

from benchmarks.processes import Process
from benchmarks.scenario import Metric, Participant, Scenario

_PROGRAM = """
import time
start_ns = time.perf_counter_ns()
import {module}
import asyncio
imported_ns = time.perf_counter_ns()
async def main():
    return asyncio.get_running_loop()
with asyncio.Runner(loop_factory={module}.{factory}) as runner:
    loop = runner.run(main())
finished_ns = time.perf_counter_ns()
import json
loop_class = type(loop).__module__ + "." + type(loop).__qualname__
print(json.dumps([loop_class, (imported_ns - start_ns) / 1e6, (finished_ns - start_ns) / 1e6]))
"""


def _start(loop_definition):
    """Return (class of the loop, milliseconds of the import, milliseconds of all)."""
    program = _PROGRAM.format(module=loop_definition.module, factory=loop_definition.factory)
    with ExitStack() as stack:
        # -P: the current folder must not hide an installed package of the same name.
        return Process([sys.executable, "-P", "-c", program], stack).greeting


@contextmanager
def _participate(loop_definition, is_quick):
    # The first start fills the file caches.
    loop_class, *_ = _start(loop_definition)
    yield Participant(loop_class, lambda: dict(zip(("import", "first_run"), _start(loop_definition)[1:])))


METRICS = (Metric("import", "ms", "import"), Metric("first_run", "ms", "import and first run"))
SCENARIOS = (Scenario("startup", "start-up", METRICS, _participate),)
