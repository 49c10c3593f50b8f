"""Start-up: what a program pays before its first line runs.

Each repetition is a fresh interpreter; its own start is not counted. "import" is the loop's import
(with asyncio, which all of them need), "first run" adds making a loop, one empty run and its close.
"""

import json
import subprocess
import sys

from scenarios.definition import Failure, Measurement, Metric, Scenario

REPETITIONS = 4

_PROGRAM = """
import time
start_ns = time.perf_counter_ns()
import {module}
import asyncio
imported_ns = time.perf_counter_ns()
async def main():
    return asyncio.get_running_loop()
with asyncio.Runner(loop_factory={module}.new_event_loop) as runner:
    loop = runner.run(main())
finished_ns = time.perf_counter_ns()
import json
loop_class = type(loop).__module__ + "." + type(loop).__qualname__
print(json.dumps([loop_class, (imported_ns - start_ns) / 1e6, (finished_ns - start_ns) / 1e6]))
"""


def _measure_startup(loop_definition, is_quick):
    # -P: the current folder must not stand in for an installed package of the same name.
    command = [sys.executable, "-P", "-c", _PROGRAM.format(module=loop_definition.module)]
    runs = []
    for _ in range(1 if is_quick else REPETITIONS):
        completed = subprocess.run(command, capture_output=True, text=True, check=False)
        if completed.returncode != 0:
            raise Failure(completed.stderr.strip().rpartition("\n")[2])
        runs.append(json.loads(completed.stdout))
    return Measurement(runs[0][0], {"import": [run[1] for run in runs], "first_run": [run[2] for run in runs]})


startup = Scenario(
    "startup",
    "start-up",
    (Metric("import", "ms", "import"), Metric("first_run", "ms", "import and first run")),
    _measure_startup,
)

SCENARIOS = (startup,)
